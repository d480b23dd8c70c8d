"""What tasks see at an arrival rate: their latency, and whether their backlog grows.

Latencies of neighbouring tasks depend on each other, because they stand in the same queue. So both figures come from
blocks of time: `stats.block_intervals` for quantiles, and for the backlog's growth one value a block (batch means: Law,
"Simulation Modeling and Analysis", 5th ed., 2015, sec. 9.5.3). `compare` resamples whole blocks (Kuensch, Ann. Statist.
17, 1989; for quantiles Sun & Lahiri, Sankhya 68, 2006).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, inf, isfinite, sqrt
from statistics import fmean
from types import MappingProxyType
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from orchestrator.analysis.hops import LEGS
from orchestrator.analysis.stats.block_intervals import blocked_quantile
from orchestrator.analysis.stats.bootstrap import RESAMPLES, SEED
from orchestrator.analysis.stats.intervals import ASKED_LEVEL
from orchestrator.analysis.stats.student_t import quantile as student_quantile
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import (
    MAX_TRACED,
    SHOWN_QUANTILES,
    Cell,
    CellResult,
    Objective,
    Run,
    Sample,
    Trace,
)

Floats: TypeAlias = NDArray[np.float64]

# The quantiles that are shown, and the fewest tasks that each needs: ten beyond it.
QUANTILES: Final[Mapping[float, int]] = {q: round(10 / (1 - q)) for q in SHOWN_QUANTILES}
FEWEST_TASKS: Final = min(QUANTILES.values())
BLOCKS: Final = 15  # of equal length, of all samples, that `compare` resamples
INTERVAL_BLOCKS: Final = 9  # of all samples, for the interval of a quantile
LEAST_RELAXATIONS: Final = 100.0  # of the queue, that samples must last for an interval of any quantile,
LEAST_BEYOND: Final = 8.0  # and so many of them with the queue beyond the quantile
GROWTH_BLOCKS: Final = (
    9  # of all samples: longer ones tell better that a backlog does not grow, shorter ones that it does
)
GRID: Final = 4096  # ordered latencies between which resampled quantiles are not told apart
GROWTH_MARGIN: Final = 0.05  # of the tasks that arrive; a backlog that grows more slowly is sustained

WARMUP_S: Final = 2.0  # seconds at the start of a sample whose tasks do not count
DRAIN_S: Final = 5.0  # seconds after the last arrival in which outputs still count

# Of all samples: their times are kept, and must fit into memory and the result file.
MAX_TASKS: Final = 1_000_000
# Of a sample, on average: Poisson arrivals vary, and a search rounds its rates.
MOST_ARRIVALS: Final = int(MAX_TRACED - 7 * MAX_TRACED**0.5)


@dataclass(frozen=True, slots=True)
class Part:
    """Where a mean task's time went: `lag` (the generator was late), a hop, or `wait` (all else, in-process)."""

    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class LoadRow:
    """One cell at its arrival rate, over all rounds, the disturbed ones too.

    `latency_s` has an entry a quantile, `None` where too few tasks arrived or where too many had not ended by the end
    of the sample. `needed_s` has, for the quantiles without an interval, the `--duration` that would give one, if any.
    `growth` is by how much the backlog grew, as a share of the tasks that arrived.
    """

    cell: Cell
    rate_per_s: float
    duration_s: float  # of a sample
    rounds: int
    offered: int
    ended: int
    failed: int
    lost: int
    unfinished: int  # withdrawn `DRAIN_S` after the last arrival
    in_flight: int  # when Ctrl-C ended the sample
    achieved_per_s: float
    latency_s: Mapping[float, Estimate | None]
    needed_s: Mapping[float, float]
    max_s: float | None
    lag_s: Mapping[float, float | None]  # how late the generator sent, by quantile
    backlog_at_end: int  # in the round with the largest
    growth: Estimate | None
    sustained: bool | None  # `None` also where tasks were lost, which ended the backlog
    parts: tuple[Part, ...]
    kept: bool | None  # whether the plan's promise is kept; `None` without one, and where it is unknown
    disturbances: tuple[str, ...]

    def holds(self, objective: Objective | None) -> bool | None:
        """Return whether the rate is sustained and the promise, if there is one, is kept; `None` if unknown."""
        if objective is None or self.kept is False or self.sustained is False:
            return False if self.kept is False else self.sustained
        return None if self.kept is None else self.sustained


