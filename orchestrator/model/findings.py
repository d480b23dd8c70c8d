"""What is concluded from a run: estimates, verdicts, warnings. Frozen, and never part of what was measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from orchestrator.model.runs import Cell

VerdictWord = Literal["helps", "ties", "hurts", "inconclusive", "invalid"]


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
        """The estimate of this figure times `factor`, a positive number."""
        low = None if self.low is None else self.low * factor
        high = None if self.high is None else self.high * factor
        return Estimate(self.point * factor, low, high, self.level)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether Celery's best cell of a stage beats a baseline.

    `ratio` is Celery's makespan over the baseline's, so below 1 Celery is faster. `rounds_needed` says how
    many more rounds would decide an inconclusive verdict. `bound` names what holds Celery back most.
    """

    stage: str
    verdict: VerdictWord
    against: Literal["best in-process", "serial"]
    celery: Cell | None
    versus: Cell | None
    ratio: Estimate | None
    reason: str
    bound: str | None = None
    rounds_needed: int | None = None


@dataclass(frozen=True, slots=True)
class Warning:  # noqa: A001 - the field's word; Python's own warnings are not used beside it
    """Something that weakens the figures: what was seen, and what to do."""

    kind: str
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Findings:
    """All that was concluded from a run, none of it stored twice: computed from the run alone."""

    makespans: dict[Cell, Estimate] = field(default_factory=dict)
    versus_serial: dict[Cell, Estimate] = field(default_factory=dict)
    versus_best: dict[Cell, Estimate] = field(default_factory=dict)
    fastest: frozenset[Cell] = frozenset()
    verdicts: tuple[Verdict, ...] = ()
    noise_floor: Estimate | None = None
    warnings: tuple[Warning, ...] = ()
