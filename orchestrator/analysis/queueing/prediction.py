"""What a fleet that is not here would do, from the demands that a result holds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log
from statistics import median
from typing import Final, TypeAlias

from orchestrator.analysis.queueing.makespan_model import makespan_s
from orchestrator.analysis.queueing.round_trips import round_trips, window
from orchestrator.analysis.queueing.sample_demands import TaskDemands
from orchestrator.analysis.queueing.service_demands import CellDemands, service_demands
from orchestrator.analysis.queueing.simulation import SimulatedBatch, simulate
from orchestrator.analysis.queueing.stations import (
    QueueingNetwork,
    Station,
    StationName,
    bottleneck,
    ceiling_per_s,
    stations,
)
from orchestrator.analysis.stats.bootstrap import bootstrapped, resamples
from orchestrator.analysis.stats.intervals import makespan
from orchestrator.errors import UsageError
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import Cell, CellResult, Run
from orchestrator.phrases.cells import cell_name
from orchestrator.phrases.numbers import count

MODEL_MARGIN: Final = 0.05  # error of the model alone; docs/measurements/prediction.md has what was measured

LONG_TURNS: Final = 20
"""Messages a slot in a batch so long that its ends do not count."""


Drawn: TypeAlias = tuple[tuple[tuple[int, ...], float], ...]
"""Resamples: the rounds of each, and the makespan with their demands as a share of the one of all rounds."""


@dataclass(frozen=True, slots=True)
class HypotheticalFleet:
    """A fleet to predict; `None` leaves a figure as it was measured.

    `rtt_s` is a network round trip between a worker or the orchestrator and the broker,
    `bandwidth_bytes_per_s` what a machine's link carries each way, `hosts` how many machines like the
    measured one the slots are spread over, apart from the orchestrator's.
    """

    slots: int
    rtt_s: float | None = None
    bandwidth_bytes_per_s: float | None = None
    hosts: int | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a batch would take on a fleet that is not here, and what that rests on.

    `makespan_s` is the simulation's, its interval that of the rounds widened by the model's `margin` (a share
    of the makespan). `sustained_per_s` is what a stream of tasks without end could get through,
    `ceiling_per_s` the same with slots without end.
    """

    cell: Cell
    fleet: HypotheticalFleet
    tasks: int
    makespan_s: Estimate
    bottleneck: StationName
    stations: tuple[Station, ...]
    sustained_per_s: float
    ceiling_per_s: float
    simulated: SimulatedBatch
    margin: float
    publishing_share: float
    assumptions: tuple[str, ...]
    drawn: Drawn

    @property
    def throughput_per_s(self) -> Estimate:
        """Tasks of the batch, a second."""
        return self.makespan_s.inverse.scaled(self.tasks)


def predict(
    run: Run,
    cell: Cell,
    slots: int,
    rtt_s: float | None = None,
    bandwidth_bytes_per_s: float | None = None,
    hosts: int | None = None,
    tasks: int | None = None,
) -> Prediction:
    """What `cell` would take on another fleet; other cells of the run that differ in slots alone help.

    Args:
        run: a result whose Celery samples hold their stations' times.
        cell: a Celery cell of it; its own slots are not regarded.
        slots: of the fleet to predict, at least 1.
        rtt_s: its network round trip.
        bandwidth_bytes_per_s: what each machine's link carries each way.
        hosts: machines that the slots are spread over; `None` is as measured.
        tasks: of the batch; `None` is as many as were measured.

    Raises:
        UsageError: the result does not tell the cell's demands.
    """
    measured = service_demands(slot_series(run, cell), run)
    if measured is None:
        raise UsageError(
            f"{run.id} does not tell where {cell_name(cell, 'prose')} spends its time; measure it with this release, "
            "with a Celery strategy whose tasks end well"
        )
    fleet = HypotheticalFleet(slots, rtt_s, bandwidth_bytes_per_s, hosts)
    tasks = measured.tasks if tasks is None else tasks
    system = fleet_network(run, measured, fleet)
    simulated = simulate(system, tasks)
    formula_s = makespan_s(system, tasks)
    margin = MODEL_MARGIN + abs(log(simulated.makespan_s / formula_s))
    drawn = tuple(
        (rounds, makespan_s(fleet_network(run, measured, fleet, measured.drawn(rounds)), tasks) / formula_s)
        for rounds in resamples(measured.rounds)
    )
    noise = bootstrapped(1.0, [share for _, share in drawn], len(measured.rounds))
    return Prediction(
        cell=replace(measured.cell, slots=slots),
        fleet=fleet,
        tasks=tasks,
        makespan_s=_widened(noise, margin).scaled(simulated.makespan_s),
        bottleneck=bottleneck(system).name,
        stations=stations(system),
        sustained_per_s=_sustained_per_s(system),
        ceiling_per_s=ceiling_per_s(system),
        simulated=simulated,
        margin=margin,
        publishing_share=system.publishing_share,
        assumptions=tuple(_assumptions(run, measured, fleet, system, tasks)),
        drawn=drawn,
    )


def speedup(found: Prediction, versus: CellResult) -> Estimate | None:
    """The predicted throughput over that of a measured cell, both from the same resampled rounds.

    `None` where the cell has no samples; without an interval where too few rounds have both.
    """
    usual = makespan(versus)
    if usual is None:
        return None
    times_s = versus.makespans_s
    rounds = {round_ for drawn, _ in found.drawn for round_ in drawn if round_ in times_s}
    usual_s = median(times_s.values())
    ratios = [
        median(both) / usual_s / share
        for drawn, share in found.drawn
        if (both := [times_s[round_] for round_ in drawn if round_ in times_s])
    ]
    noise = bootstrapped(1.0, ratios, len(rounds))
    per_s = versus.samples[0].tasks / usual.point
    return _widened(noise, found.margin).scaled(found.throughput_per_s.point / per_s)


