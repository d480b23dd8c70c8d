"""What a fleet that was not measured would do, from the demands that a result holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, hypot, log
from statistics import median
from typing import Final, TypeAlias

from orchestrator.analysis.queueing.makespan_model import makespan_s
from orchestrator.analysis.queueing.service_demands import CellDemands, TaskDemands, demands_of
from orchestrator.analysis.queueing.simulation import SimulatedBatch, simulate
from orchestrator.analysis.queueing.stations import (
    QueueingNetwork,
    Station,
    bottleneck,
    ceiling_per_s,
)
from orchestrator.analysis.stats.bootstrap import bootstrapped, resamples
from orchestrator.analysis.stats.dependence import inflation
from orchestrator.analysis.stats.intervals import makespan, paired
from orchestrator.analysis.verdicts.comparability import eligible, obstacle
from orchestrator.analysis.verdicts.selection import Selection, select_best
from orchestrator.analysis.verdicts.verdict import BASELINES, candidates, is_celery
from orchestrator.model.findings import Estimate
from orchestrator.model.flow_control import (
    MAX_IN_FLIGHT_BYTES,
    MAX_IN_FLIGHT_MESSAGES,
    ROUND_TRIPS_PER_MESSAGE,
)
from orchestrator.model.runs import Cell, CellResult, Plan, Run
from worker.stages import STAGES

MODEL_MARGIN: Final = 0.05  # the model's error beyond noise; docs/measurements/prediction.md
LONG_TURNS: Final = 20  # messages a slot in a batch so long that its ends do not count
BYTES_PER_PIXEL: Final = 3  # RGB

# The rounds of each resample, and the makespan with their demands relative to that of all rounds.
Resamples: TypeAlias = tuple[tuple[tuple[int, ...], float], ...]


class MissingDemandsError(LookupError):
    """The result has no station times of `cell`, so that nothing can be predicted from it."""

    def __init__(self, cell: Cell) -> None:
        super().__init__(cell)
        self.cell = cell


@dataclass(frozen=True, slots=True)
class HypotheticalFleet:
    """A fleet to predict; a figure that is `None` stays as it was measured."""

    slots: int
    rtt_s: float | None = None  # network round trip from a worker or the orchestrator to the broker
    bandwidth_bytes_per_s: float | None = None  # what a machine's link carries each way
    hosts: int | None = None  # machines like the measured one, besides the orchestrator's


@dataclass(frozen=True, slots=True)
class RoundTrips:
    """Round trips for each message, one after the other; a flush is one more for each burst."""

    slot: int
    publish: int
    collect: int


@dataclass(frozen=True, slots=True)
class Prediction:
    """The predicted makespan of a batch, and what it rests on."""

    cell: Cell
    fleet: HypotheticalFleet
    tasks: int
    makespan_s: Estimate  # the simulation's; its interval is that of the rounds, widened by `margin`
    margin: float  # the model's error, relative to the makespan
    sustained_per_s: float  # tasks a second of an endless stream
    simulated: SimulatedBatch
    network: QueueingNetwork
    measured: CellDemands
    processor: str | None
    cores: float  # of the measured machine
    host_cores: float  # of one of the fleet's hosts
    resamples: Resamples
    by_round: Mapping[int, float]  # the makespan with a round's demands relative to that of all

    @property
    def throughput_per_s(self) -> Estimate:
        """Tasks of the batch a second."""
        return self.makespan_s.inverse.scaled(self.tasks)

    @property
    def bottleneck(self) -> Station:
        """The station that limits a long batch."""
        return bottleneck(self.network)

    @property
    def ceiling_per_s(self) -> float:
        """Tasks a second of an endless stream with unlimited slots."""
        return ceiling_per_s(self.network)


@dataclass(frozen=True, slots=True)
class StagePrediction:
    """The prediction for a stage's best Celery cell, beside the measured best in-process cell."""

    prediction: Prediction
    work: str  # the point of a sweep
    versus: Cell | None
    versus_per_s: float | None
    speedup: Estimate | None  # the predicted throughput over the in-process one

    @property
    def name(self) -> str:
        """The stage, and the point of a sweep: `pipeline 64x64`."""
        return f"{self.prediction.cell.stage} {self.work}".strip()


def stage_predictions(
    run: Run, stages: Sequence[str], fleet: HypotheticalFleet, tasks: int | None = None
) -> tuple[StagePrediction, ...]:
    """Predict the best Celery cell of each stage and of each point of a sweep.

    Raises:
        MissingDemandsError: the result has no station times of such a cell.
    """
    each_work = ((stage, work) for stage in stages for work in run.works(stage))
    found = (_stage_prediction(run, stage, work, fleet, tasks) for stage, work in each_work)
    return tuple(each for each in found if each is not None)


