"""Latency under load in words, and as the result file has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

from orchestrator.analysis.analyse import Findings
from orchestrator.analysis.load import GROWTH_MARGIN, MAX_TASKS, QUANTILES, WARMUP_S, LoadRow, most_per_s
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import FUNCTION, Cell, Objective, Run
from orchestrator.phrases.cells import PROPER_NAMES, cell_name
from orchestrator.phrases.numbers import count, interval, level, listed, number, per_second, percent, seconds

SUSTAINED: Final[Mapping[bool | None, str]] = {True: "yes", False: "no", None: "cannot tell"}
MOST_PARTS: Final = 3  # of a mean task's time that a sentence names
LEAST_PART: Final = 0.02  # a smaller share is not named

LATENCY_LEGEND: Final = (
    "Latency from a task's planned arrival to its output, on a logarithmic scale, with its interval. Where a line "
    "ends, too few tasks arrived or too many were unfinished for a figure."
)
TIMELINE_LEGEND: Final = (
    "Each point is the longest latency of the tasks that arrived then; the faint line is their median. Arrivals go on "
    "during a stall, so a stall shows as a peak that runs out as the backlog is worked off."
)

PART_NAMES: Final = {
    "lag": "sent late",
    "wait": "waiting",
    "publish": "publishing",
    "queue": "queueing",
    "fetch": "fetching",
    "compute": "computing",
    "store": "storing",
    "return": "returning",
    "unexplained": "unexplained",
}


@dataclass(frozen=True, slots=True)
class LatencyText:
    """Quantiles of the latency in seconds; `None` where there is no figure."""

    p50: Estimate | None
    p90: Estimate | None
    p95: Estimate | None
    p99: Estimate | None
    max: Estimate | None


@dataclass(frozen=True, slots=True)
class LoadText:
    """What tasks saw at one arrival rate, as the result file has it; `parts_s` add up to the mean latency."""

    stage: str
    kernel: str
    strategy: str
    slots: int
    transport: str | None
    pool: str | None
    arrivals: str | None
    rate_per_s: float
    duration_s: float
    rounds: int
    offered: int
    ended: int
    failed: int
    lost: int
    unfinished: int
    achieved_per_s: float
    latency_s: LatencyText
    sent_late_p99_s: float | None
    backlog_at_end: int
    backlog_growth: Estimate | None
    sustained: bool | None
    promise_kept: bool | None
    parts_s: dict[str, float]


def load_text(row: LoadRow, run: Run) -> LoadText:
    """Return one row as the result file has it."""
    cell, of = row.cell, row.latency_s
    return LoadText(
        stage=cell.stage,
        kernel=cell.kernel,
        strategy=cell.strategy,
        slots=cell.slots,
        transport=cell.transport,
        pool=cell.pool,
        arrivals=run.plan.arrivals,
        rate_per_s=row.rate_per_s,
        duration_s=row.duration_s,
        rounds=row.rounds,
        offered=row.offered,
        ended=row.ended,
        failed=row.failed,
        lost=row.lost,
        unfinished=row.unfinished,
        achieved_per_s=row.achieved_per_s,
        latency_s=LatencyText(
            of[0.5], of[0.9], of[0.95], of[0.99], None if row.max_s is None else Estimate(row.max_s)
        ),
        sent_late_p99_s=row.lag_s[0.99],
        backlog_at_end=row.backlog_at_end,
        backlog_growth=row.growth,
        sustained=row.sustained,
        promise_kept=row.kept,
        parts_s={part.name: part.seconds for part in row.parts},
    )


def quantile_name(quantile: float) -> str:
    """Return how a quantile is called: `p95`."""
    return f"p{100 * quantile:.0f}"


def promise(objective: Objective) -> str:
    """Return a promise: `p95 within 500 ms`."""
    return f"{quantile_name(objective.quantile)} within {seconds(objective.latency_s)}"


def open_loop_progress(cell: Cell, elapsed_s: float, latency_s: float, backlog: int) -> str:
    """Return what an open loop does now: `celery at 40/s, 12 s: latency 23 ms, backlog 3 tasks`."""
    when = "warm-up" if elapsed_s < 0 else f"{elapsed_s:.0f} s"
    at = f"{cell.strategy} at {per_second(cell.rate_per_s or 0)}, {when}"
    return f"{at}: latency {seconds(latency_s)}, backlog {count(backlog, 'task')}"


def search_cut_short(tasks: int) -> str:
    """Say that a search has used up the tasks of a result, and what leaves it more rates to try."""
    return (
        f"The search ended early: {tasks:,} tasks arrived, and a result keeps no more; choose a shorter --duration, "
        "fewer --rounds or fewer --strategy"
    )


def heading_of_load(run: Run) -> str:
    """Return how tasks arrived: `Poisson arrivals for 15 s in each of 3 rounds, after 2 s of warm-up`."""
    process = {"poisson": "Poisson", "constant": "Constant"}.get(run.plan.arrivals or "", "")
    rounds = f"each of {run.plan.rounds} rounds" if run.plan.rounds > 1 else "one round"
    duration = seconds(run.plan.duration_s)
    return f"{process} arrivals for {duration} in {rounds}, after {WARMUP_S:g} s of warm-up"


def by_strategy(rows: Iterable[LoadRow]) -> dict[str, list[LoadRow]]:
    """Return the rows of each cell in rising order of their rates, under its name without the rate."""
    found: dict[str, list[LoadRow]] = {}
    for row in sorted(rows, key=lambda each: each.rate_per_s):
        found.setdefault(row_name(row.cell), []).append(row)
    return found


def row_name(cell: Cell) -> str:
    """Return the name of a cell without its rate: `decode, celery redis/1, asarray, 2 slots`."""
    kernel = [] if cell.stage == FUNCTION else [cell.kernel]  # a function is the subject itself
    return ", ".join((cell.subject, cell_name(cell), *kernel, count(cell.slots, "slot")))


def short_row_name(cell: Cell, cells: Iterable[Cell]) -> str:
    """Return the name of a cell among those of its stage, which names its kernel if they have several."""
    several = len({each.kernel for each in cells if each.stage == cell.stage}) > 1
    return f"{cell_name(cell)} with {cell.kernel}" if several else cell_name(cell)


def where_time_went(row: LoadRow) -> str:
    """Return where a mean task's time went: `mean latency at 40/s 22.5 ms: 71 % queueing, 12 % fetching`."""
    total = sum(part.seconds for part in row.parts)
    if total <= 0:
        return ""
    largest = sorted(row.parts, key=lambda part: -part.seconds)[:MOST_PARTS]
    named = [
        f"{percent(part.seconds / total)} {PART_NAMES[part.name]}"
        for part in largest
        if part.seconds >= LEAST_PART * total
    ]
    return f"mean latency at {per_second(row.rate_per_s)} {seconds(total)}: {', '.join(named)}"


