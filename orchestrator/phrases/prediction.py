"""Sentences about a predicted fleet: what it would do, and what the prediction assumes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from shlex import quote
from typing import Final

from orchestrator.analysis.queueing.open_loop import MOST_BUSY, LatencyPrediction, LatencyPredictions
from orchestrator.analysis.queueing.prediction import Prediction, StagePrediction, round_trips
from orchestrator.analysis.queueing.service_demands import CellDemands
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import FUNCTION, Cell, Plan
from orchestrator.phrases.cells import cell_name
from orchestrator.phrases.load import promise
from orchestrator.phrases.numbers import (
    NONE,
    count,
    interval,
    level,
    number,
    per_second,
    percent,
    seconds,
    spread,
    times,
)
from orchestrator.phrases.scaling import SHORT_STATIONS, station_name, with_interval


def missing_demands(run_id: str, cell: Cell) -> str:
    """Explain why nothing can be predicted from a cell, and the remedy."""
    return (
        f"{run_id} has no station and service times of {cell_name(cell, 'prose')}, so nothing can be "
        "predicted from it; measure it with this release, with a Celery strategy whose tasks succeed"
    )


PREDICTION_HEAD: Final = (
    "stage",
    "takes",
    "interval",
    "tasks/s",
    "long batch",
    "limited by",
    "faster",
)


def prediction_title(found: Sequence[StagePrediction]) -> str:
    """Return what the table of predictions is about."""
    first = found[0].prediction
    fleet = [count(first.fleet.slots, "slot")]
    fleet += [] if first.fleet.hosts is None else [count(first.fleet.hosts, "machine")]
    return f"Predicted, not measured: {count(first.tasks, 'task')} by Celery on {', '.join(fleet)}"


def prediction_row(found: StagePrediction) -> tuple[str, ...]:
    """Return a stage's figures in the order of `PREDICTION_HEAD`; a long batch has no end."""
    made = found.prediction
    figures = (
        seconds(made.makespan_s.point),
        interval(made.makespan_s, seconds, " to ") or NONE,
        number(made.throughput_per_s.point),
        f"{number(made.sustained_per_s)}/s",
        SHORT_STATIONS[made.bottleneck.name],
    )
    return found.name, *figures, times(found.speedup)


def cells_sentence(found: StagePrediction) -> str:
    """Return which cells a row is about, and what more slots would give it."""
    made = found.prediction
    celery = f"{found.name}: {cell_name(made.cell, 'prose')}"
    if found.versus is not None and found.versus_per_s is not None and found.speedup is not None:
        versus = f"{cell_name(found.versus, 'prose')} ({number(found.versus_per_s)}/s)"
        compared = f"{times(found.speedup)} as fast as {versus} here"
        celery += f" would be {compared} ({interval(found.speedup, to=' to ') or 'no interval'})"
    ceiling, chunk = f"about {number(made.ceiling_per_s)} tasks/s", count(made.measured.chunk, "task")
    return f"{celery}; with {chunk} a message, no number of slots gives a long batch more than {ceiling}, by the model."


LATENCY_HEAD: Final = ("rate", "slots", "busy", "p50", "p95", "p99", "promise", "breaks at")
PROMISE: Final = {True: "kept", False: "missed", None: NONE}


def latency_title(found: LatencyPredictions) -> str:
    """Return what the table of latencies is about."""
    arrivals = {"poisson": "Poisson arrivals", "constant": "arrivals at even steps"}[found.arrivals]
    promised = "" if found.objective is None else f"; the promise is {promise(found.objective)}"
    kernel = "" if found.cell.stage == FUNCTION else f" with {found.cell.kernel}"
    subject = f"{found.cell.subject} {found.cell.work}".strip()
    return f"Predicted, not measured: latency of {subject} by Celery{kernel}, {arrivals}{promised}"


def latency_row(row: LatencyPrediction) -> tuple[str, ...]:
    """Return a row's figures in the order of `LATENCY_HEAD`."""
    median = row.latency_s[0.5]
    return (
        per_second(row.rate_per_s),
        f"{row.slots:,}",
        percent(row.utilisation),
        seconds(None if median is None else median.point),
        *(_latency(row.latency_s[quantile]) for quantile in (0.95, 0.99)),
        PROMISE[row.keeps],
        f"{number(row.breaks_at_per_s)}/s",
    )


def _latency(found: Estimate | None) -> str:
    return NONE if found is None else f"{seconds(found.point)} {spread(found)}"


