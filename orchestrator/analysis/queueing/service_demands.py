"""What a Celery task needs of each station, from what a run measured of it.

Demands are busy time over completions, so measuring them needs no model. Source: Denning & Buzen, "The Operational
Analysis of Queueing Network Models", ACM Computing Surveys 10, 1978. What no clock shows is calibrated by simulation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from math import ceil
from statistics import median
from typing import Final, TypeAlias

from orchestrator.analysis.queueing.service_times import Batches, packed, unequal_batches
from orchestrator.analysis.queueing.simulation import simulate
from orchestrator.analysis.queueing.stations import (
    QueueingNetwork,
    Station,
    StationName,
    bottleneck,
    ceiling_per_s,
    knee_slots,
    limiting_station,
    stations,
    stations_besides_slots,
    throughput_per_s,
)
from orchestrator.analysis.stats.intervals import estimate
from orchestrator.analysis.verdicts.comparability import eligible
from orchestrator.model.environment import Worker
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import Cell, CellResult, Run, Sample, Stations

OTHER_LOAD: Final = 0.10  # share of the processors that other work may take before bounds mean nothing
SATURATED: Final = 0.8  # busy share of a batch from which others may have waited for a station
CONTENDED: Final = 0.7  # busy share of the cores from which tasks take longer because they wait for one
MAX_CALIBRATED_MESSAGES: Final = 3000  # more take long to simulate, and their ends and bursts hardly count
HALVINGS: Final = 12  # calibrates to within a four-thousandth of the range


@dataclass(frozen=True, slots=True)
class TaskDemands:
    """Seconds of each station's time that one task needs; only `overhead_s` is a message's."""

    publish_s: float
    collect_s: float
    broker_s: float  # 0 if the broker does not report its CPU time
    payload_bytes: float
    payload_s: float  # of each direction of the payload path; 0 if the broker's own time includes it
    held_s: float  # from before the fetch to after the store
    overhead_s: float  # how much longer a message keeps its slot: delivery, result, acknowledgement
    cpu_s: float  # the worker's
    others_cpu_s: float = 0.0  # the orchestrator's and the broker's
    image_server_cpu_s: float = 0.0
    wait_s: float = 0.0  # for which a message on its slot waits for a processor although others are idle


@dataclass(frozen=True, slots=True)
class CellDemands:
    """A cell's demands in each round, and what they were measured on."""

    cell: Cell
    tasks: int
    chunk: int
    slots: tuple[int, ...]  # the numbers of slots that the demands were measured on
    by_round: Mapping[int, TaskDemands]
    cores: float | None  # that serve all slots together; `None` if more slots bring more cores
    shared: bool  # whether the orchestrator and the broker use the same cores
    overhead_known: bool  # whether the slots were busy; else it is an empty task's, or an upper limit
    broker_known: bool
    other_load: float | None = (
        None  # share of the processors that other work took, if that is too much for bounds
    )
    samples: tuple[Sample, ...] = ()  # whose tasks' service times are used
    unequal: Batches = ()  # how long each message holds its slot, relative to the mean; none of equal tasks

    @property
    def rounds(self) -> tuple[int, ...]:
        """Those with demands, in order."""
        return tuple(sorted(self.by_round))

    @property
    def typical(self) -> TaskDemands:
        """Each demand's median over the rounds."""
        return _medians(list(self.by_round.values()))

    def resampled(self, rounds: Sequence[int]) -> TaskDemands:
        """Return each demand's median over these rounds, which may repeat."""
        return _medians([self.by_round[round_] for round_ in rounds])

    def network(self, slots: int, demands: TaskDemands | None = None) -> QueueingNetwork:
        """Return the queueing network of a message on `slots` slots, with typical demands or with these."""
        machine = _Machine(self.chunk, self.cores, self.shared)
        network = machine.network(demands or self.typical, replace(self.cell, slots=slots))
        if not self.unequal:
            return network
        return replace(network, unequal=_with_overhead(self.unequal, machine, self.typical))

    def with_tasks(self, tasks: int) -> CellDemands:
        """Return the demands of a batch of another size, its tasks drawn from those that were measured."""
        unequal = unequal_batches(self.samples, min(self.chunk, tasks), tasks)
        return replace(self, tasks=tasks, unequal=unequal)

    def estimate(self, figure: Callable[[TaskDemands], float]) -> Estimate:
        """Estimate a figure over the rounds, with an interval if all its values are positive."""
        values = [figure(each) for each in self.by_round.values()]
        found = estimate(values) if min(values) > 0 else None
        return Estimate(median(values)) if found is None else found


