"""Which cells' times may be held against each other: those that did the same work, and ended it.

Failing is quick, so a time in which more tasks failed is not that of a faster cell. But an input that is broken
fails in every cell alike, and then they may be compared: what counts is that both failed as many tasks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from orchestrator.analysis.stats.intervals import paired
from orchestrator.analysis.verdicts.selection import Selection
from orchestrator.model.runs import CellResult, Sample
from orchestrator.phrases.cells import cell_name
from orchestrator.phrases.numbers import count


def comparable(one: CellResult, other: CellResult) -> bool:
    """Whether both are sound, ended something well, and failed as many tasks in each round that has both."""
    return one.stands and other.stands and _differing(_alone(one), _alone(other)) is None


def eligible(results: Iterable[CellResult]) -> tuple[CellResult, ...]:
    """Those of some cells of the same work that may be compared with the one that failed the fewest tasks."""
    able = [result for result in results if result.stands]
    least = min(able, key=_failed_share, default=None)
    return () if least is None else tuple(result for result in able if comparable(result, least))


def why_not(ours: Selection, theirs: Selection) -> str | None:
    """The sentence that says why two sides' times may not be compared; `None` where they may.

    What is compared are each round's picks, and the two cells that are best over all rounds.
    """
    for result in (*ours.compared, *theirs.compared):
        if not result.sound:
            return f"{cell_name(result.cell, 'prose')} {_faults(result.samples)}, so its time may not stand"
        if not result.stands:
            return f"{cell_name(result.cell, 'prose')} ended no task well, so its time may not stand"
    differing = _differing(ours.by_round, theirs.by_round)
    differing = differing or _differing(_alone(ours.best), _alone(theirs.best))
    if differing is None:
        return None
    round_, one, other = differing
    return (
        f"{cell_name(one.cell, 'prose')} failed {count(_failed(one, round_), 'task')} of round {round_ + 1} and "
        f"{cell_name(other.cell, 'prose')} {_failed(other, round_)}, so they did not do the same work"
    )


def _differing(
    ours: Mapping[int, CellResult], theirs: Mapping[int, CellResult]
) -> tuple[int, CellResult, CellResult] | None:
    """The first round in which one side failed more tasks than the other, and the two cells."""
    for round_ in paired(ours, theirs):
        one, other = ours[round_], theirs[round_]
        if _failed(one, round_) != _failed(other, round_):
            return round_, one, other
    return None


def _alone(result: CellResult) -> Mapping[int, CellResult]:
    """A cell as the pick of each round that it has."""
    return dict.fromkeys(result.makespans_s, result)


def _failed(result: CellResult, round_: int) -> int:
    return sum(sample.failed for sample in result.samples if sample.round == round_)


def _failed_share(result: CellResult) -> float:
    return sum(each.failed for each in result.samples) / max(1, sum(each.tasks for each in result.samples))


def _faults(samples: Sequence[Sample]) -> str:
    faults = {
        "gave {} that differ from the reference's": (sum(sample.wrong for sample in samples), "output"),
        "lost {}": (sum(sample.lost for sample in samples), "task"),
        "ended {} more than once": (sum(sample.duplicated for sample in samples), "task"),
    }
    return " and ".join(text.format(count(*fault)) for text, fault in faults.items() if fault[0])
