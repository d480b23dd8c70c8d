"""Sentences about a user's function: what it was seen to do, and why it cannot be measured."""

from __future__ import annotations

from math import ceil

from orchestrator.model.runs import Function, Plan
from orchestrator.phrases.numbers import count, percent, seconds, size


def introduction(plan: Plan, function: Function) -> str:
    """Return what a function does to an input, how often it will be called, and in what time."""
    return (
        f"{function.name}: {seconds(function.call_s)} an input, {percent(function.waiting)} waiting, "
        f"{size(function.in_bytes)} in, {size(function.out_bytes)} out; will be called about "
        f"{_about(function.calls):,} times in about {_about_s(function.about_s)} "
        f"({count(plan.rounds, 'round')} of {count(plan.images, 'input')})"
    )


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
        "(lru_cache?), and batches repeat nothing real; measure the function behind the cache"
    )


def unrepeated(name: str, number: int) -> str:
    """Return that a function gave something else for an input that it had seen."""
    return (
        f"{name} does not repeat itself: input {number} gave another output the second time, so outputs cannot be "
        "compared; give --no-verify, or make it depend on its input alone"
    )


def _about(quantity: int) -> int:
    """A number to two digits: 4,200."""
    return int(float(f"{quantity:.2g}"))


def _about_s(value: float) -> str:
    return f"{value:.0f} s" if value < 600 else f"{value / 60:.0f} min"