Demands: TypeAlias = Callable[[Cell], CellDemands | None]  # of a cell, whatever its slots


def demands_of(run: Run) -> Demands:
    """Return a function that computes the demands of a run's Celery cells, once for all slots of a cell."""
    found: dict[Cell, CellDemands | None] = {}

    def of_cell(cell: Cell) -> CellDemands | None:
        series = replace(cell, slots=1, replica=0)
        if series not in found:
            found[series] = service_demands(slot_series(run, cell), run)
        return found[series]

    return of_cell


@dataclass(frozen=True, slots=True)
class _Machine:
    """What a queueing network consists of besides the demands."""

    chunk: int
    cores: float | None
    shared: bool
    cpu_known: bool = False  # whether CPU times were measured, or follow from the overhead

    def network(self, demands: TaskDemands, cell: Cell) -> QueueingNetwork:
        return QueueingNetwork(
            chunk=self.chunk,
            slots=cell.slots,
            publish_s=self.chunk * demands.publish_s,
            collect_s=self.chunk * demands.collect_s,
            slot_s=self.chunk * demands.held_s + demands.overhead_s,
            broker_s=self.chunk * demands.broker_s,
            payload_s=self.chunk * demands.payload_s,
            cpu_s=self.chunk * demands.cpu_s,
            cores=self.cores,
            shared=self.shared,
            others_cpu_s=self.chunk * demands.others_cpu_s,
            resident=cell.data == "resident",
        )


