"""The verdicts as the terminal has them: a heading a stage, and a line for each baseline of Celery's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from orchestrator.model.findings import Estimate, Verdict, VerdictWord
from orchestrator.phrases.cells import cell_name
from orchestrator.phrases.numbers import evidence, level, number

COLOURS: dict[VerdictWord, str] = {
    "helps": "green",
    "hurts": "red",
    "ties": "yellow",
    "inconclusive": "magenta",
    "invalid": "bold red",
}
DECIDED = ("helps", "hurts", "ties")


def verdict_lines(verdicts: Sequence[Verdict]) -> Iterator[RenderableType]:
    """All verdicts, the stages in the order in which they come; nothing where there are none."""
    if not verdicts:
        return
    yield Text(f"Verdicts on Celery's best cell of each stage{_levels(verdicts)}", style="bold")
    for stage in dict.fromkeys(each.stage for each in verdicts):
        yield from _of_stage(stage, [each for each in verdicts if each.stage == stage])


def _levels(verdicts: Sequence[Verdict]) -> str:
    """How sure the intervals below are; nothing where there are none."""
    shown = level(*(each.ratio for each in verdicts))
    return f" ({shown} intervals)" if shown else ""


def _of_stage(stage: str, verdicts: Sequence[Verdict]) -> Iterator[RenderableType]:
    celery = next((cell_name(each.celery, "prose") for each in verdicts if each.celery is not None), "")
    yield Text.assemble((stage, "bold"), f": {celery}" if celery else "")
    lines = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, show_header=False)
    lines.add_column(min_width=1)
    lines.add_column(no_wrap=True, min_width=5)
    lines.add_column()
    said = {(each.verdict, _said(each)): None for each in verdicts}  # serial may be the best in-process cell
    for word, text in said:
        lines.add_row("", Text(word, style=COLOURS[word]), text)
    yield lines


def _said(verdict: Verdict) -> str:
    """What stands behind the verdict's word; where nothing is decided, the reason in full."""
    if verdict.verdict not in DECIDED or verdict.ratio is None or verdict.versus is None:
        return verdict.reason
    return compared(verdict.ratio, cell_name(verdict.versus, "prose"))


def compared(ratio: Estimate, versus: str) -> str:
    """A ratio of times in words: `1.84 times as long as serial with numpy (1.71 to 1.96)`."""
    fast = ratio.point < 1
    told = ratio.inverse if fast else ratio
    within = "" if told.low is None or told.high is None else f" ({number(told.low)} to {number(told.high)})"
    return f"{number(told.point)} times as {'fast' if fast else 'long'} as {versus}{within}"


def took(ratio: Estimate, rounds: int, than: str) -> str:
    """Return how times compare, from a ratio of times: `took 1.84 times as long as X (...)`."""
    if ratio.point < 1:
        return f"was {number(1 / ratio.point)} times as fast as {than} ({evidence(ratio.inverse, rounds)})"
    return f"took {number(ratio.point)} times as long as {than} ({evidence(ratio, rounds)})"
