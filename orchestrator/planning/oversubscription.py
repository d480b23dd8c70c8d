"""Whether a plan starts far more processes than this machine has processors and memory for."""

from __future__ import annotations

from typing import Final

from orchestrator.model.runs import Plan
from orchestrator.strategies import STRATEGIES

SLOTS_PER_PROCESSOR: Final = (
    8  # beyond this no slot gets much of a processor; only waiting can be shared so widely
)
SLOT_BYTES: Final = 100 * 10**6  # about what an embedded worker of one slot and its pool process take


def oversubscription(plan: Plan, embedded: bool, processors: float, free_bytes: int | None) -> str | None:
    """Return a warning if the plan's slots are too many for the usable processors and the free memory."""
    cells = [cell for cell in plan.cells if STRATEGIES[cell.strategy].own_processes]
    workers = max((cell.slots for cell in cells if cell.distributed and embedded), default=0)
    # Each of these has a pool, and all pools stay up for the whole run.
    pools = {(cell.slots, cell.transport, cell.chunk, cell.style) for cell in cells if not cell.distributed}
    slots = max([workers, *(pool_slots for pool_slots, *_ in pools)])
    processes = workers + sum(pool_slots for pool_slots, *_ in pools)
    needed = processes * SLOT_BYTES
    if slots <= SLOTS_PER_PROCESSOR * processors and (free_bytes is None or needed <= free_bytes):
        return None
    free = "" if free_bytes is None else f" ({free_bytes / 1e9:,.1f} GB are free)"
    where = f"{processors:g} processor{'' if processors == 1 else 's'}"
    return (
        f"warning: {slots} slots on {where} are {processes} processes, which start slowly and need about "
        f"{needed / 1e9:,.1f} GB of memory{free}; fewer --slots tell more, unless "
        "tasks mostly wait"
    )
