"""METG: found where it is, said to be never or unclear where it is not, and measured again nearby."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.analysis.scaling.granularity import (
    Granularity,
    WorkPoint,
    granularities,
    granularity,
    nearest,
)
from orchestrator.model.environment import Preflight, TaskOverhead
from orchestrator.model.runs import Cell, CellResult, Run
from orchestrator.phrases.granularity import granularity_headline, granularity_sentence, granularity_text
from tests.unit.analysis.made_fleets import fleet_run, plain_result
from tests.unit.analysis.made_runs import STEADY

SERIAL = Cell("spin", "held", "serial", 1)
THREADS = Cell("spin", "held", "threads", 2, chunk=1)
CELERY = Cell("spin", "held", "celery", 2, "redis", 1, "local", pool="prefork")
LENGTHS = tuple(1e-4 * 3**step for step in range(7))
TASKS = 24  # of a made-up sample


def turned(turn: int) -> tuple[float, ...]:
    turn %= len(STEADY)
    return (*STEADY[turn:], *STEADY[:turn])


def swept(cell: Cell, overhead_s: float, parallel: float = 2.0, efficiency: float = 0.5) -> Run:
    """A task takes its length serially; a slot takes 2 / `parallel` of it, and the overhead."""
    results: list[CellResult] = []
    for turn, length in enumerate(LENGTHS):
        slot_s = length * 2 / parallel + overhead_s
        results.append(plain_result(replace(SERIAL, work_s=length), length * TASKS, factors=turned(turn)))
        makespan_s = slot_s * TASKS / cell.slots
        results.append(plain_result(replace(cell, work_s=length), makespan_s, factors=turned(turn + 3)))
    run = fleet_run(*results)
    plan = replace(run.plan, axis="work", efficiency=efficiency, cells=tuple(each.cell for each in results))
    return replace(run, plan=plan)


def only(run: Run) -> Granularity:
    (found,) = granularities(run)
    return found


@given(st.floats(3e-4, 2e-2), st.sampled_from([0.5, 0.8]))
def test_the_length_at_which_an_added_overhead_leaves_the_asked_efficiency_is_found(
    overhead_s: float, efficiency: float
) -> None:
    found = only(swept(CELERY, overhead_s, efficiency=efficiency))
    truth_s = overhead_s * efficiency / (1 - efficiency)
    if not 2 * LENGTHS[0] < truth_s < LENGTHS[-1] / 2:
        return
    assert found.kind == "found"
    assert found.work_s is not None
    assert found.metg_s is not None
    assert found.work_s.point == pytest.approx(truth_s, rel=0.03)
    assert found.metg_s.point == pytest.approx(truth_s / efficiency, rel=0.03)
    assert (found.work_s.low or 0) <= truth_s * 1.01
    assert (found.work_s.high or 0) >= truth_s * 0.99


def test_two_threads_that_take_turns_are_never_half_efficient() -> None:
    found = only(swept(THREADS, 1e-5, parallel=1.0))
    assert (found.kind, found.work_s, found.metg_s) == ("never", None, None)
    assert granularity_text(found).never
    assert granularity_sentence(found) == (
        "threads on 2 slots is significantly more than half efficient at no length of a task up to 72.9 ms."
    )


def test_noise_that_hides_an_efficiency_well_above_the_threshold_is_unclear_and_not_never() -> None:
    run = swept(CELERY, 1e-2, efficiency=0.8)
    wild = tuple(
        replace(
            each,
            samples=tuple(replace(s, makespan_s=s.makespan_s * 2 ** (s.round % 3)) for s in each.samples),
        )
        if each.cell.distributed
        else each
        for each in run.cells
    )
    assert only(replace(run, cells=wild)).kind == "unclear"


def test_a_strategy_that_is_efficient_throughout_has_no_length() -> None:
    found = only(swept(CELERY, 1e-6))
    assert (found.kind, granularity_text(found).never, granularity_text(found).work_s) == (
        "always",
        False,
        None,
    )


def test_too_few_rounds_for_an_interval_are_unclear_and_not_never() -> None:
    run = swept(THREADS, 1e-5, parallel=1.0)
    few = replace(run, cells=tuple(replace(each, samples=each.samples[:3]) for each in run.cells))
    assert only(few).kind == "unclear"
    assert "it is unclear from where on it is half efficient" in granularity_sentence(only(few))


def test_the_lengths_on_either_side_are_measured_again_with_their_serial_cells() -> None:
    run = swept(CELERY, 1.5e-3)
    again = nearest(run)
    assert sorted({cell.work_s for cell in again}) == pytest.approx([LENGTHS[2], LENGTHS[3]])
    assert sorted(cell.strategy for cell in again) == ["celery", "celery", "serial", "serial"]
    assert nearest(swept(CELERY, 1e-6)) == ()


def test_a_run_that_did_not_sweep_the_work_has_none() -> None:
    run = swept(CELERY, 1e-3)
    assert granularities(replace(run, plan=replace(run.plan, axis="tasks"))) == ()


def test_the_headline_says_how_long_a_task_must_be() -> None:
    said = granularity_headline(granularities(swept(CELERY, 1.5e-3)))
    assert said is not None
    assert said[0].startswith("A task must take 1.5")
    assert "for Celery to be half efficient here (1.4" in said[0]


def test_the_headline_without_celery_is_about_what_was_measured() -> None:
    assert granularity_headline(granularities(swept(THREADS, 1e-5, parallel=1.0))) == (
        "threads are never half efficient here with the tasks that were measured",
        "",
    )
    assert granularity_headline(()) is None


def test_the_preflight_knows_the_overhead_of_a_cell_whatever_its_work() -> None:
    preflight = Preflight(1e-7, overheads=(TaskOverhead("celery", 2, "redis", 1, "prefork", 1e-3),))
    assert preflight.overhead_s(replace(CELERY, work_s=0.1)) == 1e-3
    assert preflight.overhead_s(replace(CELERY, chunk=4)) is None


def test_medians_that_do_not_follow_the_ratios_of_the_rounds_are_unclear() -> None:
    below = WorkPoint(
        replace(THREADS, work_s=1.0),
        dict(enumerate((3.4, 0.5, 0.5, 0.8, 0.4, 2.3, 1.4, 2.8, 0.3, 0.8))),
        dict(enumerate((12.8, 1.2, 1.4, 2.0, 2.3, 5.8, 4.9, 5.8, 0.8, 1.7))),
    )
    above = WorkPoint(
        replace(THREADS, work_s=3.0),
        dict(enumerate((5.1, 0.2, 0.5, 2.4, 0.5, 4.6, 2.2, 0.3, 0.1, 1.4))),
        dict(enumerate((7.8, 0.3, 0.5, 3.9, 0.6, 5.3, 3.7, 0.3, 0.1, 4.2))),
    )
    assert (below.side(0.5), above.side(0.5)) == (-1, 1)
    assert granularity(THREADS, (below, above), 0.5).kind == "unclear"
