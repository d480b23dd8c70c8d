"""The answer of a run in words: what to use, whether Celery pays, and from how many slots elsewhere it would."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Final

from orchestrator.model.findings import (
    AddedTime,
    Answer,
    Elsewhere,
    Estimate,
    Reason,
    StageAnswer,
    VerdictWord,
)
from orchestrator.model.runs import Cell, Run
from orchestrator.phrases.cells import cell_name, more_tasks
from orchestrator.phrases.numbers import TIMES, count, interval, level, listed, number, percent, seconds
from orchestrator.phrases.run import quota
from orchestrator.phrases.verdicts import lacking, reason, unlike

AS_FAST: Final = 1.005  # a speedup that rounds to 1.00
CHOICES: Final = {"serial": "one thread", "vectorized": "NumPy batch", "celery": "Celery"}


@dataclass(frozen=True, slots=True)
class StageAnswerText:
    """The answer for a stage, as the result file has it; the speedup is over one thread."""

    stage: str
    fastest: str | None
    fastest_speedup: Estimate | None
    verdict: VerdictWord
    wins_from_slots_here: int | None
    wins_from_slots_elsewhere: int | None
    because: str


def stage_text(stage: StageAnswer) -> StageAnswerText:
    """Return the answer for a stage in words."""
    return StageAnswerText(
        stage.stage,
        None if stage.fastest is None else cell_name(stage.fastest, "long"),
        stage.fastest_speedup,
        stage.verdict.verdict,
        stage.wins_from_slots_here,
        stage.wins_from_slots_elsewhere,
        because(stage),
    )


def choice(cell: Cell | None) -> str:
    """Return what a user would use: `threads`, `one thread`, `NumPy batch`."""
    return "nothing measured" if cell is None else CHOICES.get(cell.strategy, cell.strategy)


def choice_of_kernel(cell: Cell | None, run: Run) -> str:
    """Return what a user would use: with the kernel if the stage has several, the slots if they are more than usual."""
    if cell is None:
        return choice(cell)
    several = len({each.cell.kernel for each in run.of_stage(cell.stage)}) > 1
    more = f", {count(cell.slots, 'slot')}" if cell.slots > run.plan.slots else ""
    return f"{choice(cell)}{f', {cell.kernel}' if several else ''}{more}"


def here(run: Run, answer: Answer) -> str:
    """Return where the figures of an answer hold, what they are over, and how sure they are."""
    workers, broker = run.environment.workers, run.environment.broker
    processors = f"{count(ceil(run.environment.cpu.usable), 'processor')}"
    if broker is None or broker.embedded:
        where = f"On this machine ({processors}, {count(run.plan.slots, 'slot')})"
    else:
        slots = count(sum(each.slots for each in workers), "slot")
        where = f"Here ({processors}) and on {count(len(workers), 'worker')}{quota(run)} ({slots})"
    speedups = [each for stage in answer.stages for each in (stage.fastest_speedup, stage.celery_speedup)]
    over = ", against one thread" if any(speedups) else ""
    of_intervals = level(*speedups)
    return f"{where}{over}{f' ({of_intervals} intervals)' if of_intervals else ''}:"


def faster(speedup: Estimate | None, intervals: bool = False) -> str:
    """Return a speedup in words: `1.90× faster`, `38× slower (36–40)`, `1,000× slower`, `as fast`."""
    if speedup is None:
        return ""
    shown = speedup if speedup.point > 1 else speedup.inverse
    within = interval(shown, _times) if intervals else ""
    does = f"{_times(shown.point)}{TIMES} {'faster' if speedup.point > 1 else 'slower'}"
    return f"{does if shown.point >= AS_FAST else 'as fast'}{f' ({within})' if within else ''}"


def _times(ratio: float) -> str:
    return number(ratio, 3 if ratio < 2 else 2)


def versus_fastest(stage: StageAnswer) -> str:
    """Return Celery against the fastest in-process cell, unless that is one thread: `38× slower than threads`."""
    verdict = stage.verdict
    if verdict.ratio is None or verdict.versus is None or verdict.versus.strategy == "serial":
        return ""
    speedup = verdict.ratio.inverse
    return f"{faster(speedup)} {'as' if 1 / AS_FAST < speedup.point < AS_FAST else 'than'} {choice(verdict.versus)}"


def because(stage: StageAnswer) -> str:
    """Return the one reason for a stage's verdict, as a clause."""
    if stage.because.kind in ("undecided", "invalid"):
        lacks = stage.verdict.lacks is not None
        return f"{lacking(stage.verdict)}{unlike(stage.verdict)}" if lacks else reason(stage.verdict)
    text: Reason = stage.because.kind  # type: ignore[assignment]  # as analysis/answer makes it
    return f"{REASONS[text](**stage.because.figures)}{unlike(stage.verdict)}"


