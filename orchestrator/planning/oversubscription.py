"""Whether a plan starts far more processes than this machine has processors and memory for."""

from __future__ import annotations

from typing import Final

from orchestrator.model.runs import Cell, Plan
from orchestrator.strategies import STRATEGIES

SLOTS_PER_PROCESSOR: Final = (
    8  # beyond this no slot gets much of a processor; only waiting can be shared so widely
)
SLOT_BYTES: Final = 100 * 10**6  # about what an embedded worker of one slot and its pool process take


def oversubscription(plan: Plan, embedded: bool, processors: float, free_bytes: int) -> str | None:
    """Return a warning if the plan's slots are too many for the usable processors and the free memory."""
    most: dict[str, int] = {}
    for cell in plan.cells:
        if _starts_processes(cell, embedded):
            most[cell.strategy] = max(cell.slots, most.get(cell.strategy, 0))
    slots, processes = max(most.values(), default=0), sum(most.values())
    needed = processes * SLOT_BYTES
    if slots <= SLOTS_PER_PROCESSOR * processors and needed <= free_bytes:
        return None
    where = f"{processors:g} processor{'' if processors == 1 else 's'}"
    return (
        f"warning: {slots} slots on {where} are {processes} processes, which start slowly and need about "
        f"{needed / 1e9:,.1f} GB of memory ({free_bytes / 1e9:,.1f} GB are free); fewer --slots tell more, unless "
        "tasks mostly wait"
    )


def _starts_processes(cell: Cell, embedded: bool) -> bool:
    return STRATEGIES[cell.strategy].own_processes and (embedded or not cell.distributed)