@dataclass(frozen=True, slots=True)
class Times:
    """The tasks of one sample that arrived after its warm-up, except those that were lost; seconds."""

    planned: Floats
    latency: Floats  # infinite if unfinished
    lag: Floats  # infinite if not sent

    @classmethod
    def of(cls, trace: Trace) -> Times:
        """Return the times in a trace."""
        planned, sent, ended = (_seconds(each) for each in (trace.planned_us, trace.sent_us, trace.ended_us))
        counts = planned >= 0
        counts[list(trace.lost)] = False
        planned = planned[counts]
        return cls(planned, ended[counts] - planned, sent[counts] - planned)


def most_per_s(duration_s: float) -> float:
    """Return the largest arrival rate at which a result keeps every task of a sample."""
    return MOST_ARRIVALS / (duration_s + WARMUP_S)


def load_rows(run: Run) -> tuple[LoadRow, ...]:
    """Return a row for every cell that was measured at an arrival rate."""
    rows = (load_row(result, run.plan.objective) for result in run.cells)
    return tuple(row for row in rows if row is not None)


def load_row(result: CellResult, objective: Objective | None = None) -> LoadRow | None:
    """Return what the tasks of one cell saw; `None` without a sample."""
    samples = [(each, each.trace) for each in result.open_loops if each.trace is not None]
    if not samples or result.cell.rate_per_s is None:
        return None
    times = [Times.of(trace) for _, trace in samples]
    latencies = np.concatenate([each.latency for each in times])
    durations_s = [trace.duration_s for _, trace in samples]
    growth = backlog_growth([trace for _, trace in samples])
    # While a backlog grows, the quantiles of a longer run are others, so no interval holds them.
    grows = _sustained(growth) is False
    relaxation_s = inf if grows else queue_relaxation_s([trace for _, trace in samples], result.cell)
    latency_s, needed_s = latency_quantiles(list(zip(times, durations_s, strict=True)), relaxation_s)
    largest = float(latencies.max(initial=0.0))
    in_flight = [
        trace.duration_s - each.planned[np.isinf(each.latency)]
        for (sample, trace), each in zip(samples, times, strict=True)
        if sample.interrupted
    ]
    waited_s = np.concatenate([np.empty(0), *in_flight])
    return LoadRow(
        cell=result.cell,
        rate_per_s=result.cell.rate_per_s,
        duration_s=max(durations_s),
        rounds=len(samples),
        offered=sum(each.tasks for each, _ in samples),
        ended=sum(each.ok + each.failed for each, _ in samples),
        failed=sum(each.failed for each, _ in samples),
        lost=sum(each.lost for each, _ in samples),
        unfinished=int(np.isinf(latencies).sum()) - len(waited_s),
        in_flight=len(waited_s),
        achieved_per_s=fmean(_achieved_per_s(trace) for _, trace in samples),
        latency_s=MappingProxyType(latency_s),
        needed_s=MappingProxyType(needed_s),
        max_s=largest if len(latencies) and isfinite(largest) else None,
        lag_s=MappingProxyType(_lags(np.concatenate([each.lag for each in times]))),
        backlog_at_end=int(max(backlog(trace, [trace.duration_s])[0] for _, trace in samples)),
        growth=growth,
        sustained=None if any(each.lost for each, _ in samples) else _sustained(growth),
        parts=_parts([each for each, _ in samples], times),
        kept=None if objective is None else _kept(samples, latencies, waited_s, objective),
        disturbances=tuple(each.disturbed for each, _ in samples if each.disturbed is not None),
    )


def promise_missed(run: Run, rows: Sequence[LoadRow]) -> bool:
    """Return whether a row misses the promise; of a search, whether a strategy has no rate that keeps it."""
    if run.plan.objective is None:
        return False
    if not run.plan.searched:
        return any(row.kept is False for row in rows)
    strategies = {replace(row.cell, rate_per_s=None) for row in rows}
    return any(
        not any(
            row.kept and row.sustained is not False
            for row in rows
            if replace(row.cell, rate_per_s=None) == each
        )
        for each in strategies
    )


def queue_relaxation_s(traces: Sequence[Trace], cell: Cell) -> float | None:
    """Return how long a queue takes to forget where it was; `None` without service times, infinite if it grows.

    That of reflected Brownian motion, with Poisson arrivals and the measured services. Source: Whitt, "Planning
    queueing simulations", Management Science 35, 1989.
    """
    services = np.concatenate([_seconds(each.service_us) for each in traces])
    services = services[np.isfinite(services)]
    if not len(services) or cell.rate_per_s is None:
        return None
    mean_s, variance = float(services.mean()), float(services.var())
    utilisation = cell.rate_per_s * mean_s / cell.slots
    if utilisation >= 1:
        return inf
    spread = 1 + (variance / mean_s**2 if mean_s else 0.0)
    return 2 * utilisation * mean_s * spread / (cell.slots * (1 - utilisation) ** 2)