def slot_series(run: Run, cell: Cell) -> tuple[CellResult, ...]:
    """The cells of a run that differ from `cell` in slots alone, without the A/A pair's second."""
    same = replace(cell, replica=0)
    return tuple(
        result for result in run.cells if result.samples and replace(result.cell, slots=same.slots) == same
    )


def fleet_network(
    run: Run, measured: CellDemands, fleet: HypotheticalFleet, of: TaskDemands | None = None
) -> QueueingNetwork:
    """The stations as a message would meet them on another fleet.

    Every round trip takes longer by what the network's is longer; every payload byte by what the link is
    slower, on each leg of its way, and the legs share the store's link.
    """
    system = measured.system(fleet.slots, of)
    trips = round_trips(measured.cell, measured.chunk)
    rtt_s = max(0.0, (fleet.rtt_s or 0.0) - _measured_rtt_s(run))
    bytes_ = measured.chunk * (of or measured.typical).payload_bytes / 2
    link_s = max(0.0, bytes_ / (fleet.bandwidth_bytes_per_s or float("inf")) - system.payload_s)
    longer = replace(system, payload_s=link_s)
    system = replace(
        system,
        publish_s=system.publish_s + trips.publish * rtt_s + longer.own_leg_s,
        collect_s=system.collect_s + trips.collect * rtt_s + longer.own_leg_s,
        slot_s=system.slot_s + trips.slot * rtt_s + 2 * longer.slot_leg_s,
        payload_s=system.payload_s + link_s,
        flush_s=rtt_s,
        flight_s=rtt_s,
        window=window(measured.cell, run.plan, (of or measured.typical).payload_bytes, measured.chunk),
    )
    if fleet.hosts is None:
        return system
    return replace(system, cores=fleet.hosts * _cores_of_a_host(run), shared=False)


def _sustained_per_s(system: QueueingNetwork) -> float:
    """Tasks a second in the middle of a long batch: what a second half adds to a first."""
    tasks = LONG_TURNS * system.slots * system.chunk
    return tasks / (makespan_s(system, 2 * tasks) - makespan_s(system, tasks))


def _measured_rtt_s(run: Run) -> float:
    """The network's share of a round trip that the measured demands hold: none on one machine."""
    embedded = run.environment.broker is None or run.environment.broker.embedded
    return 0.0 if embedded or run.preflight is None else run.preflight.broker_rtt_s or 0.0


def _cores_of_a_host(run: Run) -> float:
    """The cores of a machine like the measured ones."""
    broker = run.environment.broker
    if broker is None or broker.embedded or not run.environment.workers:
        return float(run.environment.cpu.usable)
    return float(max(worker.usable_cpus for worker in run.environment.workers))


def _widened(noise: Estimate, margin: float) -> Estimate:
    """The interval with the model's margin about it; where the rounds give none, none."""
    if noise.low is None or noise.high is None:
        return noise
    return Estimate(noise.point, noise.low / (1 + margin), noise.high * (1 + margin), noise.level)


def _assumptions(
    run: Run, measured: CellDemands, fleet: HypotheticalFleet, system: QueueingNetwork, tasks: int
) -> list[str]:
    """What is taken for granted, in words."""
    trips = round_trips(measured.cell, measured.chunk)
    cpu = run.environment.cpu
    said = [
        f"tasks ask of each station what they asked when measured, on {cpu.model or 'this processor'} with "
        f"{', '.join(map(str, measured.slots))} slots",
        "every slot has a worker process of its own, and nobody else uses machines, broker or links",
    ]
    if fleet.rtt_s is not None:
        said.append(
            f"a message waits for {trips.slot} round trips on its slot and {trips.publish + trips.collect} in "
            f"the orchestrator, and a flush for one, each {1e3 * fleet.rtt_s:g} ms"
        )
    if fleet.bandwidth_bytes_per_s is not None:
        said.append(
            f"a {measured.cell.stage} task's {measured.typical.payload_bytes / 2e3:,.3g} kB go into the payload store "
            f"and out of it over one link of {8e-6 * fleet.bandwidth_bytes_per_s:g} Mbit/s each way"
        )
    if fleet.hosts is not None:
        said.append(
            f"{count(fleet.hosts, 'machine')} of {_cores_of_a_host(run):g} cores for the slots, and one more for "
            "orchestrator and broker"
        )
    elif measured.shared:
        crowded = f", so that {fleet.slots} slots wait for them; --hosts N gives them machines of their own"
        said.append(
            f"all slots, the orchestrator and the broker share {count(cpu.usable, 'core')}, as measured"
            f"{crowded if fleet.slots > cpu.usable else ''}"
        )
    if not measured.overhead_known:
        said.append("a message's overhead on its slot is that of an empty task: the slots were never busy")
    if not measured.broker_known:
        said.append("the broker's CPU time was not told, so that limit is left out")
    if system.messages(tasks) < fleet.slots:
        said.append(
            f"a batch of {count(system.messages(tasks), 'message')} keeps no more slots busy than that, of "
            f"{fleet.slots}; --tasks N makes it longer"
        )
    if system.window < fleet.slots:
        said.append(f"at most {system.window} messages are under way at once, as the strategy has it")
    return said
