"""Sentences about a predicted fleet: what it would do, and what the prediction assumes."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.analysis.queueing.prediction import Prediction, StagePrediction, round_trips
from orchestrator.model.runs import Cell
from orchestrator.phrases.cells import cell_name
from orchestrator.phrases.numbers import count, number, seconds
from orchestrator.phrases.scaling import demand_phrase, station_name, with_interval


def missing_demands(run_id: str, cell: Cell) -> str:
    """Explain why nothing can be predicted from a cell, and the remedy."""
    return (
        f"{run_id} has no station times of {cell_name(cell, 'prose')}, so nothing can be predicted from it; measure it "
        "with this release, with a Celery strategy whose tasks succeed"
    )


def prediction_sentence(found: StagePrediction) -> str:
    """Say what a stage's best Celery cell would do, and how that compares with the best in-process cell."""
    predicted = f"{found.name}: {_batch_sentence(found.prediction)}"
    if found.versus is None or found.versus_per_s is None or found.speedup is None:
        return predicted
    return (
        f"{predicted} In-process, {cell_name(found.versus, 'prose')} did {number(found.versus_per_s)} tasks/s here; "
        f"Celery would do {with_interval(found.speedup)} times that."
    )


def _batch_sentence(found: Prediction) -> str:
    station = found.bottleneck
    limit = station_name(station.name, found.network.publishing_share)
    return (
        f"{cell_name(found.cell, 'prose')} would take {with_interval(found.makespan_s, seconds)} for "
        f"{count(found.tasks, 'task')}, {number(found.throughput_per_s.point)} tasks/s (predicted, not measured). "
        f"A long batch is limited by {limit} ({demand_phrase(station)}) to "
        f"{number(found.sustained_per_s)} tasks/s; with unlimited slots it would reach {number(found.ceiling_per_s)}."
    )


def assumptions(found: Prediction) -> tuple[str, ...]:
    """List what a prediction assumes, each in a clause."""
    return tuple(_assumptions(found))


def _assumptions(found: Prediction) -> Iterator[str]:
    fleet, measured, window = found.fleet, found.measured, found.network.window
    messages = found.network.messages(found.tasks)
    yield (
        f"tasks need as much of each station as they did when measured, on {found.processor or 'this processor'} with "
        f"{', '.join(map(str, measured.slots))} slots"
    )
    yield "each slot has its own worker process, and nothing else uses the machines, the broker or the links"
    if fleet.rtt_s is not None:
        trips = round_trips(measured.cell, measured.chunk)
        yield (
            f"a message waits for {trips.slot} round trips on its slot and {trips.publish + trips.collect} in the "
            f"orchestrator, and a flush for one, each {1e3 * fleet.rtt_s:g} ms"
        )
    if fleet.bandwidth_bytes_per_s is not None:
        moved_kb = measured.typical.payload_bytes / 2e3
        yield (
            f"a {found.cell.stage} task moves {moved_kb:,.3g} kB into and out of the payload store, "
            f"over one link of {8e-6 * fleet.bandwidth_bytes_per_s:g} Mbit/s each way"
        )
    if fleet.hosts is not None:
        yield (
            f"{count(fleet.hosts, 'machine')} of {found.host_cores:g} cores serve the slots, and one more the "
            "orchestrator and the broker"
        )
    elif measured.shared:
        too_few = (
            f", so that {fleet.slots} slots wait for them; --hosts N gives the slots machines of their own"
        )
        yield (
            "all slots, the orchestrator and the broker share "
            f"{found.cores:g} core{'' if found.cores == 1 else 's'}, as measured"
            f"{too_few if fleet.slots > found.cores else ''}"
        )
    if not measured.overhead_known:
        yield "a message's overhead on its slot is that of an empty task, because the slots were never busy"
    if not measured.broker_known:
        yield "the broker is no limit, because it did not report its CPU time"
    if messages < fleet.slots:
        yield (
            f"a batch of {count(messages, 'message')} keeps no more than that many of {fleet.slots} slots busy; "
            "--tasks N makes it longer"
        )
    if window < fleet.slots:
        yield f"at most {window} messages are in flight at once, which the Celery strategy never exceeds"