def fewest_sentences(found: LatencyPredictions) -> Iterator[str]:
    """Yield for each rate how many slots keep the promise, and the command that would confirm it."""
    if found.objective is None:
        return
    quantile = found.objective.quantile
    for rate, fewest in found.fewest.items():
        rows = [row for row in found.rows if row.rate_per_s == rate]
        if fewest is None:
            best = rows[-1]
            if best.refused:
                continue
            latency = best.latency_s[quantile]
            why = (
                f"beyond {number(best.breaks_at_per_s)} tasks/s, "
                f"{station_name(best.limited_by.name, best.publishing_share)}, cannot keep up"
                if latency is None
                else f"even {count(best.slots, 'slot')} give {with_interval(latency, seconds)}"
            )
            yield f"At {per_second(rate)}, no number of slots keeps {promise(found.objective)}: {why}."
            continue
        row = next(row for row in rows if row.slots == fewest)
        latency = row.latency_s[quantile]
        if latency is not None:
            yield (
                f"At {per_second(rate)}, {count(fewest, 'slot')} {'keeps' if fewest == 1 else 'keep'} "
                f"{promise(found.objective)}: "
                f"{with_interval(latency, seconds)}, {level(latency)} interval. Beyond {number(row.breaks_at_per_s)} "
                f"tasks/s {station_name(row.limited_by.name, row.publishing_share)} cannot keep up. To confirm: "
                f"orchestrator load {_of_work(found.plan, found.cell)} --strategy celery --slots {fewest} "
                f"--rate {rate:g} --objective p{100 * quantile:.0f}={found.objective.latency_s:g}"
            )


def refused_sentences(found: LatencyPredictions) -> Iterator[str]:
    """Yield why rates that can be sustained have no latency, and the remedy; nothing if all have one."""
    busy = {row.rate_per_s: row.processors_busy or 0.0 for row in found.rows if row.refused}
    if busy:
        shares = ", ".join(f"{percent(share)} busy at {per_second(rate)}" for rate, share in busy.items())
        yield (
            f"The processors would be {shares}. Above {percent(MOST_BUSY)} no latency is predicted, because the many "
            "small steps of workers, broker and orchestrator then wait for each other longer than the model shows. "
            "Measure it with 'orchestrator load', or give the slots machines of their own with --hosts N."
        )


def _of_work(plan: Plan, cell: Cell) -> str:
    """The options that measure the same work again."""
    if cell.stage == FUNCTION:
        return f"--function {cell.kernel} --inputs ..."
    work = f"--stage {cell.stage} --kernel {cell.kernel}"
    if cell.work_s is not None:
        return f"{work} --work-ms {1000 * cell.work_s:g}"
    if plan.source == "origin":
        work += f" --size {cell.width or plan.width}x{cell.height or plan.height}"
    else:
        work += f" --source {quote(plan.source)}"
    if "{i}" in plan.source:  # a server of somebody else's, whose pace is its own
        return work
    bandwidth = "" if plan.bandwidth_mbit is None else f" --bandwidth-mbit {plan.bandwidth_mbit:g}"
    return f"{work} --latency-ms {plan.latency_ms:g}{bandwidth}"


def other_load(measured: CellDemands) -> list[str]:
    """Return what other load meanwhile means for a prediction; nothing without any."""
    if measured.other_load is None:
        return []
    share = percent(measured.other_load)
    return [
        f"other processes took {share} of the processors when tasks were measured; waits for a processor were taken "
        "out, but tasks also computed more slowly"
    ]


def latency_assumptions(found: LatencyPredictions) -> tuple[str, ...]:
    """List what predicted latencies assume, each in a clause."""
    measured = found.measured
    kept = [each for each in measured.samples if each.service_times_s]
    drawn_from = count(sum(len(each.service_times_s) for each in kept), "measured one")
    slots = ", ".join(map(str, measured.slots))
    shares = found.fleet.hosts is None and measured.shared and measured.cores is not None
    listed = [
        f"tasks need as much of each station as they did when measured, on {slots} slots, "
        f"and their service times are drawn from {drawn_from}, "
        "each independently of the last",
        f"a run has {found.tasks:,} tasks; the interval is that of its quantile, widened by 5 % for the model's error"
        + (", and upwards by what small steps may wait for a processor" if shares else ""),
        "each slot has its own worker process, and takes one task a message; nothing else uses the machines",
        "payloads do not wait for each other on their way",
    ]
    if any(len(each.service_times_s) < each.tasks for each in kept):
        listed.append(
            "a batch of more than 64 tasks keeps means of groups, so its longest tasks are evened out"
        )
    listed += other_load(measured)
    if shares:
        server = ", the image server" if measured.typical.image_server_cpu_s else ""
        listed.append(
            f"all slots, the orchestrator{server} and the broker share {measured.cores:g} cores as measured; --hosts N "
            "gives the slots machines of their own"
        )
    return tuple(listed)


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
    yield from other_load(measured)
    if fleet.rtt_s is not None:
        trips = round_trips(measured.cell, measured.chunk)
        yield (
            f"a message waits for {trips.slot} round trips on its slot and {trips.publish + trips.collect} in the "
            f"orchestrator, and a flush for one, each {1e3 * fleet.rtt_s:g} ms"
        )
    if fleet.bandwidth_bytes_per_s is not None:
        moved_kb = measured.typical.payload_bytes / 2e3
        yield (
            f"a {found.cell.subject} task moves {moved_kb:,.3g} kB into and out of the payload store, "
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
