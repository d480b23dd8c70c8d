"""Sentences about how long a task must be, and METG as others have published it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from orchestrator.analysis.scaling.granularity import Granularity
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import Cell
from orchestrator.phrases.cells import cell_name, verb
from orchestrator.phrases.numbers import count, evidence, interval, percent, seconds


@dataclass(frozen=True, slots=True)
class Published:
    """METG(50 %) of another system, with tasks that do not depend on each other, on this many cores."""

    system: str
    cores: int
    metg_s: float


# Slaughter et al., "Task Bench: a parameterized benchmark for evaluating parallel runtime performance", SC 2020: the
# figure "METG vs deps/task (nearest, 1 node)" at no dependencies, on a node of 32 cores. Computed as the authors do,
# from their logs: `radix/*/*_radix_0_nodes_1.log` of github.com/StanfordLegion/task-bench-results.
TASK_BENCH: Final = "Task Bench, SC 2020"
PUBLISHED: Final = (
    Published("MPI", 32, 0.39e-6),
    Published("Charm++", 32, 0.87e-6),
    Published("Dask 1.1.5", 32, 13.9e-3),
    Published("Spark 2.3", 32, 64.5e-3),
)


@dataclass(frozen=True, slots=True)
class GranularityText:
    """How long a task must be for a cell, as the result file has it."""

    strategy: str
    kernel: str
    slots: int
    transport: str | None
    chunk: int | None
    pool: str | None
    never: bool
    metg_s: Estimate | None
    work_s: Estimate | None


def granularity_text(found: Granularity) -> GranularityText:
    """Return what the result file has of a cell's granularity."""
    cell = found.cell
    sent = cell.strategy, cell.kernel, cell.slots, cell.transport, cell.chunk, cell.pool
    return GranularityText(*sent, found.kind == "never", found.metg_s, found.work_s)


def granularity_sentence(found: Granularity) -> str:
    """Say how long a task must be for a cell to reach the efficiency that was asked for."""
    who = f"{cell_name(found.cell)} on {count(found.cell.slots, 'slot')}"
    reached = _efficient(found.threshold)
    shortest, longest = (seconds(each.typical_s[0]) for each in (found.points[0], found.points[-1]))
    if found.kind == "never":
        return f"{who} is significantly more than {reached} at no length of a task up to {longest}."
    if found.kind == "always":
        return f"{who} is more than {reached} even with tasks of {shortest}."
    if found.work_s is None or found.metg_s is None:
        return f"{who}: it is unclear from where on it is {reached}; use more --rounds, or --from and --to."
    rounds = len(found.bracket[0].rounds) if found.bracket else 0
    within = evidence(found.work_s, rounds, seconds)
    return (
        f"{who} is {reached} from tasks of {seconds(found.work_s.point)} on ({within}); such a task keeps a slot for "
        f"{seconds(found.metg_s.point)} (METG)."
    )


def granularity_headline(found: Sequence[Granularity]) -> tuple[str, str] | None:
    """Return the headline and the sentence below it: Celery's with the smallest chunk, then the others."""
    if not found:
        return None
    first = min(found, key=lambda each: (not each.cell.distributed, each.cell.chunk or 1))
    who = "Celery" if first.cell.distributed else cell_name(first.cell)
    others = "; ".join(f"{_name(each.cell)} {_from(each)}" for each in found if each is not first)
    reached = _efficient(first.threshold)
    lead = f"To be {reached}: {others}." if others else ""
    if first.kind == "found" and first.work_s is not None:
        within = interval(first.work_s, seconds, " to ")
        need = f"A task must take {seconds(first.work_s.point)} for {who} to be {reached} here"
        return f"{need} ({within})" if within else need, lead
    text = {
        "never": f"{who} {verb(first.cell, 'is', 'are')} never {reached} here with the tasks that were measured",
        "always": f"{who} {verb(first.cell, 'is', 'are')} more than {reached} here even with the shortest tasks",
    }
    return text.get(first.kind, f"It is unclear how long a task must be for {who} to be {reached}"), lead


def _efficient(threshold: float) -> str:
    return "half efficient" if threshold == 0.5 else f"{percent(threshold)} efficient"


def _name(cell: Cell) -> str:
    return cell_name(cell) if cell.kernel == "held" else f"{cell_name(cell)} with {cell.kernel}"


def _from(found: Granularity) -> str:
    if found.work_s is not None:
        return f"from {seconds(found.work_s.point)}"
    return {"never": "never", "always": "always"}.get(found.kind, "unclear")
