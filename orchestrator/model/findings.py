"""The parts that findings are made of: estimates, verdicts, observations. Frozen data without English."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from orchestrator.model.runs import FUNCTION, Cell

VerdictWord: TypeAlias = Literal["helps", "ties", "hurts", "inconclusive", "invalid"]
ChangeWord: TypeAlias = Literal["regression", "improvement", "same", "inconclusive", "invalid"]
Against: TypeAlias = Literal["best in-process", "serial"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its uncertainty: the interval holds the truth with probability `level`.

    `low`, `high` and `level` are `None` together where too few rounds allow no interval.
    """

    point: float
    low: float | None = None
    high: float | None = None
    level: float | None = None

    @property
    def inverse(self) -> Estimate:
        """The estimate of one over this figure, for positive figures."""
        low = None if self.high is None else 1 / self.high
        high = None if self.low is None else 1 / self.low
        return Estimate(1 / self.point, low, high, self.level)

    def scaled(self, factor: float) -> Estimate:
        """Return the estimate of this figure times `factor`, a positive number."""
        low = None if self.low is None else self.low * factor
        high = None if self.high is None else self.high * factor
        return Estimate(self.point * factor, low, high, self.level)

    def widened(self, factor: float) -> Estimate:
        """Return this positive figure with its interval `factor` times as wide, on the logarithmic scale."""
        if self.low is None or self.high is None or factor == 1:
            return self
        low, high = (self.point * (end / self.point) ** factor for end in (self.low, self.high))
        return Estimate(self.point, low, high, self.level)


@dataclass(frozen=True, slots=True)
class Observation:
    """Something that weakens figures or prevents a comparison."""

    kind: str
    figures: Mapping[str, Any] = field(
        default_factory=dict, hash=False
    )  # for the function that words this kind


@dataclass(frozen=True, slots=True)
class Stretch:
    """Rounds during which a ratio stayed the same, and what it was."""

    first: int  # round
    last: int
    ratio: float


@dataclass(frozen=True, slots=True)
class Dependence:
    """How much a run's rounds depend on each other: the rank correlation of a paired ratio with the next round's.

    `correlation` is the median over `pairs`; `effective` is how many independent rounds say as much as `rounds`.
    """

    correlation: float
    rounds: int
    effective: float
    pairs: int


@dataclass(frozen=True, slots=True)
class StepChange:
    """A lasting change of the machine's speed: from `round` on, everything took `factor` times as long."""

    round: int
    factor: float


@dataclass(frozen=True, slots=True)
class OtherLoad:
    """The share of the CPU time that other processes took: in the median round, and in the worst."""

    usual: float
    most: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether Celery's best cell of a stage beats a baseline."""

    stage: str
    verdict: VerdictWord
    against: Against
    celery: Cell | None
    versus: Cell | None
    ratio: Estimate | None  # Celery's makespan over the baseline's: below 1 Celery is faster
    margin: float
    rounds: int = 0
    obstacle: Observation | None = None  # why there is no ratio
    bound: str | None = None  # the hop that limits Celery most
    rounds_needed: int | None = None  # how many more would decide an inconclusive verdict, in 8 of 10 cases
    lacks: Observation | None = None  # which condition of a verdict an inconclusive one does not meet
    smallest: float | None = None  # the difference that 8 of 10 such runs would find, as a share
    stretches: tuple[Stretch, ...] = ()  # if the ratio changed during the run
    load: OtherLoad | None = None  # under which it was measured
    shares: tuple[float, float] | None = None  # processors of a worker's slot and of one here, if unlike

    @property
    def subject(self) -> str:
        """What this is about, in a sentence: the stage, or a user's function by its name."""
        cell = self.celery or self.versus
        return self.stage if cell is None or self.stage != FUNCTION else cell.subject


# What holds Celery back in a stage, or why that is not known.
Reason: TypeAlias = Literal[
    "fastest",  # nothing: it is the fastest choice
    "publishing",  # the orchestrator cannot publish and collect faster
    "broker",  # the broker cannot serve faster
    "payloads",  # the path of the payloads cannot carry more
    "window",  # the limit on messages in flight
    "moving",  # fetching and storing a task's data takes longer than its work
    "cores",  # tasks take longer, because all slots share the cores with broker and orchestrator
    "overhead",  # what Celery adds to each task
    "unknown",  # it is slower, and there are no hops that would say why, or other load may be why
    "undecided",  # the verdict is inconclusive
    "invalid",  # outputs were wrong, tasks failed unequally, or every sample was disturbed
]

# Whether slots on other machines would make Celery the fastest choice, by the queueing model.
Elsewhere: TypeAlias = Literal["here already", "predicted", "never", "too short", "unknown"]


@dataclass(frozen=True, slots=True)
class StageAnswer:
    """What to use for a stage, whether Celery pays in it, and from how many slots on other machines it would.

    The speedups are over one thread, by the verdict's rule for the best of many cells; `None` without a serial cell.
    """

    verdict: Verdict  # against the best in-process cell
    fastest: Cell | None  # the simplest choice that nothing beats significantly
    fastest_speedup: Estimate | None
    celery_speedup: Estimate | None
    because: Observation  # its kind is a `Reason`
    wins_from_slots_here: int | None
    wins_from_slots_elsewhere: int | None
    elsewhere: Elsewhere

    @property
    def stage(self) -> str:
        """The stage that this is about."""
        return self.verdict.stage

    @property
    def subject(self) -> str:
        """The stage in a sentence: as it is, or a user's function by its name."""
        return self.verdict.subject


@dataclass(frozen=True, slots=True)
class AddedTime:
    """The seconds of a slot that Celery adds to a task, estimated from short tasks or from one cell's own."""

    cell: Cell
    added_s: float
    of_short_tasks: bool = False  # timed before the run; else the cell's makespan without its compute hop


@dataclass(frozen=True, slots=True)
class Answer:
    """The three answers of a run, stage by stage, and what Celery adds to a task by the tasks in a message."""

    stages: tuple[StageAnswer, ...] = ()
    added: tuple[AddedTime, ...] = ()
