"""What went wrong in a run: tasks that failed, each message once, and cells whose times may not stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.model.runs import Cell, Run


@dataclass(frozen=True, slots=True)
class FailureLine:
    """A message, and the cells that it befell."""

    kind: str
    message: str
    cells: Sequence[Cell]


def failure_lines(run: Run) -> tuple[FailureLine, ...]:
    """Failures in the order in which they are met, then unsound cells."""
    befell: dict[str, list[Cell]] = {}
    for result in run.cells:
        for failure in result.failures:
            cells = befell.setdefault(f"{failure.type}: {failure.message}", [])
            if result.cell not in cells:
                cells.append(result.cell)
    failed = [FailureLine("failed", message, cells) for message, cells in befell.items()]
    unsound = []
    for result in run.cells:
        if not result.correct:
            counts = ", ".join(
                f"{total} {name}"
                for name in ("lost", "duplicated", "wrong")
                if (total := sum(getattr(sample, name) for sample in result.samples))
            )
            unsound.append(FailureLine("invalid", counts, [result.cell]))
    return (*failed, *unsound)
