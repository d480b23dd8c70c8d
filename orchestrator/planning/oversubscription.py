"""Whether a plan wants far more processes than this machine has processors and memory for: a warning, no refusal."""

from __future__ import annotations

from typing import Final

from orchestrator.model.runs import Cell, Plan
from orchestrator.strategies import STRATEGIES

SLOTS_A_PROCESSOR: Final = 8
"""With more slots than so many for each processor, no slot has much of one; waiting alone can be shared so widely."""

SLOT_BYTES: Final = 100 * 10**6
"""About what an embedded worker of one slot was seen to take of its own, with its pool's process."""


def oversubscription(plan: Plan, embedded: bool, processors: float, free_bytes: int) -> str | None:
    """That the slots of a plan crowd this machine, and by how much; `None` where they do not.

    Args:
        plan: what is to be measured.
        embedded: whether Celery's workers are started here.
        processors: those that may be used here, at least a part of one.
        free_bytes: memory that may be had here.
    """
    most = {
        cell.strategy: cell.slots
        for cell in sorted(plan.cells, key=_slots)
        if _starts_processes(cell, embedded)
    }
    slots, processes = max(most.values(), default=0), sum(most.values())
    needed = processes * SLOT_BYTES
    if slots <= SLOTS_A_PROCESSOR * processors and needed <= free_bytes:
        return None
    where = f"{processors:g} processor{'' if processors == 1 else 's'}"
    return (
        f"warning: {slots} slots on {where} are {processes} processes, about {needed / 1e9:,.1f} GB of memory of "
        f"{free_bytes / 1e9:,.1f} GB free, and long to start; fewer --slots tell more, unless tasks do little but wait"
    )


def _slots(cell: Cell) -> int:
    return cell.slots


def _starts_processes(cell: Cell, embedded: bool) -> bool:
    return STRATEGIES[cell.strategy].own_processes and (embedded or not cell.distributed)
