"""The parts that findings are made of: estimates, verdicts, observations. Frozen data without English."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from orchestrator.model.runs import Cell

VerdictWord: TypeAlias = Literal["helps", "ties", "hurts", "inconclusive", "invalid"]
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


@dataclass(frozen=True, slots=True)
class Observation:
    """Something that weakens figures or prevents a comparison."""

    kind: str
    figures: Mapping[str, Any] = field(
        default_factory=dict, hash=False
    )  # for the function that words this kind


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
    rounds_needed: int | None = None  # how many more would decide an inconclusive verdict
    shares: tuple[float, float] | None = None  # processors of a worker's slot and of one here, if unlike
