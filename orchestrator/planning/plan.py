"""From options to a plan, resolved once: when the fleet is known, and before anything is measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import prod
from typing import Final, TypeVar

from orchestrator.analysis.verdicts.stopping import LOOKS
from orchestrator.errors import UsageError
from orchestrator.inputs.source import Source, kind_of
from orchestrator.model.runs import Plan
from orchestrator.planning.cells import Layout, cells_of, comparison_layout, repeated
from orchestrator.planning.load import load_layout, objective_of
from orchestrator.planning.option_checks import parse_size
from orchestrator.planning.options import (
    AUTO,
    BREAKEVEN,
    BUDGET_S,
    EFFICIENCY,
    FUNCTION_BUDGET_S,
    LOAD,
    PROFILES,
    RUN,
    SCALE,
    TARGET_OF_MARGIN,
    Options,
)
from orchestrator.planning.schedule import Limits
from orchestrator.planning.sweeps import (
    EXTRA_ROUNDS,
    breakeven_layout,
    check_chunks,
    scale_layout,
    with_defaults,
)
from worker.remote_control import usable_cpus

T = TypeVar("T")

SLOTS_PER_PROCESSOR: Final = 4  # of the rows with more slots than processors, which suit tasks that wait


def needs_fleet(options: Options) -> bool:
    """Return whether any cell of these options is done by workers."""
    chosen = options if options.command == RUN else with_defaults(options)
    return any(cell.distributed for cell in cells_of(chosen, 1))


def layout_of(options: Options, fleet_slots: int | None = None) -> Layout:
    """Return the cells that the options ask for, with the command's own defaults."""
    return LAYOUTS[options.command](options, fleet_slots)


def resolve(
    options: Options,
    source: Source,
    fleet_slots: int | None = None,
    note: Callable[[str], object] = lambda _: None,
) -> Plan:
    """Settle everything that is measured.

    Args:
        options: as the user gave them, checked by `option_checks.check`.
        source: of the images; a directory may have fewer than are asked for.
        fleet_slots: of an external fleet, `None` where there is none.
        note: takes what a user may not expect of the plan, in a sentence.
    """
    budget_s = _budget_s(options)
    if options.images is None and options.command in (RUN, SCALE):
        options = replace(options, images=source.usual_count)
    layout = layout_of(options, fleet_slots)
    if layout.note is not None:
        note(layout.note)
    options, cells = layout.options, layout.cells
    profile = PROFILES[options.profile]
    images = _first(options.images, profile.images)
    for about_files in (source.skipped(), source.left_out(images), source.lacking(images)):
        if about_files is not None:
            note(about_files)
    if layout.axis == "tasks" and source.count(images) < images:
        raise UsageError(
            f"--axis tasks goes up to {images} tasks, and the source has {source.count(images)} pictures; give "
            f"--to {source.count(images)}"
        )
    if layout.axis == "chunk":
        cells = check_chunks(options, cells, source.count(images), note)
    width, height = _size_of(options)
    auto = options.rounds == AUTO
    plan = Plan(
        profile=options.profile,
        seed=options.seed,
        images=source.count(images),
        width=width,
        height=height,
        slots=layout.slots,
        rounds=LOOKS[-1] if auto else int(options.rounds or profile.rounds),
        warmup=_first(options.warmup, profile.warmup),
        source=options.source if options.tried is None else options.tried.inputs,
        latency_ms=_first(options.latency_ms, profile.latency_ms),
        bandwidth_mbit=profile.bandwidth_mbit if options.bandwidth_mbit is None else options.bandwidth_mbit,
        cells=(*cells, *layout.more, repeated(cells)),
        margin=options.margin,
        arguments=options.arguments,
        target=_first(options.target, TARGET_OF_MARGIN * options.margin) if auto else None,
        budget_s=budget_s,
        axis=layout.axis,
        efficiency=_first(options.efficiency, EFFICIENCY),
        extra_rounds=EXTRA_ROUNDS if layout.axis == "work" else 0,
        function=options.tried,
    )
    if options.command == LOAD:
        # Each sample warms up by itself. The A/A pair is for makespans.
        return replace(
            plan,
            budget_s=None,
            cells=cells,
            rounds=options.load_rounds,
            warmup=0,
            arrivals=options.arrivals,
            duration_s=options.duration_s,
            objective=objective_of(options),
            searched=options.rates == AUTO,
        )
    return plan


def _budget_s(options: Options) -> float | None:
    """The budget that was given, else the usual one unless the rounds were given."""
    if options.sides > 1:  # both sides of a gate have as many rounds
        return None
    if options.tried is not None:
        return _first(options.budget_s, FUNCTION_BUDGET_S)
    if options.budget_s is not None or options.rounds not in (None, AUTO):
        return options.budget_s
    return (
        PROFILES[options.profile].budget_s if options.command == RUN and options.rounds is None else BUDGET_S
    )


def limits_of(options: Options, plan: Plan) -> Limits:
    """Return what a budget may change of a plan: the images, unless the user or a sweep sets their number."""
    fixed = options.images is not None or options.command != RUN
    fewest = max(cell.slots * (cell.chunk or 1) for cell in plan.cells)
    return Limits(None if fixed else min(plan.images, fewest), strict=options.budget_s is not None)


def _comparison_layout(options: Options, fleet_slots: int | None) -> Layout:
    slots = _slots_of(options, fleet_slots)
    profile = PROFILES[options.profile]
    # Each slot has two tasks: where it has one, a slot that is not quick to take it gets none.
    most = min(_first(options.images, profile.images) // 2, SLOTS_PER_PROCESSOR * usable_cpus())
    asked = options.slots or fleet_slots
    most_slots = most if most > max(slots, usable_cpus()) and not asked else None
    width, height = _size_of(options)
    small = profile.small if profile.small and width * height > prod(profile.small) else None
    return comparison_layout(options, slots, most_slots, small, kind_of(options.source) != "origin")


def _size_of(options: Options) -> tuple[int, int]:
    profile = PROFILES[options.profile]
    return parse_size(options.size) if options.size else (profile.width, profile.height)


def _load_layout(options: Options, fleet_slots: int | None) -> Layout:
    return load_layout(options, _slots_of(options, fleet_slots))


def _slots_of(options: Options, fleet_slots: int | None) -> int:
    return _first(options.slots, fleet_slots, PROFILES[options.profile].slots, max(2, min(4, usable_cpus())))


def _first(*values: T | None) -> T:
    return next(value for value in values if value is not None)


LAYOUTS: Mapping[str, Callable[[Options, int | None], Layout]] = {
    RUN: _comparison_layout,
    SCALE: scale_layout,
    BREAKEVEN: breakeven_layout,
    LOAD: _load_layout,
}
