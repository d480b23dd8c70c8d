"""Findings about slots and fleets in words: one or two plain sentences each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from orchestrator.analysis.queueing.bounds import Bounds
from orchestrator.analysis.queueing.stations import Station, StationName
from orchestrator.analysis.scaling.curves import ScalingCurve
from orchestrator.analysis.scaling.usl import Refusal, Scalability
from orchestrator.model.findings import Estimate
from orchestrator.phrases.cells import cell_name
from orchestrator.phrases.numbers import count, interval, number, seconds

STATIONS: Final[dict[StationName, str]] = {
    "slots": "the slots",
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

MOSTLY: Final = 2 / 3
"""From this share of the orchestrator's time on, one half of its work is named alone."""


def station_name(name: StationName, publishing_share: float) -> str:
    """A station as a person says it; of the orchestrator, what its time goes to."""
    if name != "orchestrator":
        return STATIONS[name]
    does = "publishes and takes in answers"
    if publishing_share >= MOSTLY:
        does = "mostly publishes"
    elif publishing_share <= 1 - MOSTLY:
        does = "mostly takes in answers"
    return f"the orchestrator's one thread, which {does}"


def bounds_sentence(found: Bounds) -> str:
    """What holds a cell back now, where that moves, and what it can give at most."""
    now, later = (
        station_name(each, found.publishing_share) for each in (found.bottleneck, found.next_bottleneck)
    )
    at = f"at {count(found.slots, 'slot')} Celery is held back by {now}"
    ceiling = with_interval(found.ceiling_per_s)
    most = f"by the model, no number of slots gives a long batch more than {ceiling} tasks/s"
    demand = demand_phrase(found.stations, found.bottleneck)
    if found.bottleneck == "slots":
        knee = f"about {_whole(found.knee_slots)}"
        return f"{at} ({demand}); more help up to {knee}, then it is {later}; {most}."
    return f"{at} ({demand}), so more slots do not help: {most}. What would: {REMEDIES[found.bottleneck]}."


def law_sentence(found: Scalability | Refusal) -> str:
    """What the Universal Scalability Law says of a curve, or why it says nothing."""
    if isinstance(found, Refusal):
        return f"no scalability law is fitted: {found.reason}."
    text = (
        f"one slot does {with_interval(found.lambda_per_s)} tasks/s; contention {with_interval(found.sigma)}, "
        f"coherency {with_interval(found.kappa)}"
    )
    if found.peak_slots is None:
        return f"{text}: no number of slots is known from which more would give less."
    measured = "measured" if found.peak_slots.point <= max(found.points) else "extrapolated"
    return f"{text}: the most comes from about {with_interval(found.peak_slots)} slots ({measured})."


def curve_sentences(curves: Sequence[ScalingCurve]) -> tuple[str, ...]:
    """What a stage's curves say: how far each got, and of Celery's what holds it and the law."""
    celery = [curve for curve in curves if curve.cell.distributed]
    said = [curves_sentence(curves)] if curves else []
    for curve in celery:
        whose = f"{cell_name(curve.cell, 'prose')}: " if len(celery) > 1 else ""
        said.append(f"{whose}{law_sentence(curve.law)}")
        said += [] if curve.bounds is None else [f"{whose}{bounds_sentence(curve.bounds)}"]
    return tuple(said)


def turns_sentence(images: int, slots: Sequence[int]) -> str:
    """That some slots had nothing to do in the last turn, which is none of their fault."""
    return (
        f"a batch of {images} makes no whole turns on {', '.join(map(str, slots))} slots, so some of them are idle "
        "at its end, which looks like contention; take --images that are a multiple of every number of slots, and "
        "of the chunk"
    )


def curves_sentence(curves: Sequence[ScalingCurve]) -> str:
    """How far each cell of a stage got from its fewest slots to its most, the furthest first."""
    said = []
    for curve in sorted(curves, key=_gain, reverse=True):
        done = curve.points[-1].throughput_per_s.point
        said.append(
            f"{cell_name(curve.cell, 'prose')} does {number(_gain(curve))} times as much ({number(done)} tasks/s)"
        )
    first, last = curves[0].points[0].slots, curves[0].points[-1].slots
    return (
        f"from {count(first, 'slot')} to {last}, of {number(last / first)} times at best: {'; '.join(said)}."
    )


def _gain(curve: ScalingCurve) -> float:
    first, last = curve.points[0], curve.points[-1]
    return last.throughput_per_s.point / first.throughput_per_s.point if first.throughput_per_s.point else 0.0


def with_interval(estimate: Estimate, show: Callable[[float], str] = number) -> str:
    """Return a figure and its interval, if it has one: `12.3 (11.9 to 12.8)`."""
    within = interval(estimate, show, " to ")
    return f"{show(estimate.point)} ({within})" if within else show(estimate.point)


def demand_phrase(stations: tuple[Station, ...], name: StationName) -> str:
    """Return a station's time for one task."""
    station = next(each for each in stations if each.name == name)
    return f"{seconds(station.demand_s)} a task"


def _whole(found: Estimate) -> str:
    """A number of slots with its interval, where that holds more than the number: `5 (4 to 6)`."""
    point = f"{found.point:.0f}"
    if found.low is None or found.high is None or f"{found.low:.0f}" == f"{found.high:.0f}" == point:
        return point
    return f"{point} ({found.low:.0f} to {found.high:.0f})"