def _with_overhead(batches: Batches, machine: _Machine, demands: TaskDemands) -> Batches:
    """Return each message's slot time relative to the mean: only the holding is unequal, not the overhead."""
    held_s = machine.chunk * demands.held_s
    share = held_s / (held_s + demands.overhead_s) if held_s else 0.0
    return tuple(tuple(1 + share * (each - 1) for each in batch) for batch in batches)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What limits a Celery cell on a number of slots."""

    slots: int
    stations: tuple[Station, ...]  # those that a task needs, demands in seconds a task
    bottleneck: StationName
    throughput_per_s: Estimate  # the most on these slots
    next_bottleneck: StationName  # what limits the cell from `knee_slots` on
    knee_slots: Estimate
    ceiling_per_s: Estimate  # the most on any number of slots, with as many tasks a message
    chunk: int
    publishing_share: float  # of the orchestrator's time; the rest is collecting


def bounds(measured: CellDemands, slots: int) -> Bounds | None:
    """Return the bounds of a cell on `slots` slots; `None` beside other load, which lengthens every demand."""
    if measured.other_load is not None:
        return None
    network = measured.network(slots)

    def over_rounds(figure: Callable[[QueueingNetwork], float]) -> Estimate:
        return measured.estimate(lambda demands: figure(measured.network(slots, demands)))

    return Bounds(
        slots,
        stations(network),
        bottleneck(network).name,
        over_rounds(throughput_per_s),
        limiting_station(stations_besides_slots(network), network).name,
        over_rounds(knee_slots),
        over_rounds(ceiling_per_s),
        measured.chunk,
        network.publishing_share,
    )


def _other_load(run: Run) -> float | None:
    """Return the median share of the processors that other work took, if that is more than `OTHER_LOAD`."""
    shares = [load.other for load in run.loads if load.other is not None]
    return median(shares) if shares and median(shares) > OTHER_LOAD else None


def slot_series(run: Run, cell: Cell) -> tuple[CellResult, ...]:
    """Return the cells that differ from `cell` in slots only, without the second of the A/A pair."""
    same = replace(cell, replica=0)
    return tuple(
        result for result in run.cells if result.samples and replace(result.cell, slots=same.slots) == same
    )


def service_demands(results: Sequence[CellResult], run: Run) -> CellDemands | None:
    """Compute what a task needs of each station; `None` if no sample has station times.

    Waits for a processor are no demand: other slots, or other work on the machine, cause them. Where they are not
    known, of Celery cells that differ in slots only, a task's own times come from those that left the cores idle some
    of the time; if none did, from the one with the fewest slots.
    """
    usable = sorted(
        (_without_waits(each) for each in eligible(results) if any(map(_has_times, each.samples))),
        key=lambda each: each.cell.slots,
    )
    if not usable:
        return None
    cores, shared = cores_of(run)
    cpu_known = all(map(_cpu_known, usable))
    of_cells = {each.cell: _by_round(each, run) for each in usable}
    free = [each for each in usable if cpu_known or not _contended(each, of_cells[each.cell], cores)]
    free = free or usable[:1]
    tasks = usable[0].samples[0].tasks
    machine = _Machine(min(usable[0].cell.chunk or 1, tasks), cores if shared else None, shared, cpu_known)
    calibrated = {each.cell: _calibrate_overhead(each, of_cells[each.cell], machine) for each in free}
    by_round = _pooled(free, calibrated)
    if machine.cores is not None and not cpu_known:
        limits = _cpu_limits(usable, machine.cores)
        by_round = {r: _with_cpu(found, machine.chunk, limits[r]) for r, found in by_round.items()}
        contended = [each for each in usable if each not in free]
        by_round = _calibrate_cpu(by_round, contended[-1], machine, limits) if contended else by_round
    samples = tuple(sample for each in free for sample in each.samples)
    times = [sample.stations for each in usable for sample in each.samples if sample.stations is not None]
    return CellDemands(
        cell=usable[0].cell,
        tasks=tasks,
        chunk=machine.chunk,
        slots=tuple(each.cell.slots for each in usable),
        by_round=by_round,
        cores=machine.cores,
        shared=shared,
        overhead_known=any(_slots_busy(each) for each in free),
        broker_known=all(each.broker_cpu_s is not None for each in times),
        other_load=_other_load(run),
        samples=samples,
        unequal=unequal_batches(samples, machine.chunk, tasks),
    )


def calibrate(
    network_of: Callable[[float], QueueingNetwork], tasks: int, makespan_s: float, low: float, high: float
) -> float | None:
    """Find the demand with which the simulated batch takes `makespan_s`, clipped to `low` and `high`.

    A higher demand must not make a batch faster. A batch that is too large to simulate that often gives `None`.

    The closed formula (`sample_demands`) counts every idle moment of a slot as overhead. Some of them are waits for a
    long burst, for a core or for the payload path, which the simulation models: counted twice, they would make every
    prediction too long, starting with that of the measured batch itself.
    """
    if network_of(low).messages(tasks) > MAX_CALIBRATED_MESSAGES:
        return None
    if simulate(network_of(high), tasks).makespan_s <= makespan_s:
        return high
    if simulate(network_of(low), tasks).makespan_s >= makespan_s:
        return low
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if simulate(network_of(middle), tasks).makespan_s > makespan_s:
            high = middle
        else:
            low = middle
    return (low + high) / 2


def sample_demands(sample: Sample, times: Stations, cell: Cell, run: Run) -> TaskDemands:
    """Compute one batch's demands.

    The overhead o is the part of the makespan that nothing else explains if the slots are the bottleneck: M messages
    on s slots take w = ceil(M / s) turns, the last with k = (M - 1) mod s + 1 messages, so
    T = p + (k - 1) max(p, c) + w (h + o) + c, with p, h, c a message's publishing, holding and collecting
    (`makespan_model.makespans_s`).

    The workers' waits for a processor lengthen the overhead, and the holding where they are more than that.

    If the payload path was busy nearly all the time, fetching and storing was mostly waiting for it: `held_s` is then
    what a slot needs to move and compute.
    """
    # A difference of clocks or counters may come out slightly negative.
    broker_s = None if times.broker_cpu_s is None else max(0.0, times.broker_cpu_s)
    times = replace(times, collect_s=max(0.0, times.collect_s), broker_cpu_s=broker_s)
    tasks, messages = sample.tasks, times.messages
    turns, last_turn = ceil(messages / cell.slots), (messages - 1) % cell.slots + 1
    apart_s = (last_turn - 1) * max(times.publish_s, times.collect_s)
    ends_s = (times.publish_s + apart_s + times.collect_s) / messages
    batches = unequal_batches([sample], cell.chunk or 1, tasks)
    waves = median(packed(batch, cell.slots) for batch in batches) if batches else turns
    overhead_s = max(0.0, (sample.makespan_s - ends_s - waves * times.slot_s / messages) / turns)
    wait_s = (times.worker_wait_s or 0.0) / messages
    compute_cpu_s = cpu_s = 0.0 if sample.hops is None else sample.hops.compute_cpu_s
    compute_s = 0.0 if sample.hops is None else sample.hops.compute_s
    payload_s, held_s = _payload_s(times, run) / tasks, times.slot_s / tasks
    if payload_s * tasks > SATURATED * sample.makespan_s:
        moving_s = (2 if cell.data == "resident" else 1) * payload_s
        held_s = min(held_s, compute_s + moving_s)
    if times.worker_cpu_s is None:
        cpu_s += max(0.0, held_s - compute_s) if cores_of(run)[1] else 0.0
    else:
        cpu_s = max(cpu_s, times.worker_cpu_s / tasks)
    others_cpu_s = times.orchestrator_cpu_s
    if others_cpu_s is None:
        others_cpu_s = times.publish_s + times.collect_s
    else:
        others_cpu_s += times.broker_cpu_s or 0.0
    return TaskDemands(
        publish_s=times.publish_s / tasks,
        collect_s=times.collect_s / tasks,
        broker_s=(times.broker_cpu_s or 0.0) / tasks,
        payload_bytes=times.payload_bytes / tasks,
        payload_s=payload_s,
        held_s=max(min(held_s, compute_cpu_s), held_s - max(0.0, wait_s - overhead_s) * messages / tasks),
        overhead_s=max(0.0, overhead_s - wait_s),
        cpu_s=cpu_s,
        others_cpu_s=others_cpu_s / tasks,
        image_server_cpu_s=max(0.0, times.image_server_cpu_s or 0.0) / tasks,
        wait_s=max(0.0, wait_s),
    )


def cores_of(run: Run) -> tuple[float | None, bool]:
    """Return how many cores serve all slots together, and whether orchestrator and broker share them.

    An embedded fleet has this machine's cores. Any other has the sum over its machines, `None` if no worker reports
    its cores, and shares them if all of them are this machine's.
    """
    broker, workers = run.environment.broker, run.environment.workers
    cores = cores_by_machine(run)
    embedded = broker is None or broker.embedded
    all_here = cores == (float(run.environment.cpu.logical),) and all(map(_is_here, workers))
    return sum(cores) or None, embedded or all_here


def cores_by_machine(run: Run) -> tuple[float, ...]:
    """Return the cores of each machine that serves slots; a container with a share of a core counts as one.

    The part of a worker's name after the @ identifies its machine. Workers on this machine's own clock are containers
    on it: if they may use as many cores together as it has, or more, they count as one machine.
    """
    broker, cpu = run.environment.broker, run.environment.cpu
    if broker is None or broker.embedded:
        return (cpu.usable,)
    here: dict[str, float] = {}
    elsewhere: dict[str, float] = {}
    for worker in run.environment.workers:
        machines, name = here if _is_here(worker) else elsewhere, worker.name.rpartition("@")[2]
        machines[name] = max(machines.get(name, 0.0), worker.usable_cpus)
    exhausted = sum(here.values()) > cpu.logical - 0.01  # tolerance for a sum such as ten times 0.2
    return (*([float(cpu.logical)] if exhausted else here.values()), *elsewhere.values())


def _is_here(worker: Worker) -> bool:
    # An offset of exactly 0 is never estimated: such a worker reads this machine's clock.
    return worker.clock_offset_s == 0.0


def _medians(demands: Sequence[TaskDemands]) -> TaskDemands:
    return TaskDemands(
        *(median(getattr(each, field.name) for each in demands) for field in fields(TaskDemands))
    )


def _without_waits(result: CellResult) -> CellResult:
    """Return a cell whose orchestrator's seconds are without its waits for a processor, where these are known."""
    return replace(
        result,
        samples=tuple(
            each
            if (times := each.stations) is None
            else replace(
                each,
                stations=replace(
                    times,
                    publish_s=max(0.0, times.publish_s - (times.publish_wait_s or 0.0)),
                    collect_s=max(0.0, times.collect_s - (times.collect_wait_s or 0.0)),
                ),
            )
            for each in result.samples
        ),
    )


