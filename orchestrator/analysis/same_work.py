"""Which cells did the same work, so that their times may be held against each other.

A task that fails may take next to no time, so a cell whose tasks failed would look fast. But an input that is
broken on purpose fails alike for every cell, and takes nothing from a comparison. So failures count against a
cell only where another cell that was given the same work did not have them. It is the verdict's rule: the same
failures on both sides in each round.
"""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.model import CellResult


def comparable(results: Iterable[CellResult]) -> tuple[CellResult, ...]:
    """Those of the results that did all the work that was there to do, in their order.

    Each is sound, ended some task well, and in none of its rounds failed more tasks than another such cell of
    the same stage and work did in that round. So any two of one stage and work failed alike.
    """
    able = [each for each in results if each.sound and any(sample.ok for sample in each.samples)]
    fewest: dict[tuple[str, str, int], int] = {}
    for result in able:
        for place, failed in _failures(result).items():
            fewest[place] = min(failed, fewest.get(place, failed))
    return tuple(each for each in able if all(failed == fewest[at] for at, failed in _failures(each).items()))


def alike(one: CellResult, other: CellResult) -> bool:
    """Whether two cells of one stage and work may be held against each other."""
    return len(comparable((one, other))) == 2


def left_out(results: Iterable[CellResult]) -> tuple[CellResult, ...]:
    """The sound cells with samples that are not comparable, for tasks that failed."""
    measured = [each for each in results if each.sound and each.samples]
    able = {each.cell for each in comparable(measured)}
    return tuple(each for each in measured if each.cell not in able)


def _failures(result: CellResult) -> dict[tuple[str, str, int], int]:
    """Stage, work and round to the tasks that failed there."""
    cell = result.cell
    work = cell.work
    return {(cell.stage, work, sample.round): sample.failed for sample in result.samples}
