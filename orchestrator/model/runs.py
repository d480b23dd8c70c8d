"""What a run is made of: frozen data, measured and not concluded, and what can be derived from it.

Times are seconds, sizes bytes. Absent is `None`, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import Field

from orchestrator.model.choices import DEFAULT_POOL as DEFAULT_POOL
from orchestrator.model.choices import ArrivalProcess as ArrivalProcess
from orchestrator.model.choices import Axis as Axis
from orchestrator.model.choices import Data as Data
from orchestrator.model.choices import Events as Events
from orchestrator.model.choices import Pool as Pool
from orchestrator.model.choices import Style as Style
from orchestrator.model.choices import SweptAxis as SweptAxis
from orchestrator.model.environment import Environment, Load, Preflight
from orchestrator.model.quantities import (
    Bytes,
    Count,
    Efficiency,
    Margin,
    Megabits,
    Microseconds,
    Milliseconds,
    Number,
    Picture,
    Pixels,
    PositiveCount,
    PositiveSeconds,
    Rate,
    Round,
    Seconds,
    Share,
    SignedSeconds,
    Slots,
    Text,
)
from orchestrator.strategies import STRATEGIES

MAX_CELLS = 10_000
SHOWN_QUANTILES = (0.5, 0.9, 0.95, 0.99)  # of the latency under load
MAX_TRACED = 100_000  # tasks of one sample whose times a result file keeps
WAITS = 0.5  # the share of its time that a function must wait for more slots than processors to be tried
MAX_SERVICE_TIMES = 64  # kept a sample: of more tasks, the means of as many groups of equal size
INTERRUPTED = "interrupted, so it ended early"  # what disturbed an open loop that Ctrl-C ended
FUNCTION = "function"  # the stage of a user's function


@dataclass(frozen=True, slots=True)
class Cell:
    """One row of the table. `transport`, `chunk` and `data` are `None` where the strategy has none.

    `events` is whether the workers sent task events, which Flower reads; `None` if that was left as the fleet has
    it. `replica` tells the two halves of the A/A pair apart: the same cell, measured twice a round. `width`,
    `height`, `latency_ms`, `work_s`, the length of a task of stage `spin`, and `tasks`, how many of the batch, are
    the cell's own work where it differs from the plan's, as in a sweep. `pool` is how a Celery worker runs tasks,
    `None` for other strategies. `style` is `tuned`, as an expert would write it, or `idiomatic`, as the documentation
    shows it. `rate_per_s` is the arrival rate of its tasks; `None` if they are released at once.
    """

    stage: Text
    kernel: Text
    strategy: Text
    slots: Slots
    transport: Text | None = None
    chunk: PositiveCount | None = None
    data: Data | None = None
    events: Events | None = None
    replica: Count = 0
    width: Pixels | None = None
    height: Pixels | None = None
    latency_ms: Milliseconds | None = None
    pool: Pool | None = None
    style: Style = "tuned"
    work_s: PositiveSeconds | None = None
    rate_per_s: Rate | None = None
    tasks: PositiveCount | None = None

    @property
    def original(self) -> Cell:
        """This cell without its replica number."""
        return replace(self, replica=0)

    @property
    def subject(self) -> str:
        """What it does, in a sentence: its stage, or a user's function by its name."""
        return self.kernel if self.stage == FUNCTION else self.stage

    @property
    def work(self) -> str:
        """The work that differs from the plan's, such as `64x64 5 ms`; empty if none does."""
        size = f"{self.width}x{self.height}" if self.width is not None else ""
        latency = f"{self.latency_ms:g} ms" if self.latency_ms is not None else ""
        length = f"{self.work_s * 1000:g} ms of work" if self.work_s is not None else ""
        tasks = f"{self.tasks} tasks" if self.tasks is not None else ""
        return " ".join(part for part in (size, latency, length, tasks) if part)

    @property
    def distributed(self) -> bool:
        """Whether its tasks go to a fleet's workers; every other strategy is in-process."""
        kind = STRATEGIES.get(self.strategy)
        return kind is not None and kind.distributed