def _cpu_known(result: CellResult) -> bool:
    times = [each.stations for each in result.samples if each.stations is not None]
    return all(each.worker_cpu_s is not None and each.orchestrator_cpu_s is not None for each in times)


def _has_times(sample: Sample) -> bool:
    # A batch without a single result needed nothing of the stations.
    return sample.stations is not None and sample.stations.messages > 0


def _by_round(result: CellResult, run: Run) -> dict[int, TaskDemands]:
    """Return a cell's demands by round, its overhead replaced if the slots waited for other stations."""
    found = {
        sample.round: sample_demands(sample, sample.stations, result.cell, run)
        for sample in result.samples
        if sample.stations is not None and _has_times(sample)
    }
    if not found or _slots_busy(result):
        return found
    chunk = result.cell.chunk or 1
    return {
        r: replace(each, overhead_s=_unseen_overhead_s(each, run, chunk), wait_s=0.0)
        for r, each in found.items()
    }


def _unseen_overhead_s(demands: TaskDemands, run: Run, chunk: int) -> float:
    """Return a message's overhead if the slots waited for others: an empty task's time, if that is less.

    Publishing and collecting are not the slot's part of that time. Only the batch shows how long they take, and there
    they may take longer than for an empty task, because of payloads or a busy broker. But one of an empty task's round
    trips is the orchestrator's and the others are the slot's: at least half of its time is the slot's.
    """
    empty_s = None if run.preflight is None else run.preflight.noop_task_s
    if empty_s is None:
        return demands.overhead_s
    others_s = chunk * (demands.publish_s + demands.collect_s)
    return min(demands.overhead_s, max(empty_s / 2, empty_s - others_s))


