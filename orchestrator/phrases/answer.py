"""The answer of a run in words: what to use, whether Celery pays, and from how many slots elsewhere it would."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from orchestrator.model.findings import AddedTime, Answer, Estimate, Reason, StageAnswer, VerdictWord
from orchestrator.model.runs import Cell
from orchestrator.phrases.cells import cell_name
from orchestrator.phrases.numbers import TIMES, count, listed, number, seconds
from orchestrator.phrases.verdicts import reason

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


def faster(speedup: Estimate | None) -> str:
    """Return a speedup in words: `1.9× faster`, `38× slower`, `1,000× slower`, `as fast`."""
    if speedup is None:
        return ""
    times = max(speedup.point, 1 / speedup.point)
    if times < 1.005:
        return "as fast"
    return f"{number(times, 3 if times < 2 else 2)}{TIMES} {'faster' if speedup.point > 1 else 'slower'}"


def because(stage: StageAnswer) -> str:
    """Return the one reason for a stage's verdict, as a sentence without its full stop."""
    if stage.because.kind in ("undecided", "invalid"):
        return reason(stage.verdict)
    text: Reason = stage.because.kind  # type: ignore[assignment]  # as analysis/answer makes it
    return REASONS[text](**stage.because.figures)


def elsewhere(stage: StageAnswer) -> str:
    """Return what slots on other machines would do, as a sentence without its full stop."""
    slots = stage.wins_from_slots_elsewhere
    if stage.elsewhere == "predicted" and slots is not None:
        return f"Celery would be the fastest from {count(slots, 'slot')} on other machines (predicted)"
    return {
        "never": "No number of slots on other machines would make it the fastest (predicted)",
        "too short": "The batch is too short for slots on other machines to help; more --images may change that",
        "unknown": "Whether slots on other machines would help is not known",
    }.get(stage.elsewhere, "")


REASONS: Final[Mapping[Reason, Callable[..., str]]] = {
    "fastest": lambda: "Celery is the fastest choice here",
    "publishing": lambda limit_per_s: (
        f"Publishing and collecting limits Celery to {number(limit_per_s)} tasks/s"
    ),
    "broker": lambda limit_per_s: f"The broker limits Celery to {number(limit_per_s)} tasks/s",
    "payloads": lambda limit_per_s: f"Moving the data limits Celery to {number(limit_per_s)} tasks/s",
    "window": lambda limit_per_s: (
        f"The limit on messages in flight keeps Celery at {number(limit_per_s)} tasks/s"
    ),
    "moving": lambda moving_s, work_s: (
        f"Moving a task's data takes {seconds(moving_s)}, its work {seconds(work_s)}"
    ),
    "cores": lambda alone_s, work_s: (
        f"Workers share the processors with the broker: a task takes {seconds(work_s)} instead of {seconds(alone_s)}"
    ),
    "overhead": lambda added_s, work_s: (
        f"Celery adds {seconds(added_s)} to a task that works for {seconds(work_s)}"
    ),
    "unknown": lambda: "What holds it back was not measured",
}


def added_sentence(added: Iterable[AddedTime]) -> str:
    """Return what Celery adds to a task, and which tasks are too short for it; empty if that is not known."""
    known = list(added)
    if not known:
        return ""
    first, *others = known
    also = ", ".join(f"{seconds(each.added_s)} with {each.cell.chunk} tasks a message" for each in others)
    alone = "" if (first.cell.chunk or 1) == 1 else f" with {first.cell.chunk} tasks a message"
    return (
        f"Celery adds about {seconds(first.added_s)} to a task here{alone}{f' ({also})' if also else ''}, estimated "
        f"from {first.cell.stage}: it is less than half efficient where a task works for less than that."
    )


def lead(answer: Answer) -> str:
    """Return what to use for each stage, and where slots on other machines would make Celery the fastest."""
    chosen: dict[str, list[str]] = {}
    for stage in answer.stages:
        speedup = (
            "" if stage.fastest_speedup in (None, Estimate(1.0)) else f" ({faster(stage.fastest_speedup)})"
        )
        chosen.setdefault(choice(stage.fastest), []).append(f"{stage.stage}{speedup}")
    use = "; ".join(f"{name} for {listed(stages)}" for name, stages in chosen.items())
    there = [
        f"{each.stage} from {each.wins_from_slots_elsewhere} slots"
        for each in answer.stages
        if each.wins_from_slots_elsewhere is not None
    ]
    said = f" On other machines Celery would be the fastest in {listed(there)} (predicted)." if there else ""
    return f"Use {use}.{said}" if use else ""