@dataclass(frozen=True, slots=True)
class MeanHops:
    """The hop ledger of one sample: each hop's mean seconds a task, over the tasks that have hops.

    Means add up: `latency_s` is the sum of the hops and `unexplained_s`. `beyond_bound` counts tasks
    with a negative hop, or a rest, larger than the clock bound can explain. `clock_bound_s` is the
    largest bound among the workers that did the sample.
    """

    tasks: PositiveCount
    compute_s: Seconds
    compute_cpu_s: Seconds
    publish_s: Seconds | None = None
    queue_s: SignedSeconds | None = None
    fetch_s: Seconds | None = None
    store_s: Seconds | None = None
    return_s: SignedSeconds | None = None
    latency_s: SignedSeconds | None = None
    unexplained_s: SignedSeconds | None = None
    clock_bound_s: Seconds | None = None
    beyond_bound: Count = 0


@dataclass(frozen=True, slots=True)
class Stations:
    """What one batch took at each station that a Celery task passes, in seconds over the whole batch.

    `publish_s` and `collect_s` are the orchestrator's busy time for sending and for receiving, payloads
    included; `broker_cpu_s` is the broker's own CPU time, `None` if it does not report it; `slot_s` the time
    that tasks occupied a slot, from before the fetch to after the store, summed over tasks; `payload_bytes` what
    both sides put into the payload store and got from it; `messages` the Celery messages.

    Those seconds include waits for a processor, which come from whatever else the machine does: `publish_wait_s`,
    `collect_wait_s`, and `worker_wait_s` of all workers. `orchestrator_cpu_s`, `worker_cpu_s` and `image_server_cpu_s`
    are the CPU time of the orchestrator's thread, of the workers and of our image server. All are `None` where the
    system does not count them; those of workers and image server also if they are not our own.
    """

    publish_s: Seconds
    collect_s: SignedSeconds
    slot_s: Seconds
    payload_bytes: Bytes
    messages: Count
    broker_cpu_s: SignedSeconds | None = None
    publish_wait_s: Seconds | None = None
    collect_wait_s: SignedSeconds | None = None
    worker_wait_s: SignedSeconds | None = None
    orchestrator_cpu_s: Seconds | None = None
    worker_cpu_s: SignedSeconds | None = None
    image_server_cpu_s: SignedSeconds | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """When each task of an open loop arrived, was sent and ended, in the order of their arrivals.

    Times are whole microseconds since the warm-up ended, so the tasks of the warm-up arrived before 0. `planned_us` is
    when a task arrived by plan, `sent_us` when the generator sent it, `ended_us` when its output was in the
    orchestrator, `service_us` how long it occupied its slot. `None`: not sent, or not ended, by the end of the sample.
    `lost` are the positions of tasks that were given up, which have no end either.
    """

    duration_s: PositiveSeconds  # within which tasks arrived, after the warm-up
    planned_us: Annotated[tuple[Microseconds, ...], Field(max_length=MAX_TRACED)]
    sent_us: Annotated[tuple[Microseconds | None, ...], Field(max_length=MAX_TRACED)]
    ended_us: Annotated[tuple[Microseconds | None, ...], Field(max_length=MAX_TRACED)]
    service_us: Annotated[tuple[Microseconds | None, ...], Field(max_length=MAX_TRACED)]
    lost: Annotated[tuple[Count, ...], Field(max_length=MAX_TRACED)] = ()

    def __post_init__(self) -> None:
        columns = (self.planned_us, self.sent_us, self.ended_us, self.service_us)
        if len({len(each) for each in columns}) > 1 or any(at >= len(self.planned_us) for at in self.lost):
            raise ValueError("the times of a trace are not of the same tasks")