REASONS: Final[Mapping[Reason, Callable[..., str]]] = {
    "fastest": lambda: "Celery is the fastest choice here",
    "publishing": lambda limit_per_s: (
        f"publishing and collecting limits Celery to {number(limit_per_s)} tasks/s"
    ),
    "broker": lambda limit_per_s: f"the broker limits Celery to {number(limit_per_s)} tasks/s",
    "payloads": lambda limit_per_s: f"moving data limits Celery to {number(limit_per_s)} tasks/s",
    "window": lambda limit_per_s: (
        f"the limit on messages in flight keeps Celery at {number(limit_per_s)} tasks/s"
    ),
    "moving": lambda moving_s, work_s: f"moving data takes {seconds(moving_s)}, the work {seconds(work_s)}",
    "cores": lambda alone_s, work_s: (
        f"on shared processors the work takes {seconds(work_s)} instead of {seconds(alone_s)}"
    ),
    "overhead": lambda added_s, work_s: (
        f"a task holds a slot for {seconds(added_s)} beside {seconds(work_s)} of work"
    ),
    "unknown": lambda other_load=None: (
        "what holds it back was not measured"
        if other_load is None
        else f"what holds it back is not known, because other processes took {percent(other_load)} of the processors"
    ),
}


def added_sentence(added: Iterable[AddedTime]) -> str:
    """Return what Celery adds to a task, and which tasks are too short for it; empty if that is not known."""
    known = list(added)
    if not known:
        return ""
    first, *others = known
    also = "".join(f"{seconds(each.added_s)} with {each.cell.chunk} tasks a message" for each in others[-1:])
    alone = "" if (first.cell.chunk or 1) == 1 else f" with {first.cell.chunk} tasks a message"
    return (
        f"Celery adds about {seconds(first.added_s)} to a task here{alone}{f' ({also})' if also else ''}, estimated "
        f"from {'short tasks' if first.of_short_tasks else first.cell.subject}. With tasks shorter than that it is "
        "less than half efficient."
    )


def lead(answer: Answer) -> str:
    """Return what to use for each stage, and what slots on other machines would do."""
    chosen: dict[str, list[str]] = {}
    for stage in answer.stages:
        speedup = stage.fastest_speedup
        shown = "" if speedup in (None, Estimate(1.0)) else f" ({faster(speedup)})"
        chosen.setdefault(choice(stage.fastest), []).append(f"{stage.subject}{shown}")
    use = "; ".join(f"{name} for {listed(stages)}" for name, stages in chosen.items())
    return " ".join(filter(None, (f"Use {use}." if use else "", elsewhere_sentence(answer))))


def elsewhere_sentence(answer: Answer) -> str:
    """Return for which stages slots on other machines would make Celery the fastest; empty if it is that here."""
    of_kinds = {kind: [s.subject for s in answer.stages if s.elsewhere == kind] for kind in ELSEWHERE}
    more = more_tasks(answer.stages[0].stage) if answer.stages else ""
    clauses = [
        words.format(listed(of_kinds[kind]), more=more) for kind, words in ELSEWHERE.items() if of_kinds[kind]
    ]
    predicted = [
        f"{each.subject} from {count(each.wins_from_slots_elsewhere, 'slot')}"
        for each in answer.stages
        if each.wins_from_slots_elsewhere is not None
    ]
    if predicted:
        clauses.insert(0, f"Celery would be the fastest for {listed(predicted)} (predicted)")
    return f"On other machines: {'; '.join(clauses)}." if clauses else ""


ELSEWHERE: Final[Mapping[Elsewhere, str]] = {
    "never": "no number of slots would be enough for {} (predicted)",
    "too short": "the batch is too short for more slots to help {}, but {more} may change that",
    "unknown": "whether more slots would help {} is not known",
}
