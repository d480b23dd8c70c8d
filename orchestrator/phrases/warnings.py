"""Warnings in words: what was seen, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from orchestrator.analysis.stats.intervals import VERDICT_ROUNDS
from orchestrator.model.findings import Observation
from orchestrator.model.runs import FUNCTION, Cell, TaskFailure
from orchestrator.phrases.cells import arrival_rate, cell_name, in_stage, larger_batch
from orchestrator.phrases.numbers import count, evidence, number, percent, seconds
from orchestrator.phrases.verdicts import ROUNDS_RULE

Texts: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class WarningText:
    """A warning as reports and the result file have it: its kind, what was seen, and what to do."""

    kind: str
    message: str
    remedy: str


def warning_text(warning: Observation) -> WarningText:
    """Return the words of a warning."""
    return WarningText(warning.kind, *WORDS[warning.kind](**warning.figures))


def _incomplete(interrupted: bool, missing: Sequence[Cell]) -> Texts:
    unmeasured = f"; {_cells(missing)} without a sample" if missing else ""
    ended = "was interrupted" if interrupted else "ended"
    return f"the run {ended} before everything was measured{unmeasured}", "run again and let it end"


def _unsound(cells: Sequence[Cell], lost: int, duplicated: int, wrong: int, from_urls: bool) -> Texts:
    cause = "look for dead workers ('orchestrator doctor') or a broken kernel"
    if from_urls and not (lost or duplicated):
        cause = "see if the source's pictures changed during the run, and name a source whose pictures stay the same"
    return (
        f"{_cells(cells)}: {lost} tasks lost, {duplicated} ended twice, {wrong} outputs wrong",
        f"do not use these cells' times; {cause}",
    )


def _disturbed(
    samples: int,
    first: Cell,
    round_: int,
    cause: str,
    lost: int,
    missing: Sequence[tuple[Cell, int]],
    timed_out: bool,
) -> Texts:
    when = "warm-up" if round_ < 0 else f"round {round_ + 1}"
    example = f"{in_stage(first, 'prose')}, {when}: {cause}"
    message = f"{count(samples, 'sample')} disturbed ({'first ' if samples > 1 else ''}{example})"
    if missing:
        return message, _remedy_of_missing(missing, timed_out)
    if lost:
        return message, (
            f"left out of every figure and taken again, but they lost {count(lost, 'task')}, so the run ends with "
            "exit code 1: find out what broke"
        )
    return message, "left out of every figure and taken again, so there is nothing to do"


def _remedy_of_missing(missing: Sequence[tuple[Cell, int]], timed_out: bool) -> str:
    cell, round_ = missing[0]
    more = f" and {count(len(missing) - 1, 'more round')}" if missing[1:] else ""
    remedy = "make sure that broker and workers stay up"
    if timed_out:
        remedy = (
            "a time limit is for a whole message, so put fewer tasks into each with a smaller --chunk, or raise "
            "BREAKEVEN_TASK_TIME_LIMIT_S of the workers"
        )
    where = f"round {round_ + 1} of {in_stage(cell, 'prose')}"
    return f"{where}{more} has no figure: {remedy}, and run again"


def _failed_tasks(cells: Sequence[Cell], failed: int, first: TaskFailure | None) -> Texts:
    cause = "" if first is None else f", first with {first.type}: {first.message}"
    what = (
        "the function, or leave such inputs out" if cells[0].stage == FUNCTION else "the source or the kernel"
    )
    return (
        f"{count(failed, 'task')} failed in {_cells(cells)}{cause}",
        f"repair {what}, and run again; these times include those of failed tasks",
    )


def _slots_unseen(cells: Sequence[Cell], seen: int, distributed: bool) -> Texts:
    workers = "check whether workers are missing ('orchestrator doctor'), or " if distributed else ""
    return (
        f"fewer slots worked than were asked for in {_cells(cells)}: {seen} of {cells[0].slots} in the first",
        f"{workers}give each slot more work: {larger_batch(cells[0].stage)}",
    )


def _clock_bound(cell: Cell, bound_s: float, hop_s: float) -> Texts:
    spends = f"{1e3 * hop_s:.2g} ms" if hop_s > 0 else "less than nothing, within that bound,"
    return (
        f"clocks are known to within {1e3 * bound_s:.2g} ms, and {cell_name(cell, 'prose')} spends {spends} in "
        "queue or return",
        "read queue and return together, not one by one; a quieter network narrows the bound",
    )


def _throttling(throttled_s: float, workers_throttled_s: float, rounds: int) -> Texts:
    sides = (
        ("the orchestrator", "ORCHESTRATOR_CPUS", throttled_s),
        ("workers", "WORKER_CPUS", workers_throttled_s),
    )
    held = [(side, variable, seconds) for side, variable, seconds in sides if seconds]
    return (
        f"a CPU quota held back {' and '.join(f'{side} for {s:.2g} s' for side, _, s in held)} in "
        f"{count(rounds, 'round')}",
        f"raise the limit (with Compose, {' and '.join(variable for _, variable, _ in held)} in .env), or use no more "
        "slots than it allows",
    )


WORDS: Final[Mapping[str, Callable[..., Texts]]] = {
    "incomplete": _incomplete,
    "unsound": _unsound,
    "disturbed": _disturbed,
    "open loops disturbed": lambda samples, first, cause, lost: (
        f"{count(samples, 'sample')} disturbed ({'first ' if samples > 1 else ''}"
        f"{in_stage(first, 'prose')}, {arrival_rate(first)}: {cause})",
        "the latencies count all the same"
        + (
            f"; {count(lost, 'task')} were lost: find out what broke" if lost else ", so run again without it"
        ),
    ),
    "late generator": lambda cell, late_s: (
        f"5 % of the tasks were sent {seconds(late_s)} late or more ({cell_name(cell, 'prose')}, {arrival_rate(cell)})",
        "latencies include it; leave the orchestrator a processor of its own, or lower the rate",
    ),
    "failed tasks": _failed_tasks,
    "not compared": lambda cells: (
        f"{_cells(cells)} failed more tasks than cells that did the same work, or all of them",
        "their times are compared only with cells that failed as many tasks; repair what fails, and run again",
    ),
    "too few rounds": lambda rounds: (
        f"some cells have only {count(rounds, 'round')}: {ROUNDS_RULE}",
        f"use --rounds {VERDICT_ROUNDS} or more",
    ),
    "A/A differs": lambda ratio, rounds, margin: (
        f"the same cell measured twice has a ratio of {number(ratio.point)} ({evidence(ratio, rounds)}), "
        f"beyond the margin of {percent(margin)}",
        "trust no difference of this size; use more rounds, a quieter machine, or a wider --margin",
    ),
    "spread": lambda verdicts, wide, of, limit, widest, reach: (
        f"the intervals of {wide} of {count(of, 'verdict' if verdicts else 'cell')} "
        f"{'are too wide to decide' if verdicts else f'reach more than {percent(limit)} to either side'}; the widest, "
        f"{in_stage(widest, 'prose')}, reaches {percent(reach)}",
        f"use more rounds, a larger batch ({larger_batch(widest.stage)}), or a quieter machine",
    ),
    "dependent rounds": lambda correlation, rounds, effective: (
        f"noise lasted longer than a round: {count(rounds, 'round')} say as much as about "
        f"{count(round(effective), 'independent round')} (rank correlation of neighbours {correlation:.2f})",
        "intervals allow for it and are wider; a quieter machine would narrow them, and more rounds slowly",
    ),
    "step change": lambda round_, factor: (
        f"from round {round_ + 1} on, everything {_changed(factor)}",
        "ratios stay valid, because both sides are of the same round, but seconds do not: find out what began or ended "
        "then, and run again",
    ),
    "drift": lambda change: (
        f"from the first round to the last, times {'rose' if change > 0 else 'fell'} by {percent(abs(change))}",
        "raise --warmup, or let the machine settle; ratios stay valid, because both sides are of the same round, "
        "but seconds do not",
    ),
    "timer": lambda cell, makespan_s, tick_s, ticks: (
        f"{in_stage(cell, 'prose')} took {1e3 * makespan_s:.2g} ms, less than {ticks} ticks of the "
        f"clock ({1e9 * tick_s:.0f} ns each)",
        f"give each batch more work: {larger_batch(cell.stage)}",
    ),
    "other load": lambda limit, rounds_beyond, rounds, most: (
        f"other processes took more than {percent(limit)} of the CPU in {rounds_beyond} of "
        f"{count(rounds, 'round')}, up to {percent(most)}",
        "close what else runs on this machine, and run again",
    ),
    "steal time": lambda limit, rounds_beyond, rounds, most: (
        f"the hypervisor took more than {percent(limit)} of the CPU in {rounds_beyond} of "
        f"{count(rounds, 'round')}, up to {percent(most)}",
        "measure on a dedicated machine, or at a quieter hour; differences near the margin may be the machine's",
    ),
    "cgroup throttling": _throttling,
    "CPU frequency": lambda lowest_mhz, highest_mhz: (
        f"the CPU's mean frequency went from {lowest_mhz:.0f} to {highest_mhz:.0f} MHz between rounds",
        "set the governor to 'performance' (cpupower frequency-set -g performance), and let the machine cool",
    ),
    "eviction unknown": lambda servers: (
        f"{' and '.join(servers)} did not report the maxmemory-policy: with any but noeviction, tasks can be lost "
        "without an error",
        "check in the server's configuration that its maxmemory-policy is noeviction",
    ),
    "slots unseen": _slots_unseen,
    "clock bound": _clock_bound,
    "hops beyond bound": lambda beyond, tasks: (
        f"{beyond} of {count(tasks, 'task')} have a hop more negative than the clocks' bound explains",
        "run again, and do not rely on the hops of this run; makespans are not affected",
    ),
}


def _changed(factor: float) -> str:
    return f"took {number(factor)} times as long" if factor > 1 else f"was {number(1 / factor)} times as fast"


def _cells(cells: Sequence[Cell]) -> str:
    """Return how many cells, and the first by name: `3 cells (first decode, Celery with asarray ...)`."""
    first = ", ".join(filter(None, (in_stage(cells[0], "prose"), cells[0].work)))
    return f"{count(len(cells), 'cell')} ({'first ' if len(cells) > 1 else ''}{first})"