@dataclass(frozen=True, slots=True)
class Sample:
    """One timed batch of one cell in one round, or one open loop, which has a `trace`.

    `at_s` is when it began, in seconds since the first round; `position` its place in the round's order.
    `tasks` ended `ok` or `failed`, or were `lost`. Some may be `duplicated`, and outputs may differ from the
    reference's (`wrong`). In older files a short batch was done `batches` times in a row, and `makespan_s` is their
    median. `slots_seen` is how many slots did work. `service_times_s` is how long each task occupied its slot (fetch,
    compute, store): in the order of the tasks if there are at most 64, else the means of 64 groups of equal size in
    ascending order; empty where the tasks have no hops. `disturbed` is what disturbed the sample from outside, such
    as a worker that died: the sample is kept, but left out of every figure, unless it is an open loop's.

    Of an open loop, `tasks` are those that arrived after the warm-up, and `makespan_s` is until the last of them ended;
    tasks that did not end are in none of `ok`, `failed` and `lost`.
    """

    round: Round
    position: Count
    at_s: Seconds
    makespan_s: PositiveSeconds
    tasks: PositiveCount
    ok: Count
    failed: Count = 0
    lost: Count = 0
    duplicated: Count = 0
    wrong: Count = 0
    slots_seen: Count | None = None
    hops: MeanHops | None = None
    stations: Stations | None = None
    service_times_s: Annotated[tuple[Seconds, ...], Field(max_length=MAX_SERVICE_TIMES)] = ()
    batches: PositiveCount = 1
    disturbed: Text | None = None
    trace: Trace | None = None

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended it early: tasks in flight then have no end."""
        return self.disturbed == INTERRUPTED

    @property
    def throughput_per_s(self) -> float:
        """Tasks a second that ended well."""
        return self.ok / self.makespan_s

    @property
    def correct(self) -> bool:
        """Whether every task ended exactly once, and no output differs from the reference's."""
        return not (self.lost or self.duplicated or self.wrong)


@dataclass(frozen=True, slots=True)
class TaskFailure:
    """A task that gave no output, and why."""

    task: Number
    type: Text
    message: Text


@dataclass(frozen=True, slots=True)
class CellResult:
    """A cell with everything measured of it. `startup_s` is the time until its slots were ready.

    `samples` are the batches that count; the disturbed ones are apart, so that no figure takes them in. Open loops are
    apart, too: nothing that is concluded from batches holds for them.
    """

    cell: Cell
    startup_s: Seconds | None
    samples: Annotated[tuple[Sample, ...], Field(max_length=4_000)] = ()
    failures: Annotated[tuple[TaskFailure, ...], Field(max_length=100_000)] = ()
    disturbed: Annotated[tuple[Sample, ...], Field(max_length=4_000)] = ()
    open_loops: Annotated[tuple[Sample, ...], Field(max_length=4_000)] = ()

    @property
    def taken(self) -> tuple[Sample, ...]:
        """Every sample, disturbed or not, in the order in which they were taken."""
        every = (*self.samples, *self.disturbed, *self.open_loops)
        return tuple(sorted(every, key=lambda sample: (sample.round, sample.at_s)))

    @property
    def counted(self) -> tuple[Sample, ...]:
        """The samples that figures are made of."""
        return (*self.samples, *self.open_loops)

    @property
    def verified(self) -> bool | None:
        """Whether every output of every sample equalled the reference's; `None` without any output."""
        has_output = any(sample.ok for sample in self.taken)
        return all(not sample.wrong for sample in self.taken) if has_output else None

    @property
    def correct(self) -> bool:
        """Whether every batch that counts is correct; under load, lost tasks leave the latency of the others right."""
        wrong = any(sample.wrong or sample.duplicated for sample in self.open_loops)
        return not wrong and all(sample.correct for sample in self.samples)

    @property
    def usable(self) -> bool:
        """Whether its times may be compared with others: it is correct, and completed some task."""
        return self.correct and any(sample.ok for sample in self.samples)

    @property
    def makespans_s(self) -> dict[int, float]:
        """Round to makespan."""
        return {sample.round: sample.makespan_s for sample in self.samples}


@dataclass(frozen=True, slots=True)
class Objective:
    """A promise: the `quantile` of the latency, such as 0.95, is at most `latency_s`."""

    quantile: Annotated[float, Field(strict=True, ge=1e-6, le=1 - 1e-6)]
    latency_s: PositiveSeconds

    def __post_init__(self) -> None:
        if self.quantile not in SHOWN_QUANTILES:
            raise ValueError(f"a promise is of a quantile that is shown: {SHOWN_QUANTILES}")