def best_celery(results: Iterable[CellResult]) -> Selection | None:
    """Select the best Celery cell of some with the same work, as a verdict does."""
    return select_best(eligible(candidates(results, is_celery)))


def _stage_prediction(
    run: Run, stage: str, work: str, fleet: HypotheticalFleet, tasks: int | None
) -> StagePrediction | None:
    results = run.of_work(stage, work)
    best = best_celery(results)
    if best is None:
        return None
    prediction = predict(run, best.best.cell, fleet, tasks)
    theirs = select_best(eligible(candidates(results, BASELINES["best in-process"])))
    versus_s = None if theirs is None else makespan(theirs.best)
    if theirs is None or versus_s is None or obstacle(best, theirs) is not None:
        return StagePrediction(prediction, work, None, None, None)
    versus = theirs.best
    versus_per_s = versus.samples[0].tasks / versus_s.point
    return StagePrediction(prediction, work, versus.cell, versus_per_s, speedup(prediction, versus))


def predict(run: Run, cell: Cell, fleet: HypotheticalFleet, tasks: int | None = None) -> Prediction:
    """Predict what a Celery cell, whatever its slots, would do on another fleet.

    `None` tasks are as many as were measured.

    Raises:
        MissingDemandsError: the result has no station times of the cell.
    """
    measured = measured_demands(run, cell)
    tasks = measured.tasks if tasks is None else tasks
    measured = measured if tasks == measured.tasks else measured.with_tasks(tasks)
    network = fleet_network(run, measured, fleet)
    simulated = simulate(network, tasks)
    formula_s = makespan_s(network, tasks)
    margin = MODEL_MARGIN + abs(log(simulated.makespan_s / formula_s))

    def relative(demands: TaskDemands) -> float:
        return makespan_s(fleet_network(run, measured, fleet, demands), tasks) / formula_s

    by_round = {round_: relative(demands) for round_, demands in sorted(measured.by_round.items())}
    drawn = tuple((rounds, relative(measured.resampled(rounds))) for rounds in resamples(measured.rounds))
    spread = bootstrapped(
        1.0, [each for _, each in drawn], len(by_round), wider=inflation(list(by_round.values()))
    )
    ends_s = simulated.makespans_s[0], simulated.makespans_s[-1]
    spread = _beside(spread, *(each / simulated.makespan_s for each in ends_s))
    return Prediction(
        cell=replace(measured.cell, slots=fleet.slots),
        fleet=fleet,
        tasks=tasks,
        makespan_s=_widened(spread, margin).scaled(simulated.makespan_s),
        margin=margin,
        sustained_per_s=_sustained_per_s(network),
        simulated=simulated,
        network=network,
        measured=measured,
        processor=run.environment.cpu.model,
        cores=run.environment.cpu.usable,
        host_cores=_host_cores(run),
        resamples=drawn,
        by_round=by_round,
    )


def measured_demands(run: Run, cell: Cell) -> CellDemands:
    """Return what a Celery cell needs of each station, whatever its slots.

    Raises:
        MissingDemandsError: the result has no station times of the cell.
    """
    measured = demands_of(run)(cell)
    if measured is None:
        raise MissingDemandsError(cell)
    return measured


def speedup(prediction: Prediction, versus: CellResult) -> Estimate | None:
    """Estimate the predicted throughput over that of a measured cell, from the same resampled rounds.

    `None` if the cell has no samples; no interval if too few rounds have both.
    """
    versus_s = makespan(versus)
    if versus_s is None:
        return None
    times_s = versus.makespans_s
    rounds = paired(prediction.by_round, times_s)
    typical_s = median(times_s.values())
    ratios = [
        median(both) / typical_s / relative
        for drawn, relative in prediction.resamples
        if (both := [times_s[round_] for round_ in drawn if round_ in times_s])
    ]
    wider = inflation([times_s[each] / prediction.by_round[each] for each in rounds])
    spread = bootstrapped(1.0, ratios, len(rounds), wider=wider)
    per_s = versus.samples[0].tasks / versus_s.point
    return _widened(spread, prediction.margin).scaled(prediction.throughput_per_s.point / per_s)