def load_legend(rows: Sequence[LoadRow]) -> list[str]:
    """Return what the columns of the table mean, a line each."""
    shown = level(*(each for row in rows for each in row.latency_s.values()))
    lines = [
        "Latency: from a task's planned arrival to its output in the orchestrator.",
        *([f"± is the {shown} interval, by blocks of time."] if shown else []),
        "done: tasks that ended a second, failed ones included. backlog: tasks not done when the last had arrived, in "
        "the worst round.",
        f"sustained: yes if the backlog grows by less than {percent(GROWTH_MARGIN)} of the tasks, no if it grows, each "
        "by a 95 % test.",
        "–: too few tasks (a quantile q needs 10/(1-q)), or too many unfinished.",
    ]
    late = [row.lag_s[0.99] for row in rows if row.lag_s[0.99] is not None]
    if late:
        lines.append(f"The generator sent 99 % of the tasks within {seconds(max(late))} of their plan.")
    return lines


def load_sentences(findings: Findings) -> list[str]:
    """Return for each strategy up to which rate it keeps the promise, and which rate it sustains."""
    objective = findings.run.plan.objective
    sentences = []
    for name, rows in by_strategy(findings.load).items():
        if objective is not None:
            sentences.append(f"{name}: {_of_promise(rows, objective)}")
        sentences.append(f"{name}: {_of_backlog(rows)}")
        sentences += [f"{name}: {_too_short(row, findings.run)}" for row in rows if row.needed_s]
        gone = [f"{listed(each)} at {per_second(row.rate_per_s)}" for row in rows if (each := _gone(row))]
        if gone:
            sentences.append(f"{name}: {listed(gone)}")
    return sentences