@dataclass(frozen=True, slots=True)
class Function:
    """A user's function, as serial calls showed it before the clock started.

    `inputs` is what `--inputs` names, `count` how many there are; the answer is for `tasks` of them. A call takes
    `call_s`, of which it waits the share `waiting`; `in_bytes` and `out_bytes` cross with each. `calls` and `about_s`
    are how often it was to be called, and in what time (at most, with `--rounds auto`). Floats of outputs are equal
    within `tolerance`; `None` where outputs were not compared. `many_slots` is a number of slots that suits
    waiting, and `remembers` says that it was three times as fast on inputs that it had seen.
    """

    name: Text
    inputs: Text
    count: PositiveCount
    tasks: PositiveCount
    call_s: Seconds
    waiting: Share
    in_bytes: Bytes
    out_bytes: Bytes
    asynchronous: bool = False
    version: Text | None = None
    tolerance: Share | None = None
    many_slots: Slots | None = None
    calls: Count = 0
    about_s: Seconds = 0.0
    remembers: bool = False

    @property
    def waits(self) -> bool:
        """Whether it waits so much that more slots than processors may help."""
        return self.waiting >= WAITS


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be measured, settled before the first sample.

    With a `target`, the largest relative half width of an interval, `rounds` is the most there may be and
    `budget_s` the time after which no further round begins. `axis` is what a sweep sweeps. Of an open loop, `arrivals`
    is how tasks arrive, `duration_s` how long in each sample, and `searched` whether its rates were found by a search
    for the largest. A sweep of the work looks for the task length at which cells reach `efficiency`, with
    up to `extra_rounds` of the lengths nearest to it.
    """

    profile: Text
    seed: Number
    images: PositiveCount
    width: Pixels
    height: Pixels
    slots: Slots
    rounds: Count
    warmup: Count
    source: Text
    latency_ms: Milliseconds
    bandwidth_mbit: Megabits | None
    cells: Annotated[tuple[Cell, ...], Field(max_length=MAX_CELLS)] = ()
    margin: Margin = 0.05
    arguments: Annotated[tuple[Text, ...], Field(max_length=1_000)] = ()
    target: Margin | None = None
    budget_s: PositiveSeconds | None = None
    axis: Axis | None = None
    arrivals: ArrivalProcess | None = None
    duration_s: PositiveSeconds | None = None
    objective: Objective | None = None
    searched: bool = False
    efficiency: Efficiency = 0.5
    extra_rounds: Count = 0
    function: Function | None = None


@dataclass(frozen=True, slots=True)
class ExampleOutput:
    """One picture before and after a cell processed it: PNG thumbnails in base64."""

    before_png: Picture
    after_png: Picture
    cell: Text


@dataclass(frozen=True, slots=True)
class Run:
    """Everything that one command measured."""

    id: Text
    command: Text
    started_at: Text
    finished_at: Text | None
    complete: bool
    environment: Environment
    plan: Plan
    preflight: Preflight | None = None
    cells: Annotated[tuple[CellResult, ...], Field(max_length=MAX_CELLS)] = ()
    loads: Annotated[tuple[Load, ...], Field(max_length=10_000)] = ()
    proof: ExampleOutput | None = None
    schema: Annotated[int, Field(strict=True, ge=1, le=1_000)] = 2

    def of_stage(self, stage: str) -> tuple[CellResult, ...]:
        """The stage's cells, in the plan's order."""
        return tuple(result for result in self.cells if result.cell.stage == stage)

    def of_work(self, stage: str, work: str) -> tuple[CellResult, ...]:
        """The stage's cells that do the same work, in the plan's order."""
        return tuple(result for result in self.of_stage(stage) if result.cell.work == work)

    def works(self, stage: str) -> tuple[str, ...]:
        """The work of the stage's cells: the plan's own, which is empty, first; then each point of a sweep."""
        return tuple(sorted(dict.fromkeys(result.cell.work for result in self.of_stage(stage)), key=bool))

    def compared(self, stage: str) -> tuple[CellResult, ...]:
        """The stage's cells with the plan's own work; all of them if none has that, as in a sweep."""
        return self.of_work(stage, "") or self.of_stage(stage)

    def subject(self, stage: str) -> str:
        """A stage in a sentence: as it is, or a user's function by its name."""
        return self.plan.function.name if stage == FUNCTION and self.plan.function else stage

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages with results, in the plan's order."""
        return tuple(dict.fromkeys(result.cell.stage for result in self.cells))

    @property
    def begun(self) -> bool:
        """Whether anything was measured, disturbed or not."""
        return any(result.taken for result in self.cells)