def latency_quantiles(
    times: Sequence[tuple[Times, float]], relaxation_s: float | None = None
) -> tuple[dict[float, Estimate | None], dict[float, float]]:
    """Return each quantile of the latency over all rounds, and the `--duration` that those without interval need.

    Args:
        times: of each sample, with its duration in seconds.
        relaxation_s: of the queue; samples that are short beside it give no interval.
    """
    of_sample = ceil(INTERVAL_BLOCKS / len(times))
    blocks = _blocks(times, of_sample)
    latencies = np.concatenate([each.latency for each, _ in times])
    order = np.argsort(latencies, kind="stable")
    ordered, blocks = latencies[order], blocks[order]
    span_s = sum(duration_s for _, duration_s in times)
    found: dict[float, Estimate | None] = dict.fromkeys(QUANTILES)
    needed_s: dict[float, float] = {}
    for quantile, fewest in QUANTILES.items():
        if len(ordered) < fewest or not isfinite(_order_statistic(ordered, quantile)):
            continue
        made = blocked_quantile(ordered, blocks, of_sample * len(times), quantile)
        least = max(LEAST_RELAXATIONS, LEAST_BEYOND / (1 - quantile)) * (relaxation_s or 0.0)
        longer = max(made.longer, least / span_s)
        found[quantile] = made.estimate if longer <= 1 else Estimate(made.estimate.point)
        if longer > 1 and isfinite(longer):
            needed_s[quantile] = longer * span_s / len(times)
    return found, needed_s


def _blocks(times: Sequence[tuple[Times, float]], of_sample: int) -> NDArray[np.int64]:
    """Return the block of each task: each sample has so many, of equal length."""
    return np.concatenate(
        [
            number * of_sample
            + np.minimum(of_sample - 1, each.planned * (of_sample / duration_s)).astype(np.int64)
            for number, (each, duration_s) in enumerate(times)
        ]
    )


def resampled_latencies(times: Sequence[tuple[Times, float]], seed: int = SEED) -> dict[float, Floats]:
    """Return the quantiles of the latency in `RESAMPLES` draws of blocks, over all rounds."""
    of_sample = ceil(BLOCKS / len(times))
    latencies = np.concatenate([each.latency for each, _ in times])
    return resampled_quantiles(latencies, _blocks(times, of_sample), of_sample * len(times), seed)


def resampled_quantiles(
    latencies: Floats, blocks: NDArray[np.int64], count: int, seed: int = SEED
) -> dict[float, Floats]:
    """Return the quantiles of `RESAMPLES` draws of `count` blocks, with replacement.

    Args:
        latencies: seconds, of shape (tasks,).
        blocks: the block of each task, below `count`.
        count: how many blocks there are.
        seed: of the draws.
    """
    order = np.argsort(latencies, kind="stable")
    # Where there are more tasks than the grid has places, each place stands for several neighbours in order.
    place = np.arange(len(order)) * min(GRID, len(order)) // max(1, len(order))
    places = int(place[-1]) + 1 if len(place) else 0
    tasks = np.zeros((count, places))
    np.add.at(tasks, (blocks[order], place), 1)
    highest = latencies[order][np.searchsorted(place, np.arange(places), side="right") - 1]
    draws = np.random.default_rng(seed).multinomial(count, [1 / count] * count, RESAMPLES)
    cumulated = np.cumsum(draws @ tasks, axis=1)
    drawn = {}
    for quantile in QUANTILES:
        reached = cumulated >= np.ceil(quantile * cumulated[:, -1:] - 1e-9)
        drawn[quantile] = highest[np.argmax(reached, axis=1)] if places else np.empty(0)
    return drawn


def backlog(trace: Trace, at_s: Sequence[float]) -> NDArray[np.int64]:
    """Return how many tasks had arrived and not ended at each of some times; lost ones do not count."""
    kept = np.ones(len(trace.planned_us), dtype=bool)
    kept[list(trace.lost)] = False
    planned, ended = _seconds(trace.planned_us)[kept], np.sort(_seconds(trace.ended_us)[kept])
    arrived: NDArray[np.int64] = np.searchsorted(planned, at_s, side="right")
    return arrived - np.searchsorted(ended, at_s, side="right")


