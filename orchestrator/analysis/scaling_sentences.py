"""Findings about slots, sizes and fleets in words: one or two plain sentences each."""

from __future__ import annotations

from math import sqrt
from typing import Final

from orchestrator.analysis.bounds import Bounds
from orchestrator.analysis.crossing import BreakEven, Crossing
from orchestrator.analysis.prediction import Prediction
from orchestrator.analysis.scaling import ScalingCurve
from orchestrator.analysis.sentences import count, describe, figure
from orchestrator.analysis.sweeping import Sweep
from orchestrator.analysis.system import Station, StationName
from orchestrator.analysis.usl import Refusal, Scalability
from orchestrator.model import Estimate, Run

STATIONS: Final[dict[StationName, str]] = {
    "slots": "the slots",
    "orchestrator": "the orchestrator's one thread, which publishes and takes in",
    "broker": "the broker",
    "payload": "moving payloads",
    "cpu": "the cores that all slots share",
    "window": "how many messages may be under way at once",
}

REMEDIES: Final[dict[StationName, str]] = {
    "slots": "more slots",
    "orchestrator": "a larger --chunk, or --data resident where the data may stay away",
    "broker": "a larger --chunk, or payloads beside the broker (--transport files)",
    "payload": "--data resident, a faster network, or smaller payloads",
    "cpu": "workers on other machines",
    "window": "a larger --chunk",
}


def bounds_sentence(found: Bounds) -> str:
    """What holds a cell back now, where that moves, and what it can give at most."""
    now, later = STATIONS[found.bottleneck], STATIONS[found.next_bottleneck]
    demand = _demand(found.stations, found.bottleneck)
    most = f"{interval(found.ceiling_per_s)} tasks/s"
    if found.bottleneck == "slots":
        return (
            f"At {count(found.slots, 'slot')} {now} hold it back ({demand}). From about "
            f"{interval(found.knee_slots)} slots on it would be {later}; more than {most} no number of slots gives."
        )
    return (
        f"At {count(found.slots, 'slot')} {now} holds it back ({demand}), so more slots do not help: {most} is the "
        f"most. What would: {REMEDIES[found.bottleneck]}."
    )


def law_sentence(found: Scalability | Refusal) -> str:
    """What the Universal Scalability Law says of a curve, or why it says nothing."""
    if isinstance(found, Refusal):
        return f"No scalability law is fitted: {found.reason}."
    text = (
        f"One slot does {interval(found.lambda_per_s)} tasks/s; contention {interval(found.sigma)}, coherency "
        f"{interval(found.kappa)}"
    )
    if found.peak_slots is None:
        return f"{text}: no number of slots is known from which more would give less."
    measured = "measured" if found.peak_slots.point <= max(found.points) else "extrapolated"
    return f"{text}: the most comes from about {interval(found.peak_slots)} slots ({measured})."


def curve_sentence(curve: ScalingCurve) -> str:
    """How far a cell got from its fewest slots to its most."""
    first, last = curve.points[0], curve.points[-1]
    gain = last.throughput_per_s.point / first.throughput_per_s.point
    times = last.slots / first.slots
    return (
        f"{describe(first.cell)}: from {count(first.slots, 'slot')} to {last.slots} it does {figure(gain)} times as "
        f"much ({figure(last.throughput_per_s.point)} tasks/s), of {figure(times)} at best."
    )


def sweep_sentence(sweep: Sweep, run: Run) -> str:
    """Whether, and from where, Celery pays on a swept axis."""
    found, stage = sweep.found, sweep.stage
    who = "the best in-process" if sweep.against == "best in-process" else "serial"

    def named(at: float) -> str:
        return place_name(sweep, run, at)

    tested = f"{named(found.low)} to {named(found.high)}"
    if found.kind == "always":
        return f"{stage}: Celery beats {who} wherever it was tested, {tested}{_unsure(found, sweep, run)}."
    if found.kind == "never":
        return f"{stage}: Celery never beats {who} in the tested range, {tested}{_unsure(found, sweep, run)}."
    if found.kind == "undecided":
        return (
            f"{stage}: from {tested} no difference between Celery and {who} could be shown; measure more rounds, or "
            "a wider range."
        )
    parts = [
        f"{'from' if each.pays_above else 'up to'} {named(each.at)} ({_ends(each, sweep, run)})"
        for each in found.crossings
    ]
    several = "; it crosses more than once, so look at the curve" if found.kind == "several" else ""
    return f"{stage}: Celery beats {who} {', '.join(parts)}, tested {tested}{several}."


def place_name(sweep: Sweep, run: Run, at: float) -> str:
    """A place on the axis as a person says it: an image size of the shape that was swept, a latency, a chunk."""
    if sweep.axis == "pixels":
        cell = sweep.celery[0]
        shape = (cell.width or run.plan.width) / (cell.height or run.plan.height)
        return f"{sqrt(at * shape):.0f}x{sqrt(at / shape):.0f} pixels"
    return f"{at:.3g} ms of latency" if sweep.axis == "latency_ms" else f"chunk {at:.3g}"


def prediction_sentence(found: Prediction) -> str:
    """What another fleet would take, and what would hold it back."""
    made = found.makespan_s
    spread = (
        "" if made.low is None or made.high is None else f" ({_seconds(made.low)} to {_seconds(made.high)})"
    )
    batch = f"{count(found.tasks, 'task')}, {figure(found.throughput_per_s.point)} tasks/s"
    return (
        f"{found.cell.stage}: predicted, not measured: {describe(found.cell)} would take "
        f"{_seconds(made.point)}{spread} for {batch}. What holds a long batch "
        f"back is {STATIONS[found.bottleneck]} ({_demand(found.stations, found.bottleneck)}), at "
        f"{figure(found.sustained_per_s)} tasks/s; slots without end would give {figure(found.ceiling_per_s)}."
    )


def interval(found: Estimate) -> str:
    """A figure with its interval: `12.3 (11.9 to 12.8)`."""
    if found.low is None or found.high is None:
        return figure(found.point)
    return f"{figure(found.point)} ({figure(found.low)} to {figure(found.high)})"


def _demand(stations: tuple[Station, ...], name: StationName) -> str:
    station = next(each for each in stations if each.name == name)
    return f"{1e3 * station.demand_s:.3g} ms of it a task"


def _ends(found: Crossing, sweep: Sweep, run: Run) -> str:
    level = f"{100 * found.level:.0f} % interval"
    if found.low is None and found.high is None:
        return f"{level}: anywhere in the range"
    if found.low is None:
        return (
            f"{level}: up to {place_name(sweep, run, found.high or 0.0)}, and perhaps below the tested range"
        )
    if found.high is None:
        return f"{level}: from {place_name(sweep, run, found.low)}, and perhaps beyond the tested range"
    return f"{level}: {place_name(sweep, run, found.low)} to {place_name(sweep, run, found.high)}"


def _unsure(found: BreakEven, sweep: Sweep, run: Run) -> str:
    if not found.unsure:
        return ""
    parts = [f"{place_name(sweep, run, low)} to {place_name(sweep, run, high)}" for low, high in found.unsure]
    return f"; one cannot tell at {', '.join(parts)}"


def _seconds(seconds: float) -> str:
    return f"{figure(seconds)} s" if seconds >= 1 else f"{1e3 * seconds:.3g} ms"
