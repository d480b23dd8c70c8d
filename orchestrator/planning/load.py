"""The cells of `load`: every strategy that takes tasks as they arrive, at every rate."""

from __future__ import annotations

import re
from dataclasses import replace
from math import ceil, isfinite
from typing import Final

from orchestrator.analysis.load import (
    FEWEST_TASKS,
    MAX_TASKS,
    MOST_ARRIVALS,
    QUANTILES,
    WARMUP_S,
    most_per_s,
)
from orchestrator.errors import UsageError
from orchestrator.model.runs import Cell, Objective
from orchestrator.planning.cells import Layout, cells_of
from orchestrator.planning.options import AUTO, Options
from orchestrator.planning.sweeps import with_defaults
from orchestrator.strategies import STRATEGIES

MAX_RATE: Final = 1e6  # tasks a second


def load_layout(options: Options, slots: int) -> Layout:
    """Lay out every strategy at every rate; with `--rate auto` the rates are found while measuring."""
    chosen = _with_strategies(with_defaults(options))
    cells = [
        replace(cell, rate_per_s=rate)
        for rate in rates_of(options) or (None,)
        for cell in _cells(chosen, slots)
    ]
    return Layout(chosen, slots, tuple(cells), "rate")


def rates_of(options: Options) -> tuple[float, ...]:
    """Return the arrival rates that were asked for, in rising order; none for `auto`."""
    return () if options.rates == AUTO else rates_in(options.rates)


def rates_in(text: str) -> tuple[float, ...]:
    """Return the arrival rates in `--rate 10,20,40`, in rising order."""
    return tuple(sorted({_rate(part.strip()) for part in text.split(",")}))


def objective_of(options: Options) -> Objective | None:
    """Return the promise that was given, or `None`."""
    return None if options.objective is None else objective_in(options.objective)


def objective_in(text: str) -> Objective:
    """Return the promise in `--objective p95=0.5`."""
    match = re.fullmatch(r"p(\d\d)\s*=\s*([0-9.eE+-]{1,20})\s*s?", text.strip())
    latency_s = _number(match[2]) if match else None
    if match is None or latency_s is None or not 1e-6 <= latency_s <= 86_400:
        raise UsageError(f"--objective {text!r} is not a quantile and its seconds, such as p95=0.5")
    quantile = int(match[1]) / 100
    if quantile not in QUANTILES:
        shown = ", ".join(f"p{100 * each:.0f}" for each in QUANTILES)
        raise UsageError(f"--objective {text!r}: there is no p{match[1]}; choose from {shown}")
    return Objective(quantile, latency_s)


def check_load(options: Options) -> None:
    """Check that the rates can be measured: by strategies that take arrivals, with enough tasks and not too many."""
    rates, objective = rates_of(options), objective_of(options)
    unable = [name for name in options.strategies if not STRATEGIES[name].open_loop]
    if unable:
        able = " or ".join(name for name, kind in STRATEGIES.items() if kind.open_loop)
        raise UsageError(f"{unable[0]} cannot take tasks as they arrive; choose --strategy {able}")
    if not rates:
        return
    per_sample = {rate: rate * (options.duration_s + WARMUP_S) for rate in rates}
    highest, lowest = rates[-1], rates[0]
    if highest > most_per_s(options.duration_s):
        raise UsageError(
            f"--rate {highest:g} for {options.duration_s:g} s and a warm-up are {per_sample[highest]:,.0f} tasks a "
            f"sample, and at most {MOST_ARRIVALS:,} are kept; choose a lower --rate or a shorter --duration"
        )
    samples = options.load_rounds * len(_cells(_with_strategies(with_defaults(options)), 1))
    if (tasks := samples * sum(per_sample.values())) > MAX_TASKS:
        raise UsageError(
            f"these are {tasks:,.0f} tasks in all samples, and at most {MAX_TASKS:,} are kept; choose fewer --rate, "
            "--strategy or --rounds, or a shorter --duration"
        )
    _check_enough(options, lowest, FEWEST_TASKS, "fewer have no median")
    if objective is not None:
        fewest = QUANTILES[objective.quantile]
        _check_enough(options, lowest, fewest, f"p{100 * objective.quantile:.0f} needs as many")


def _check_enough(options: Options, rate: float, fewest: int, why: str) -> None:
    """Check that a rate gives so many tasks over all rounds, as good as certainly."""
    needed = fewest + (3 * fewest**0.5 if options.arrivals == "poisson" else 0)
    tasks = rate * options.duration_s * options.load_rounds
    if tasks < needed:
        rounds = "one round" if options.load_rounds == 1 else f"each of {options.load_rounds} rounds"
        lacks = (
            f"and {fewest:,} are needed" if tasks < fewest else f"by chance perhaps not the {fewest:,} needed"
        )
        raise UsageError(
            f"--rate {rate:g} for {options.duration_s:g} s in {rounds} gives about "
            f"{tasks:,.0f} tasks, {lacks} ({why}); choose --duration "
            f"{ceil(needed / rate / options.load_rounds)}, or more --rounds"
        )


def _with_strategies(options: Options) -> Options:
    usual = tuple(name for name, kind in STRATEGIES.items() if kind.open_loop and kind.in_default_run)
    return replace(options, strategies=options.strategies or usual)


def _cells(options: Options, slots: int) -> list[Cell]:
    """The cells of one rate; without --transport, each strategy has one row, with its first transport."""
    cells = list(cells_of(replace(options, data=("local",)), slots))
    if options.transports:
        return cells
    first: dict[object, Cell] = {}
    for cell in cells:
        first.setdefault((cell.stage, cell.kernel, cell.strategy, cell.events, cell.pool, cell.style), cell)
    return list(first.values())


def _rate(text: str) -> float:
    rate = _number(text)
    if rate is None or not 0 < rate <= MAX_RATE:
        raise UsageError(
            f"--rate {text!r} is not a number of tasks a second from above 0 to {MAX_RATE:,.0f}; give one or more, "
            "such as 10,20,40"
        )
    return rate


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) else None
