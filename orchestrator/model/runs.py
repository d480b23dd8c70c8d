"""What a comparison is made of: frozen data, and what can be derived from it.

A `Run` is all that was measured and nothing that was concluded: findings are computed from it by
`orchestrator.analysis`, again and again. Times are seconds, sizes bytes. Absent is `None`, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from orchestrator.model.environment import Environment, Load, Preflight
from orchestrator.strategies import STRATEGIES

Data = Literal["local", "resident"]
Events = Literal["on", "off"]
SweptAxis = Literal["size", "latency", "chunk"]
Axis = Literal["slots", SweptAxis]


@dataclass(frozen=True, slots=True)
class Cell:
    """One row of the table. `transport`, `chunk` and `data` are `None` where the strategy has none.

    `events` says whether the workers sent task events, what Flower reads; `None` where that was left as the
    fleet has it. `replica` tells the two halves of the A/A pair apart: the same cell, measured twice a round.
    `width`, `height` and `latency_ms` are the cell's own work where it differs from the plan's, as in a sweep.
    """

    stage: str
    kernel: str
    strategy: str
    slots: int
    transport: str | None = None
    chunk: int | None = None
    data: Data | None = None
    events: Events | None = None
    replica: int = 0
    width: int | None = None
    height: int | None = None
    latency_ms: float | None = None

    @property
    def original(self) -> Cell:
        """This cell without its replica number."""
        return replace(self, replica=0)

    @property
    def work(self) -> str:
        """What sets this cell's work apart from the plan's, for people: 64x64, 5 ms; empty where nothing does."""
        size = f"{self.width}x{self.height}" if self.width is not None else ""
        latency = f"{self.latency_ms:g} ms" if self.latency_ms is not None else ""
        return f"{size} {latency}".strip()

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
    largest bound among the workers that served the sample.
    """

    tasks: int
    compute_s: float
    compute_cpu_s: float
    publish_s: float | None = None
    queue_s: float | None = None
    fetch_s: float | None = None
    store_s: float | None = None
    return_s: float | None = None
    latency_s: float | None = None
    unexplained_s: float | None = None
    clock_bound_s: float | None = None
    beyond_bound: int = 0


@dataclass(frozen=True, slots=True)
class Stations:
    """What one batch asked of each station on a Celery task's way, in seconds over the whole batch.

    `publish_s` and `collect_s` are the orchestrator's time busy with sending and with taking in, payloads
    included; `broker_cpu_s` is the broker's own CPU time, `None` where it does not tell; `slot_s` the time
    that tasks held a slot, from before the fetch to after the store, summed over tasks; `payload_bytes` what
    was put into the payload store and got out of it by both sides; `messages` the Celery messages.
    """

    publish_s: float
    collect_s: float
    slot_s: float
    payload_bytes: int
    messages: int
    broker_cpu_s: float | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """One timed batch of one cell in one round.

    `at_s` is when it began, in seconds since the first round; `position` its place in the round's order.
    A batch that is too short to be timed well is done `batches` times in a row: `makespan_s` is their median,
    `tasks` those of one batch, `ok` and `failed` how many of them ended so in the worst one (the fewest `ok`),
    and what must not happen is counted over all of them: tasks `lost` or `duplicated`, and outputs that differ
    from the reference's (`wrong`). So `ok`, `failed` and `lost` add up to `tasks` unless several batches went
    wrong. `slots_seen` are the places that did work. `disturbed` says what befell it from outside, such as a
    worker that died: such a sample is kept as it was, and stands for no time.
    """

    round: int
    position: int
    at_s: float
    makespan_s: float
    tasks: int
    ok: int
    failed: int = 0
    lost: int = 0
    duplicated: int = 0
    wrong: int = 0
    slots_seen: int | None = None
    hops: MeanHops | None = None
    stations: Stations | None = None
    batches: int = 1
    disturbed: str | None = None

    @property
    def throughput_per_s(self) -> float:
        """Tasks that ended well, a second."""
        return self.ok / self.makespan_s

    @property
    def sound(self) -> bool:
        """Whether it may stand as a time: every task ended once, as it should, with the right output."""
        return not (self.lost or self.duplicated or self.wrong)