def _payload_s(times: Stations, run: Run) -> float:
    """Return the seconds that a batch's payloads take on each direction of their path.

    Half of the bytes go each way. The path carries at least what one connection achieved in the preflight, in the
    faster direction. On one machine the path is the CPU, so nothing is left if the broker reports its CPU time.
    """
    path, broker = run.preflight, run.environment.broker
    on_this_machine = broker is None or broker.embedded
    if path is None or (on_this_machine and times.broker_cpu_s is not None):
        return 0.0
    rates = [rate for rate in (path.payload_put_bytes_per_s, path.payload_get_bytes_per_s) if rate]
    return times.payload_bytes / 2 / max(rates) if rates else 0.0


def _calibrate_overhead(
    result: CellResult, by_round: Mapping[int, TaskDemands], machine: _Machine
) -> Mapping[int, TaskDemands]:
    """Take off the overhead what the simulation of the typical round explains by waits.

    What it does not explain of the measured waits for a processor stays, as `wait_s`: even where processors are idle,
    the kernel may have a process wait for the one that woke it.
    """
    if not by_round or not _slots_busy(result):
        return by_round
    plain = _medians(list(by_round.values()))
    tasks, makespan_s = result.samples[0].tasks, median(result.makespans_s.values())
    unequal = unequal_batches(result.samples, machine.chunk, tasks)

    def network_of(overhead_s: float) -> QueueingNetwork:
        found = replace(plain, overhead_s=overhead_s)
        if machine.cores is not None and not machine.cpu_known:
            most_s = median(_cpu_limits([result], machine.cores).values())
            found = _with_cpu(found, machine.chunk, most_s)
        network = machine.network(found, result.cell)
        return replace(network, unequal=_with_overhead(unequal, machine, found))

    found_s = calibrate(network_of, tasks, makespan_s, 0.0, plain.overhead_s + plain.wait_s)
    missing_s = plain.wait_s if found_s is None else found_s - plain.overhead_s
    return {
        round_: replace(
            each, overhead_s=max(0.0, each.overhead_s + min(0.0, missing_s)), wait_s=max(0.0, missing_s)
        )
        for round_, each in by_round.items()
    }


