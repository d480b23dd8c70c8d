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
    """Something that weakens figures or prevents a comparison.

    `figures` are the arguments of the function in `phrases` that words this kind.
    """

    kind: str
    figures: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether Celery's best cell of a stage beats a baseline.

    `ratio` is Celery's makespan over the baseline's, from `rounds` rounds: below 1 Celery is faster. `obstacle`
    is why there is none. `rounds_needed` is how many more rounds would decide an inconclusive verdict. `bound`
    is the hop that limits Celery most.
    """

    stage: str
    verdict: VerdictWord
    against: Against
    celery: Cell | None
    versus: Cell | None
    ratio: Estimate | None
    margin: float
    rounds: int = 0
    obstacle: Observation | None = None
    bound: str | None = None
    rounds_needed: int | None = None
