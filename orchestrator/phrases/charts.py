"""The text of the charts: how to read each kind, and one sentence for readers who cannot see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from orchestrator.analysis.hops import HopLedger
from orchestrator.model.findings import Estimate, Verdict
from orchestrator.model.runs import Cell
from orchestrator.phrases.cells import cell_name, in_stage
from orchestrator.phrases.numbers import NONE, number, percent, seconds, times

BREAKEVEN_LEGEND: Final = (
    "How many times as fast Celery's best cell is as its opponent, with the interval at each point; both axes are "
    "logarithmic. Above the line Celery pays. Dashed: where the curve crosses it, with the interval on the line. "
    "Shaded: differences too small to matter."
)
GRANULARITY_LEGEND: Final = (
    "The share of the slots' time that is work, with the interval at each length of a task; 100 % is what the same "
    "slots would do without any overhead. Thick on the line: the length at which a strategy reaches the efficiency "
    "asked for, with the interval. METG, the minimum effective task granularity, is a slot's time for such a task, "
    "overhead included (Slaughter et al., SC 2020). METG grows with the slots that a central scheduler serves, so the "
    "table also shows it per slot."
)
MAP_LEGEND: Final = (
    "The colour shows what finishes a long batch first; both axes are logarithmic. Below the line the best choice on "
    "this machine is first. Above it Celery is, with so many slots on other machines, each with a processor of its "
    "own: the model computes this from the measured overheads. Shaded: the line's interval."
)
HOPS_LEGEND: Final = (
    "How the latency of a task divides into hops, from publishing the task to the return of its output. On the right: "
    "the latency of one task. Queue includes the wait behind other tasks of the batch, and return the wait for the "
    "other tasks of the chunk."
)
SAMPLES_LEGEND: Final = (
    "The makespan of each round against the median of its cell, which is the line in each row: higher took longer. "
    "Drift shows as a slope, an outlier as a peak, and a disturbance of the machine as a change in many rows at once. "
    "On the right: the makespan and half its interval."
)
SCALING_LEGEND: Final = (
    "Tasks per second by number of slots. Points are measured, with their intervals; the thick line with its band is "
    "the fitted scalability law, where there are enough points for one. Dashed: perfect scaling from the first point. "
    "Level: the most that any number of slots can give Celery. COST: the fewest slots with which Celery beats the "
    "opponent."
)


def speedup_legend(margin: float) -> str:
    """Return how to read a chart of speedups."""
    return (
        "How many times as fast each cell is as one thread with the same kernel, with the interval. Shaded: "
        f"differences too small to matter, {percent(margin)} either way."
    )


def verdicts_legend(margin: float) -> str:
    """Return how to read the chart of verdicts."""
    return (
        "How many times as fast Celery's best cell is as its opponent, with the interval. Shaded: differences too "
        f"small to matter, {percent(margin)} either way."
    )


def verdicts_description(verdicts: Sequence[Verdict]) -> str:
    """Return what the chart of verdicts shows."""
    each = (f"{one.subject} against {one.against}: {speed(one)}, {one.verdict}" for one in verdicts)
    return f"Celery's speed against its opponents. {'; '.join(each)}."


def speed(verdict: Verdict) -> str:
    """Return how many times as fast as its opponent Celery is."""
    return times(verdict.ratio.inverse if verdict.ratio else None)


def speedup_caption(versus_serial: bool, left_out: Sequence[Cell]) -> str:
    """Return what a chart of speedups is compared with, if not with serial work, and which cells it leaves out."""
    versus = (
        "" if versus_serial else "No serial cell was measured; compared with the fastest in-process cell."
    )
    names = "; ".join(cell_name(cell, "long") for cell in left_out)
    missing = f"Not shown, because they have no valid figure: {names}." if names else ""
    return f"{versus} {missing}".strip()


def speedup_description(stage: str, versus_serial: bool, shown: Mapping[Cell, Estimate]) -> str:
    """Return what a chart of speedups shows."""
    baseline = "serial work with the same kernel" if versus_serial else "the fastest in-process cell"
    celery = {cell: each for cell, each in shown.items() if cell.distributed}
    fastest = f"Celery's fastest: {_largest(celery)}." if celery else "There is no Celery cell."
    return f"Speedup in {stage} over {baseline}, {len(shown)} cells. Fastest: {_largest(shown)}. {fastest}"


def _largest(speedups: Mapping[Cell, Estimate]) -> str:
    best = max(speedups, key=lambda cell: speedups[cell].point)
    return f"{cell_name(best, 'long')} at {times(speedups[best])}"


def hops_description(ledgers: Sequence[HopLedger]) -> str:
    """Return the two longest hops of each cell."""
    sentences = []
    for ledger in ledgers:
        longest = sorted(ledger.legs, key=lambda leg: -leg.seconds)[:2]
        hops = " and ".join(f"{leg.name} {share(leg.share)}" for leg in longest)
        sentences.append(f"{in_stage(ledger.cell)}: {hops} of {seconds(ledger.latency_s)}.")
    return f"Hops of a Celery task as shares of its latency. {' '.join(sentences)}"


def share(value: float | None) -> str:
    """Return a share of the latency in percent."""
    return NONE if value is None else f"{100 * value:.0f} %"


def samples_caption(reach: float, clipped: bool) -> str:
    """Return the scale of a chart of samples: `reach` times the median is half a row."""
    factor, arrows = number(reach, 2), " An arrow marks a sample beyond that." if clipped else ""
    return f"Half a row up is {factor} times the median; half a row down is the median over {factor}.{arrows}"


def samples_description(stage: str, cell: Cell, round_number: int, factor: float) -> str:
    """Return which sample of a chart lies furthest from its median."""
    return (
        f"Samples of {stage} over the rounds, each against the median of its cell. Furthest from it: "
        f"{cell_name(cell, 'long')} in round {round_number}, {number(factor)} times the median."
    )