def _too_short(row: LoadRow, run: Run) -> str:
    """Return which quantiles have no interval, and what would give each of them one."""
    needed = [f"{quantile_name(q)} ({_longer(duration_s, run)})" for q, duration_s in row.needed_s.items()]
    return f"at {per_second(row.rate_per_s)} the samples are too short for an interval of {listed(needed)}"


def _longer(duration_s: float, run: Run) -> str:
    """Return the `--duration` to choose for a run, or what to choose where a result cannot keep so many tasks."""
    tens = 10 * ceil(duration_s / 10)
    rates = [cell.rate_per_s for cell in run.plan.cells if cell.rate_per_s is not None]
    tasks = run.plan.rounds * sum(rates) * (tens + WARMUP_S)
    kept = max(rates) <= most_per_s(tens) and tasks <= MAX_TASKS
    return f"--duration {tens}" if kept else "more --rounds, or fewer or lower --rate"


def _gone(row: LoadRow) -> list[str]:
    tasks = {
        "failed": row.failed,
        "lost": row.lost,
        "unfinished when the sample ended": row.unfinished,
        "in flight when it was interrupted": row.in_flight,
    }
    return [f"{count(number, 'task')} {what}" for what, number in tasks.items() if number]


def load_headline(findings: Findings) -> tuple[str, str]:
    """Return the headline of a run under load, and the sentence below it."""
    objective, found = findings.run.plan.objective, by_strategy(findings.load)
    if not found:
        return "Nothing was measured", "No sample was taken at any arrival rate."
    best = {
        name: max((row.rate_per_s for row in rows if _held(row, objective)), default=None)
        for name, rows in found.items()
    }
    cells = {name: rows[0].cell for name, rows in found.items()}
    called = _short_names(list(cells.values()))
    at_most = " ".join(
        f"{_at_most(rows, short_row_name(cells[name], cells.values()))}." for name, rows in found.items()
    )
    lead = f"{heading_of_load(findings.run)}. {at_most}"
    what = f"{promise(objective)} kept" if objective else "Sustained"
    able = {name: rate for name, rate in best.items() if rate is not None}
    if not able:
        none = "No rate was shown to be sustained"
        if objective is not None:
            missed = all(row.kept is False for row in findings.load)
            none = f"{'Nothing keeps' if missed else 'No rate is known to keep'} {promise(objective)}"
        return none, lead
    if len(able) == len(found) and len(set(able.values())) == 1:
        (rate,) = set(able.values())
        who = "" if len(found) == 1 else f" by {listed(called.values())}"
        return f"{what} at {per_second(rate)}{who}", lead
    rates = ", ".join(f"{called[name]} up to {per_second(rate)}" for name, rate in able.items())
    unable = [called[name] for name in found if name not in able]
    return f"{what}: {rates}{f'; not {listed(unable)}' if unable else ''}", lead


def _short_names(cells: Sequence[Cell]) -> dict[str, str]:
    """Return the shortest name that tells each cell from the others, by its name in the table."""
    strategies = [(cell.stage, cell.strategy) for cell in cells]
    stages = {cell.stage for cell in cells}
    names = {}
    for cell in cells:
        alone = strategies.count((cell.stage, cell.strategy)) == 1
        name = PROPER_NAMES.get(cell.strategy, cell.strategy) if alone else short_row_name(cell, cells)
        names[row_name(cell)] = name if len(stages) == 1 else f"{name} in {cell.subject}"
    return names


def _held(row: LoadRow, objective: Objective | None) -> bool:
    """Whether a rate counts in the headline: it is sustained, or keeps its promise and may be sustained."""
    return bool(row.sustained) if objective is None else bool(row.kept) and row.sustained is not False


