"""What task events cost: the same Celery cell with and without them, in the same rounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, prod

from orchestrator.analysis.stats.intervals import beyond_one, makespan, paired, ratio
from orchestrator.analysis.verdicts.comparability import eligible
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import Cell, CellResult, Run
from orchestrator.phrases.cells import cell_name
from orchestrator.phrases.numbers import count


@dataclass(frozen=True, slots=True)
class EventsCost:
    """A Celery cell without task events, and how many times as long it takes with them.

    `message_s` is the difference in makespan over the batch's messages, seconds.
    """

    cell: Cell
    ratio: Estimate
    rounds: int
    message_s: float

    @property
    def sentence(self) -> str:
        """The cost in words."""
        where = " ".join(filter(None, (self.cell.stage, self.cell.work)))
        share = f"{_share(self.ratio.point)} ({self._evidence})"
        said = f"{where}: task events cost {cell_name(self.cell, 'prose')} {share}"
        side = beyond_one(self.ratio, 0.0)
        if side > 0:
            return f"{said}, {1e3 * self.message_s:.2g} ms a message."
        if side < 0:
            return (
                f"{said}: surely less than nothing, so something else differed, and the cost cannot be told."
            )
        return f"{said}, which may be nothing."

    @property
    def _evidence(self) -> str:
        rounds = count(self.rounds, "round")
        if self.ratio.low is None or self.ratio.high is None or self.ratio.level is None:
            return rounds
        interval = f"{_share(self.ratio.low)} to {_share(self.ratio.high)}"
        return f"{interval}, {100 * self.ratio.level:.0f} % interval, {rounds}"


def events_costs(run: Run) -> tuple[EventsCost, ...]:
    """For each stage that was measured with task events on and off, what they cost its fastest Celery cell.

    There their share is largest, for a message's events take as long whatever its tasks do. The fastest is
    the one with the least product of both times, so that neither side is picked for its luck.
    """
    fastest = (min(_pairs(run.of_stage(stage)), key=_product, default=None) for stage in run.stages)
    costs = (_cost(*pair) for pair in fastest if pair is not None)
    return tuple(cost for cost in costs if cost is not None)


def _pairs(results: Sequence[CellResult]) -> list[tuple[CellResult, CellResult]]:
    """Cells without task events that did the same work, each with the one that differs from it in them alone."""
    celery = (each for each in results if each.cell.events is not None and not each.cell.replica)
    able = {each.cell: each for each in eligible(celery)}
    return [
        (able[cell], able[partner])
        for cell in able
        if cell.events == "off" and (partner := replace(cell, events="on")) in able
    ]


def _product(pair: tuple[CellResult, CellResult]) -> float:
    return prod(found.point for each in pair if (found := makespan(each)) is not None)


def _cost(without: CellResult, with_events: CellResult) -> EventsCost | None:
    """What the second cell takes more; `None` where no round has both."""
    times, before = ratio(with_events.makespans_s, without.makespans_s), makespan(without)
    if times is None or before is None:
        return None
    rounds = len(paired(with_events.makespans_s, without.makespans_s))
    messages = ceil(without.samples[0].tasks / (without.cell.chunk or 1))
    return EventsCost(without.cell, times, rounds, before.point * (times.point - 1) / messages)


def _share(ratio: float) -> str:
    """How much longer, in percent: `12 %`, `-0.8 %`."""
    more = 100 * (ratio - 1)
    return f"{more:.0f} %" if abs(more) >= 10 else f"{round(more, 1) + 0.0:.1f} %"