@dataclass(frozen=True, slots=True)
class TaskFailure:
    """A task that gave no output: which, and why."""

    task: int
    type: str
    message: str


@dataclass(frozen=True, slots=True)
class CellResult:
    """A cell with all that was measured of it. `startup_s` is the time until its slots were ready.

    `samples` are those that stand for a time. Those that something befell are in `disturbed`: whatever is
    computed from `samples` leaves them out.
    """

    cell: Cell
    startup_s: float | None
    samples: tuple[Sample, ...] = ()
    failures: tuple[TaskFailure, ...] = ()
    disturbed: tuple[Sample, ...] = ()

    @property
    def taken(self) -> tuple[Sample, ...]:
        """Every sample there is, disturbed or not, in the order in which they were taken."""
        return tuple(sorted((*self.samples, *self.disturbed), key=lambda sample: (sample.round, sample.at_s)))

    @property
    def verified(self) -> bool | None:
        """Whether every output of every sample equalled the reference's; `None` where there is no output."""
        has_output = any(sample.ok for sample in self.taken)
        return all(not sample.wrong for sample in self.taken) if has_output else None

    @property
    def sound(self) -> bool:
        """Whether every one of `samples` may stand as a time."""
        return all(sample.sound for sample in self.samples)

    @property
    def stands(self) -> bool:
        """Whether its times may be held against others': it is sound, and some task of it ended well."""
        return self.sound and any(sample.ok for sample in self.samples)

    @property
    def makespans_s(self) -> dict[int, float]:
        """Round to makespan."""
        return {sample.round: sample.makespan_s for sample in self.samples}


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be measured, settled before anything starts.

    With a `target`, the largest relative half width of an interval, `rounds` is the most there may be and
    `budget_s` the time after which no further round begins. `axis` is what a sweep sweeps.
    """

    profile: str
    seed: int
    images: int
    width: int
    height: int
    slots: int
    rounds: int
    warmup: int
    source: str
    latency_ms: float
    bandwidth_mbit: float | None
    cells: tuple[Cell, ...] = ()
    margin: float = 0.05
    arguments: tuple[str, ...] = ()
    target: float | None = None
    budget_s: float | None = None
    axis: Axis | None = None


@dataclass(frozen=True, slots=True)
class ExampleOutput:
    """One picture before and after, as a cell gave it: PNG thumbnails in base64."""

    before_png: str
    after_png: str
    cell: str


@dataclass(frozen=True, slots=True)
class Run:
    """All that one command measured."""

    id: str
    command: str
    started_at: str
    finished_at: str | None
    complete: bool
    environment: Environment
    plan: Plan
    preflight: Preflight | None = None
    cells: tuple[CellResult, ...] = ()
    loads: tuple[Load, ...] = ()
    proof: ExampleOutput | None = None
    schema: int = 1

    def of_stage(self, stage: str) -> tuple[CellResult, ...]:
        """The stage's cells, in the plan's order."""
        return tuple(result for result in self.cells if result.cell.stage == stage)

    def of_work(self, stage: str, work: str) -> tuple[CellResult, ...]:
        """The stage's cells that do the same work, in the plan's order."""
        return tuple(result for result in self.of_stage(stage) if result.cell.work == work)

    def works(self, stage: str) -> tuple[str, ...]:
        """What the stage's cells do, one entry a point of a sweep; one empty entry without a sweep."""
        return tuple(dict.fromkeys(result.cell.work for result in self.of_stage(stage)))

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages there are results for, in the plan's order."""
        return tuple(dict.fromkeys(result.cell.stage for result in self.cells))

    @property
    def begun(self) -> bool:
        """Whether anything was measured at all, disturbed or not."""
        return any(result.taken for result in self.cells)