def _at_most(rows: Sequence[LoadRow], name: str) -> str:
    """Return the latency of one strategy at its highest rate that is sustained, or else its lowest."""
    row = next((each for each in reversed(rows) if each.sustained), rows[0])
    known = {quantile_name(q): each for q, each in row.latency_s.items() if each is not None}
    said = ", ".join(f"{q} {seconds(each.point)}" for q, each in known.items() if q in ("p50", "p95", "p99"))
    return f"{row.cell.subject} by {name} at {per_second(row.rate_per_s)}: {said or 'no latency'}"


def _of_promise(rows: Sequence[LoadRow], objective: Objective) -> str:
    kept = [row for row in rows if row.kept]
    missed = [row for row in rows if row.kept is False]
    unknown = [row for row in rows if row.kept is None]
    few = [row.rate_per_s for row in unknown if row.offered < QUANTILES[objective.quantile]]
    enough = [row for row in unknown if row.offered >= QUANTILES[objective.quantile]]
    cut = [row.rate_per_s for row in enough if row.in_flight]
    failed = [row.rate_per_s for row in enough if not row.in_flight]
    parts = []
    if kept:
        parts.append(
            f"keeps {promise(objective)} at {listed(_with_latency(each, objective) for each in kept)}"
        )
    if missed:
        parts.append(
            f"misses {promise(objective)} at {listed(_with_latency(each, objective) for each in missed)}"
        )
    if few:
        parts.append(f"too few tasks arrived to judge {promise(objective)} at {_rates(few, ())}")
    if cut:
        parts.append(
            f"whether it keeps {promise(objective)} at {_rates(cut, ())} is not known: the tasks in flight when it "
            "was interrupted decide it, so run it again to the end"
        )
    if failed:
        parts.append(
            f"whether it keeps {promise(objective)} at {_rates(failed, ())} depends on how many of the tasks that "
            "failed were late as well, which is not recorded"
        )
    return "; ".join(parts)


def _with_latency(row: LoadRow, objective: Objective) -> str:
    latency = row.latency_s[objective.quantile]
    if latency is None:
        return f"{per_second(row.rate_per_s)} (no figure)"
    within = interval(latency, seconds, " to ")
    others = ""
    if row.kept is False and latency.point <= objective.latency_s:
        what = " or ".join(["were lost"] * bool(row.lost) + ["failed"] * bool(row.failed))
        others = f", but {row.lost + row.failed:,} of {count(row.offered, 'task')} {what}"
    return f"{per_second(row.rate_per_s)} ({seconds(latency.point)}{f', {within}' if within else ''}{others})"


def _of_backlog(rows: Sequence[LoadRow]) -> str:
    rates = {word: [row.rate_per_s for row in rows if row.sustained is word] for word in (True, False, None)}
    parts = []
    if rates[True]:
        parts.append(f"sustains {_rates(rates[True], rates[False] + rates[None])}")
    if rates[False]:
        parts.append(f"does not sustain {_rates(rates[False], ())}")
    lost = [row.rate_per_s for row in rows if row.sustained is None and row.lost]
    few = [row.rate_per_s for row in rows if row.sustained is None and not row.lost]
    if lost:
        parts.append(
            f"whether it sustains {_rates(lost, ())} is not known, because tasks were lost: find out what broke"
        )
    if few:
        parts.append(f"more data would tell whether it sustains {_rates(few, ())}: use a longer --duration")
    growing = next((row for row in rows if row.sustained is False and row.growth is not None), None)
    if growing is not None and growing.growth is not None:
        done = number(growing.achieved_per_s)
        parts.append(
            f"at {per_second(growing.rate_per_s)} it did {done}/s, and "
            f"the backlog grew by {percent(growing.growth.point)} of the tasks"
        )
    return "; ".join(parts)


def _rates(rates: Sequence[float], others: Sequence[float]) -> str:
    """Return rates as a list, or as `up to 40/s` if there are several and no other is lower than the highest."""
    if len(rates) > 1 and others and max(rates) < min(others):
        return f"up to {per_second(max(rates))}"
    return listed(map(per_second, rates))