def fleet_network(
    run: Run, measured: CellDemands, fleet: HypotheticalFleet, demands: TaskDemands | None = None
) -> QueueingNetwork:
    """Return the queueing network of a message on another fleet.

    Each round trip takes longer by how much longer the fleet's is, and each payload byte by how much slower the link
    is, on each transfer; all transfers share the payload store's link.
    """
    demands = demands or measured.typical
    network = measured.network(fleet.slots, demands)
    trips = round_trips(measured.cell, measured.chunk)
    rtt_s = max(0.0, (fleet.rtt_s or 0.0) - _measured_rtt_s(run))
    bytes_ = measured.chunk * demands.payload_bytes / 2
    link_s = max(0.0, bytes_ / (fleet.bandwidth_bytes_per_s or float("inf")) - network.payload_s)
    slower = replace(network, payload_s=link_s)
    network = replace(
        network,
        publish_s=network.publish_s + trips.publish * rtt_s + slower.orchestrator_transfer_s,
        collect_s=network.collect_s + trips.collect * rtt_s + slower.orchestrator_transfer_s,
        slot_s=network.slot_s + trips.slot * rtt_s + 2 * slower.slot_transfer_s,
        payload_s=network.payload_s + link_s,
        flush_s=rtt_s,
        flight_s=rtt_s,
        window=window(measured.cell, run.plan, demands.payload_bytes, measured.chunk),
    )
    if fleet.hosts is None:
        return network
    return replace(network, cores=fleet.hosts * _host_cores(run), shared=False)


def round_trips(cell: Cell, chunk: int) -> RoundTrips:
    """Count the round trips of a message of `chunk` tasks.

    If the broker stores the payloads, the orchestrator puts a message's inputs in one round trip (`put_many`) and gets
    its outputs in one (`get_many`); a worker gets and stores task by task (worker/tasks.py). Other transports need
    none. URLs travel in the message. Resident data is neither put nor fetched on the clock.
    """
    # Imported here: it loads the client of Redis, which no other analysis needs.
    from worker.payloads import TRANSPORTS  # noqa: PLC0415

    transport = TRANSPORTS.get(cell.transport or "")
    if transport is None or not transport.in_broker:
        return RoundTrips(ROUND_TRIPS_PER_MESSAGE, 0, 0)
    stage = STAGES.get(cell.stage)
    inputs = 0 if stage is not None and stage.fetches_urls else 1
    local = int(cell.data != "resident")
    return RoundTrips(ROUND_TRIPS_PER_MESSAGE + chunk * (inputs + 1), local * inputs, local)


def window(cell: Cell, plan: Plan, payload_bytes: float, chunk: int) -> int:
    """Return how many messages of `chunk` tasks the orchestrator has in flight at most."""
    stage = STAGES.get(cell.stage)
    pixel_bytes = BYTES_PER_PIXEL * (cell.width or plan.width) * (cell.height or plan.height)
    moved = payload_bytes if cell.data == "resident" else payload_bytes / 2
    input_bytes = 0.0
    if stage is not None and stage.takes == "encoded":
        input_bytes = max(0.0, moved - pixel_bytes)
    elif plan.function is not None:
        sizes = plan.function.in_bytes + plan.function.out_bytes
        input_bytes = moved * plan.function.in_bytes / max(1, sizes)
    elif stage is not None and stage.takes == "pixels":
        input_bytes = min(moved, float(pixel_bytes))
    return int(min(MAX_IN_FLIGHT_MESSAGES, MAX_IN_FLIGHT_BYTES / max(1.0, chunk * input_bytes) + 1))


def _sustained_per_s(network: QueueingNetwork) -> float:
    """Return the tasks a second in the middle of a long batch: what its second half adds to the first."""
    network = replace(network, unequal=())  # a long batch needs the mean of each message
    tasks = LONG_TURNS * network.slots * network.chunk
    return tasks / (makespan_s(network, 2 * tasks) - makespan_s(network, tasks))


def _measured_rtt_s(run: Run) -> float:
    """Return the network round trip that the measured demands include: none on one machine."""
    embedded = run.environment.broker is None or run.environment.broker.embedded
    return 0.0 if embedded or run.preflight is None else run.preflight.broker_rtt_s or 0.0


def _host_cores(run: Run) -> float:
    broker = run.environment.broker
    if broker is None or broker.embedded or not run.environment.workers:
        return run.environment.cpu.usable
    return max(worker.usable_cpus for worker in run.environment.workers)


def _beside(spread: Estimate, low: float, high: float) -> Estimate:
    """Widen an interval by another source of scatter, whose interval around 1 is from `low` to `high`."""
    if spread.low is None or spread.high is None:
        return spread
    return replace(
        spread, low=exp(-hypot(log(spread.low), log(low))), high=exp(hypot(log(spread.high), log(high)))
    )


def _widened(spread: Estimate, margin: float) -> Estimate:
    if spread.low is None or spread.high is None:
        return spread
    return Estimate(spread.point, spread.low / (1 + margin), spread.high * (1 + margin), spread.level)