def _calibrate_cpu(
    by_round: Mapping[int, TaskDemands],
    contended: CellResult,
    machine: _Machine,
    limits: Mapping[int, float],
) -> dict[int, TaskDemands]:
    """Add the CPU time that the most contended cell shows its tasks needed.

    It includes what no clock of ours counts: the broker's part, the kernel's, and the slowdown of tasks that run
    beside each other.
    """
    plain = _medians(list(by_round.values()))

    def network_of(cpu_s: float) -> QueueingNetwork:
        return machine.network(replace(plain, cpu_s=cpu_s), contended.cell)

    most_s = max(plain.cpu_s, median(limits.values()))
    tasks, makespan_s = contended.samples[0].tasks, median(contended.makespans_s.values())
    found_s = calibrate(network_of, tasks, makespan_s, plain.cpu_s, most_s)
    missing_s = 0.0 if found_s is None else found_s - plain.cpu_s
    return {round_: replace(each, cpu_s=each.cpu_s + missing_s) for round_, each in by_round.items()}


def _pooled(
    results: Sequence[CellResult], of_cells: Mapping[Cell, Mapping[int, TaskDemands]]
) -> dict[int, TaskDemands]:
    """Take the median over cells in each round, and the overhead only from cells whose slots were busy."""
    busy = [each.cell for each in results if _slots_busy(each)]
    pooled = {}
    for round_ in sorted({round_ for each in results for round_ in of_cells[each.cell]}):
        here = {e.cell: of_cells[e.cell][round_] for e in results if round_ in of_cells[e.cell]}
        plain = _medians(list(here.values()))
        seen = [found.overhead_s for cell, found in here.items() if cell in busy]
        pooled[round_] = replace(plain, overhead_s=median(seen)) if seen else plain
    return pooled


def _with_cpu(found: TaskDemands, chunk: int, most_cpu_s: float) -> TaskDemands:
    """Count the overhead as CPU time, up to what the cores can have given."""
    return replace(found, cpu_s=min(found.cpu_s + found.overhead_s / chunk, most_cpu_s))


def _cpu_limits(results: Sequence[CellResult], cores: float) -> dict[int, float]:
    """Return the most CPU seconds that a task can have had in each round.

    The utilisation law, U = X D <= m, for every batch of the round.
    """
    limits: dict[int, float] = {}
    for result in results:
        for sample in result.samples:
            if sample.stations is not None:
                others_s = sample.stations.publish_s + sample.stations.collect_s
                limit = max(0.0, (cores * sample.makespan_s - others_s) / sample.tasks)
                limits[sample.round] = min(limit, limits.get(sample.round, limit))
    return limits


def _contended(result: CellResult, by_round: Mapping[int, TaskDemands], cores: float | None) -> bool:
    """Return whether a cell kept the cores busy enough for its tasks to wait for one."""
    if cores is None or not by_round:
        return False
    shares = [
        (
            by_round[s.round].cpu_s * s.tasks
            + by_round[s.round].overhead_s * s.stations.messages
            + s.stations.publish_s
            + s.stations.collect_s
        )
        / (cores * s.makespan_s)
        for s in result.samples
        if s.stations is not None and s.round in by_round
    ]
    return median(shares) > CONTENDED


def _slots_busy(result: CellResult) -> bool:
    """Return whether neither the orchestrator nor the broker can have kept the slots waiting."""
    shares = [
        max(s.stations.publish_s + s.stations.collect_s, s.stations.broker_cpu_s or 0.0) / s.makespan_s
        for s in result.samples
        if s.stations is not None
    ]
    return median(shares) < SATURATED
