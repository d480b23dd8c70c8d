from dataclasses import replace

import numpy as np
import pytest

from orchestrator.analysis.verdicts.gate import FEWEST_ROUNDS, gate, rest_of
from orchestrator.model.runs import Cell, Run
from tests.unit.analysis.made_runs import REDIS, SERIAL, result, run_of

ROUNDS = 40


def times(seed: int, level: float = 1.0, rounds: int = ROUNDS) -> list[float]:
    return list(level * np.exp(0.03 * np.random.default_rng(seed).standard_normal(rounds)))


def gated(slower: dict[Cell, float], rounds: int = ROUNDS) -> Run:
    results = []
    for seed, cell in enumerate((SERIAL, REDIS)):
        results.append(result(cell, times(2 * seed, rounds=rounds)))
        head = replace(cell, replica=1)
        results.append(result(head, times(2 * seed + 1, slower.get(cell, 1.0), rounds)))
    return run_of(*results)


def test_equal_versions_are_the_same() -> None:
    found = gate(gated({}))
    assert [each.change for each in found.rows] == ["same", "same"]
    assert not found.regression


def test_a_slower_head_is_a_regression_of_its_row() -> None:
    found = gate(gated({REDIS: 1.2}))
    assert [each.change for each in found.rows] == ["same", "regression"]
    assert found.regression
    ratio = found.rows[1].ratio
    assert ratio is not None
    assert ratio.point == pytest.approx(1.2, rel=0.03)


def test_a_faster_head_is_an_improvement() -> None:
    found = gate(gated({REDIS: 0.8}))
    assert found.rows[1].change == "improvement"
    assert not found.regression


def test_a_change_within_the_margin_does_not_count() -> None:
    run = gated({REDIS: 1.2})
    assert not gate(replace(run, plan=replace(run.plan, margin=0.3))).regression


def test_what_slows_both_versions_is_no_regression() -> None:
    run = gated({})
    slow = replace(
        run,
        cells=tuple(
            replace(
                each,
                samples=tuple(
                    replace(sample, makespan_s=sample.makespan_s * (3 if sample.round >= ROUNDS // 2 else 1))
                    for sample in each.samples
                ),
            )
            for each in run.cells
        ),
    )
    assert [each.change for each in gate(slow).rows] == ["same", "same"]


def test_too_few_rounds_decide_nothing() -> None:
    found = gate(gated({REDIS: 3.0}, rounds=FEWEST_ROUNDS - 1))
    assert {each.change for each in found.rows} == {"inconclusive"}
    assert found.smallest is None


def test_wrong_outputs_of_head_are_invalid_and_count_as_a_regression() -> None:
    head = replace(SERIAL, replica=1)
    found = gate(run_of(result(SERIAL, times(1)), result(head, times(2), wrong=1)))
    assert (found.rows[0].change, found.regression) == ("invalid", True)


def test_dependent_rounds_say_less_than_independent_ones() -> None:
    independent = list(0.1 * np.random.default_rng(1).standard_normal(60))
    dependent = sorted(independent)[::2] + sorted(independent, reverse=True)[1::2]
    assert rest_of(dependent).error > 1.5 * rest_of(independent).error


def test_a_cell_without_a_head_is_left_out() -> None:
    assert gate(run_of(result(SERIAL, times(1)))).rows == ()
