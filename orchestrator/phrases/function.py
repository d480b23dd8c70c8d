"""Sentences about a user's function: what it was seen to do, and why it cannot be measured."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Final

from orchestrator.analysis.function import FunctionFindings, FunctionRow, Trait
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import Function, Plan
from orchestrator.phrases.answer import faster
from orchestrator.phrases.cells import cell_name
from orchestrator.phrases.numbers import count, number, percent, seconds, size

TRAITS: Final[Mapping[Trait, str]] = {
    "holds the GIL": "{} computes and holds the GIL, so threads do not help; processes do, up to the processors.",
    "releases the GIL": "{} computes with the GIL released, so threads help as processes do, and cost less.",
    "computes": "{} mostly computes, so more slots than processors do not help.",
}


def introduction(plan: Plan, function: Function) -> str:
    """Return what a function does to an input, how often it will be called, and in what time."""
    most = "" if plan.target is None else "up to "
    rounds = count(plan.rounds, "round") if plan.target is None else "rounds"
    how = f"{rounds} of {count(plan.images, 'input')}"
    if plan.duration_s is not None:
        how = f"{seconds(plan.duration_s)} a sample; tasks take {count(plan.images, 'input')} in turn"
    return (
        f"{function.name}: {seconds(function.call_s)} an input, {percent(function.waiting)} waiting, "
        f"{size(function.in_bytes)} in, {size(function.out_bytes)} out; will be called "
        f"{most}about {_about(function.calls):,} times in {most}about {_about_s(function.about_s)} "
        f"({how})"
    )


def rows_heading(found: FunctionFindings) -> str:
    """Return what the times of the rows are for, and what they come from."""
    all_inputs = f"Time for all {count(found.function.tasks, 'input')} of {found.function.name}"
    extrapolated = found.batch < found.function.tasks
    return f"{all_inputs}{f', extrapolated from batches of {found.batch:,}' if extrapolated else ''}:"


def row_texts(row: FunctionRow) -> tuple[str, str, str, str]:
    """Return a row in words: who does it, on how many slots, in what time, how much faster than serial."""
    name = "Celery on other machines (predicted)" if row.predicted else cell_name(row.cell)
    speedup = "" if row.speedup is None or row.cell.strategy == "serial" else faster(Estimate(row.speedup))
    return name, count(row.cell.slots, "slot"), duration(row.total_s), speedup


def duration(value: float) -> str:
    """Return a time that may be long: `3.4 s`, `12 min`, `5.2 h`."""
    if value < 120:
        return seconds(value)
    return f"{number(value / 60, 2)} min" if value < 7200 else f"{number(value / 3600, 2)} h"


def trait_sentence(found: FunctionFindings) -> str:
    """Return what the function was seen to do, and what follows for threads."""
    name = found.function.name
    if found.trait == "waits":
        share = percent(found.function.waiting)
        least = "asyncio costs" if found.function.asynchronous else "threads cost"
        return f"{name} waits {share} of its time, so more slots than processors help, and {least} the least."
    return TRAITS[found.trait].format(name)


def too_slow(function: Function, budget_s: float, needed_s: float, rows: int, tasks: int) -> str:
    """Return that a function is slower than the budget allows, with the least that would do."""
    least = 10 * ceil(needed_s / 10)
    return (
        f"{function.name} takes {seconds(function.call_s)} an input, too long for --budget {budget_s:g}: 7 rounds of "
        f"{count(tasks, 'input')} in {count(rows + 1, 'row')} take about {least} s; give --budget {least}, or "
        "fewer rows with --strategy"
    )


def remembers(function: Function) -> str:
    """Return that a function was much faster on inputs that it had seen."""
    return (
        f"{function.name} is at least three times as fast on inputs that it has seen, so it seems to remember them "
        "(lru_cache?), and every batch would time that memory; measure the function behind the cache"
    )


def first_inputs(most: int) -> str:
    """Return that more inputs than are read may have been given."""
    return f"only the first {most:,} inputs are read; if there are more, --tasks N says how many the answer is for"


def unrepeated(name: str, number: int) -> str:
    """Return that a function gave something else for an input that it had seen."""
    return (
        f"{name} gave another output for input {number} the second time, so outputs cannot be compared; give "
        "--no-verify, or make the output depend on the input alone"
    )


def changes_inputs(name: str) -> str:
    """Return that a function changes its inputs, which tasks under load share."""
    return (
        f"{name} changes its inputs. Under load, an input is given to one task after another, and all but the first "
        "would get a changed one; have the function copy what it changes"
    )


def _about(quantity: int) -> int:
    """A number to two digits: 4,200."""
    return int(float(f"{quantity:.2g}"))


def _about_s(value: float) -> str:
    return f"{value:.0f} s" if value < 600 else f"{value / 60:.0f} min"