def backlog_growth(traces: Sequence[Trace]) -> Estimate | None:
    """Return by how much the backlog grows, as a share of the tasks that arrive, with Student's interval over blocks.

    While a backlog grows without end, its changes from block to block are independent, so the interval is right where
    it matters. While it does not, they cancel each other out, and the interval is too wide: safe.
    """
    tasks = sum(sum(each >= 0 for each in trace.planned_us) for trace in traces)
    if tasks < FEWEST_TASKS:
        return None
    blocks = ceil(GROWTH_BLOCKS / len(traces))
    changes = np.concatenate(
        [np.diff(backlog(trace, np.linspace(0, trace.duration_s, blocks + 1).tolist())) for trace in traces]
    ) / (tasks / (blocks * len(traces)))
    point = float(changes.mean())
    reach = student_quantile(ASKED_LEVEL, len(changes) - 1)
    half = reach * float(changes.std(ddof=1)) / sqrt(len(changes))
    return Estimate(point, point - half, point + half, ASKED_LEVEL)


def _sustained(growth: Estimate | None) -> bool | None:
    """Whether the rate is sustained; `None` where the interval allows both."""
    if growth is None or growth.low is None or growth.high is None:
        return None
    if growth.high < GROWTH_MARGIN:
        return True
    return False if growth.low > 0 else None


def _kept(
    samples: Sequence[tuple[Sample, Trace]], latencies: Floats, waited_s: Floats, objective: Objective
) -> bool | None:
    """Whether a promise is kept; `None` if unknown. Tasks that were lost, failed or unfinished are within no time.

    Tasks in flight at an interrupt, which had waited for `waited_s`, might yet have ended in time.
    """
    lost = sum(trace.planned_us[number] >= 0 for _, trace in samples for number in trace.lost)
    failed = sum(each.failed for each, _ in samples)
    open_ = int((waited_s <= objective.latency_s).sum())
    late = int((latencies > objective.latency_s).sum()) - open_
    offered = len(latencies) + lost
    if offered < QUANTILES[objective.quantile]:
        return None
    allowed = (1 - objective.quantile) * offered + 1e-9
    if lost + max(late, failed) > allowed:
        return False
    # A trace does not tell which tasks failed, so some of the failed tasks may be late ones, too.
    return True if lost + late + failed + open_ <= allowed else None


def _achieved_per_s(trace: Trace) -> float:
    ended = _seconds(trace.ended_us)
    return float(((ended >= 0) & (ended < trace.duration_s)).sum()) / trace.duration_s


def _lags(lags: Floats) -> dict[float, float | None]:
    ordered = np.sort(lags)
    found = {q: _order_statistic(ordered, q) if len(ordered) else np.inf for q in QUANTILES}
    return {quantile: lag if isfinite(lag) else None for quantile, lag in found.items()}


def _parts(samples: Sequence[Sample], times: Sequence[Times]) -> tuple[Part, ...]:
    """Where the mean task's time went, of those that ended: the parts add up to the mean latency."""
    ended = [each.latency[np.isfinite(each.latency)] for each in times]
    latencies = np.concatenate(ended)
    hops = [(each.hops.tasks, each.hops) for each in samples if each.hops is not None]
    if not len(latencies) or not hops:
        return ()
    lags = np.concatenate([each.lag[np.isfinite(each.latency)] for each in times])
    parts = {"lag": float(lags.mean())}
    for leg in LEGS:
        seconds = [(tasks, getattr(each, f"{leg}_s")) for tasks, each in hops]
        known = [(tasks, value) for tasks, value in seconds if value is not None]
        if known:
            parts[leg] = sum(tasks * value for tasks, value in known) / sum(tasks for tasks, _ in known)
    rest = "unexplained" if "queue" in parts else "wait"
    parts[rest] = parts.get(rest, 0.0) + float(latencies.mean()) - sum(parts.values())
    return tuple(Part(name, seconds) for name, seconds in parts.items())


def _order_statistic(ordered: Floats, quantile: float) -> float:
    return float(ordered[max(0, ceil(quantile * len(ordered) - 1e-9) - 1)])


def _seconds(microseconds: Sequence[int | None]) -> Floats:
    return np.array([np.inf if each is None else each for each in microseconds], dtype=np.float64) / 1e6
