"""A cell that fails its tasks is not a fast one; cells that fail the same tasks are comparable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from orchestrator.analysis.analyse import analyse, fastest_cells
from orchestrator.analysis.checks import warnings
from orchestrator.analysis.queueing.prediction import HypotheticalFleet, stage_predictions
from orchestrator.analysis.queueing.service_demands import demands_of
from orchestrator.analysis.scaling.sweep import sweeps
from orchestrator.analysis.verdicts.comparability import comparable, eligible
from orchestrator.analysis.verdicts.recommendations import advice, events_costs
from orchestrator.analysis.verdicts.verdict import verdicts
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import CellResult
from orchestrator.phrases.sweep import sweep_sentence
from orchestrator.phrases.verdicts import reason
from orchestrator.phrases.warnings import warning_text
from orchestrator.reports.html import table_rows
from tests.unit.analysis import made_fleets
from tests.unit.analysis.made_fleets import celery_result, fleet_run, plain_result
from tests.unit.analysis.made_runs import (
    INLINE,
    PROCESSES,
    REDIS,
    SERIAL,
    SERIAL_AGAIN,
    STEADY,
    THREADS,
    result,
    run_of,
)


def failing(whole: CellResult, failed: int | None = None, rounds: Sequence[int] = range(99)) -> CellResult:
    """Return the cell with `failed` tasks, or all, failing at once in these rounds."""
    samples = tuple(
        replace(
            each,
            ok=each.tasks - (each.tasks if failed is None else failed),
            failed=each.tasks if failed is None else failed,
            makespan_s=each.makespan_s / 1e4,
        )
        if each.round in rounds
        else each
        for each in whole.samples
    )
    return replace(whole, samples=samples)


def test_cells_are_comparable_if_each_round_failed_as_many_tasks_and_some_completed() -> None:
    whole, one, other = (result(cell, STEADY) for cell in (SERIAL, THREADS, REDIS))
    assert comparable(whole, one)
    assert comparable(failing(one, 1), failing(other, 1))
    assert not comparable(whole, failing(one, 1))
    assert not comparable(whole, failing(one, 1, rounds=[6]))
    assert not comparable(failing(one), failing(other))


def test_the_cells_that_failed_the_fewest_tasks_are_eligible() -> None:
    whole, one, other = (result(cell, STEADY) for cell in (SERIAL, THREADS, REDIS))
    assert eligible([failing(one), whole, other]) == (whole, other)
    assert eligible([failing(one, 1), failing(other, 1)]) == (failing(one, 1), failing(other, 1))
    assert eligible([failing(one), failing(other)]) == ()


@pytest.mark.parametrize("failed", [None, 4])
def test_a_cell_that_fails_at_once_is_neither_the_baseline_nor_the_fastest(failed: int | None) -> None:
    quick = failing(result(THREADS, STEADY), failed)
    run = run_of(result(SERIAL, [2.0] * 7), quick, result(REDIS, STEADY))
    findings = analyse(run)
    assert findings.versus_best[REDIS].point == pytest.approx(2.0, rel=0.01)
    assert THREADS not in findings.versus_best
    assert THREADS not in findings.versus_serial
    assert findings.fastest == {REDIS}


def test_the_fastest_is_the_verdicts_best_in_process_cell_though_another_seems_faster_in_pairs() -> None:
    slower = result(PROCESSES, [1.001 * each for each in STEADY])
    run = run_of(result(SERIAL, [2.0] * 7), result(THREADS, STEADY), slower, result(REDIS, [3.0] * 7))
    findings = analyse(run)
    (verdict,) = [each for each in findings.verdicts if each.against == "best in-process"]
    in_pairs = {**findings.versus_best, PROCESSES: Estimate(1.0008)}
    assert fastest_cells(run.cells, findings.makespans, in_pairs) == {verdict.versus} == {THREADS}


def test_what_took_no_longer_by_the_makespans_is_as_fast() -> None:
    run = run_of(result(SERIAL, [2.0] * 7), result(THREADS, STEADY), result(PROCESSES, STEADY))
    assert analyse(run).fastest == {THREADS, PROCESSES}


def test_an_input_that_fails_in_every_cell_removes_no_figure() -> None:
    cells = (SERIAL, THREADS, PROCESSES, REDIS)
    findings = analyse(run_of(*(result(cell, STEADY, ok=7, failed=1) for cell in cells)))
    assert findings.versus_best.keys() == findings.versus_serial.keys() == set(cells)
    assert "not compared" not in [each.kind for each in findings.warnings]


def test_a_pair_of_which_one_cell_fails_has_no_noise_floor() -> None:
    run = run_of(result(SERIAL, STEADY), failing(result(SERIAL_AGAIN, STEADY)))
    assert analyse(run).noise_floor is None


def test_tasks_that_a_best_cell_failed_in_the_first_round_make_the_verdict_invalid() -> None:
    quick = failing(result(THREADS, [0.5] * 7), rounds=[0])
    run = run_of(result(SERIAL, [2.0] * 7), quick, result(REDIS, [0.1] * 7), result(INLINE, [0.2] * 7))
    verdict = next(each for each in verdicts(run) if each.against == "best in-process")
    assert verdict.verdict == "invalid"
    assert "threads with numpy on 2 slots 8, so they did not do the same work" in reason(verdict)
    assert "of round 1 and" in reason(verdict)


def test_a_sweep_leaves_out_and_names_the_values_at_which_celery_fails() -> None:
    cells = []
    for side in (32, 64, 128, 256, 512, 1024):
        size = {"width": side, "height": side}
        cells.append(plain_result(replace(made_fleets.SERIAL, **size), 1.0))
        celery = plain_result(replace(made_fleets.CELERY, **size), 2.0)
        cells.append(failing(celery) if side > 256 else celery)
    run = fleet_run(*cells)
    run = replace(run, plan=replace(run.plan, axis="size"))
    sweep = sweeps(run)[0]
    assert sweep.found.kind == "never"
    assert sweep.left_out == (512**2, 1024**2)
    assert sweep_sentence(sweep, run).endswith(
        " Left out, because more tasks failed on one side or outputs were wrong: 512x512, 1024x1024 pixels."
    )
    (warning,) = (each for each in warnings(run) if each.kind == "not compared")
    assert warning_text(warning).message.startswith(
        "2 cells (first download, Celery with session (redis, chunk 1), 512x512)"
    )


def test_slots_that_fail_at_once_are_no_cost_and_no_point_of_a_curve() -> None:
    serial = plain_result(made_fleets.SERIAL, 0.2)
    run = fleet_run(serial, celery_result(1), celery_result(2), failing(celery_result(4)))
    assert all(each.kind != "measured" and each.most_measured == 2 for each in analyse(run).costs["download"])
    (curve,) = analyse(run).scaling.curves
    assert [point.slots for point in curve.points] == [1, 2]


def test_celery_that_fails_more_tasks_than_the_baseline_has_no_cost() -> None:
    serial = plain_result(made_fleets.SERIAL, 0.2)
    run = fleet_run(serial, failing(celery_result(1), 4))
    assert analyse(run).costs["download"] == ()


def test_a_change_to_what_fails_saves_nothing() -> None:
    quick = replace(celery_result(1, cell=replace(made_fleets.CELERY, chunk=4)), startup_s=None)
    run = fleet_run(celery_result(1), failing(quick))
    found = advice(run, "download", demands_of(run))
    assert found is not None
    assert found.savings == ()


def test_events_have_no_cost_if_the_cell_with_them_fails() -> None:
    off, on = replace(REDIS, events="off"), replace(REDIS, events="on")
    assert events_costs(run_of(result(off, STEADY), failing(result(on, STEADY)))) == ()


def test_a_prediction_is_not_compared_with_a_cell_that_fails() -> None:
    run = fleet_run(failing(plain_result(made_fleets.SERIAL, 1.2), 4), celery_result(1), celery_result(2))
    (found,) = stage_predictions(run, run.stages, HypotheticalFleet(4))
    assert (found.versus, found.speedup) == (None, None)


def test_a_cell_without_an_output_is_not_verified() -> None:
    assert failing(result(SERIAL, STEADY)).verified is None
    assert result(SERIAL, STEADY, ok=7, failed=1).verified is True
    assert result(SERIAL, STEADY, wrong=1).verified is False
    assert result(SERIAL, STEADY, ok=0, failed=8, wrong=8).verified is None
    (line,) = table_rows([failing(result(SERIAL, STEADY))], analyse(run_of()))
    assert (line.verified, line.measured) == (None, True)
