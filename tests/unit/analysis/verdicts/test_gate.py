from dataclasses import replace

import numpy as np
import pytest

from orchestrator.analysis.verdicts.gate import FEWEST_ROUNDS, gate, rest_of
from orchestrator.model.runs import Cell, Run, Sample
from orchestrator.phrases.gate import headline
from tests.unit.analysis.made_runs import REDIS, SERIAL, result, run_of

ROUNDS = 40


def times(seed: int, level: float = 1.0, rounds: int = ROUNDS) -> list[float]:
    return list(level * np.exp(0.03 * np.random.default_rng(seed).standard_normal(rounds)))


def version(seed: int, slower: dict[Cell, float] | None = None, rounds: int = ROUNDS) -> Run:
    factors = slower or {}
    cells = (SERIAL, REDIS, replace(REDIS, replica=1))
    return run_of(
        *(
            result(cell, times(10 * seed + number, factors.get(cell, 1.0), rounds))
            for number, cell in enumerate(cells)
        )
    )


BASE = version(0)


def test_equal_versions_are_the_same() -> None:
    found = gate(BASE, version(1))
    assert [each.change for each in found.rows] == ["same", "same"]
    assert not found.regression


def test_a_slower_head_is_a_regression_of_its_row() -> None:
    found = gate(BASE, version(1, {REDIS: 1.2}))
    assert [each.change for each in found.rows] == ["same", "regression"]
    assert found.regression
    ratio = found.rows[1].ratio
    assert ratio is not None
    assert ratio.point == pytest.approx(1.2, rel=0.03)


def test_a_faster_head_is_an_improvement() -> None:
    found = gate(BASE, version(1, {REDIS: 0.8}))
    assert found.rows[1].change == "improvement"
    assert not found.regression


def test_a_change_within_the_margin_does_not_count() -> None:
    head = version(1, {REDIS: 1.2})
    assert not gate(BASE, replace(head, plan=replace(head.plan, margin=0.3))).regression


def slowed_halfway(run: Run) -> Run:
    def slowed(sample: Sample) -> Sample:
        return replace(sample, makespan_s=sample.makespan_s * (3 if sample.round >= ROUNDS // 2 else 1))

    cells = tuple(replace(each, samples=tuple(map(slowed, each.samples))) for each in run.cells)
    return replace(run, cells=cells)


def test_what_slows_both_versions_is_no_regression() -> None:
    found = gate(slowed_halfway(BASE), slowed_halfway(version(1)))
    assert [each.change for each in found.rows] == ["same", "same"]


def test_too_few_rounds_decide_nothing() -> None:
    few = FEWEST_ROUNDS - 1
    found = gate(version(0, rounds=few), version(1, {REDIS: 3.0}, rounds=few))
    assert {each.change for each in found.rows} == {"inconclusive"}
    assert found.smallest is None
    assert (found.judged, gate(BASE, version(1)).judged) == (False, True)


def test_wrong_outputs_of_head_are_invalid_and_count_as_a_regression() -> None:
    found = gate(run_of(result(SERIAL, times(1))), run_of(result(SERIAL, times(2), wrong=1)))
    assert (found.rows[0].change, found.regression) == ("invalid", True)


def test_dependent_rounds_say_less_than_independent_ones() -> None:
    independent = list(0.1 * np.random.default_rng(1).standard_normal(60))
    dependent = sorted(independent)[::2] + sorted(independent, reverse=True)[1::2]
    assert rest_of(dependent).error > 1.5 * rest_of(independent).error


def test_a_row_of_one_version_and_the_a_a_pair_are_left_out() -> None:
    assert [each.cell for each in gate(BASE, version(1)).rows] == [SERIAL, REDIS]
    assert gate(BASE, run_of(result(replace(SERIAL, slots=3), times(1)))).rows == ()


def test_the_headline_names_a_row_that_is_undecided() -> None:
    found = gate(BASE, version(1))
    undecided = replace(found, rows=(found.rows[0], replace(found.rows[1], change="inconclusive")))
    assert headline(found, "jobs:f").startswith("jobs:f is not slower in head; a change of ")
    assert headline(undecided, "jobs:f").startswith(
        "jobs:f is not slower in head in serial, and undecided in celery redis/4; a change of "
    )
    assert headline(replace(found, rows=()), "jobs:f").endswith("nothing was measured")


def test_too_few_rounds_are_undecided_and_more_are_the_remedy() -> None:
    found = gate(version(0, rounds=8), version(1, rounds=8))
    assert "has 8 rounds of both, and 20 are needed; give a larger --budget, more --rounds" in headline(
        found, "jobs:f"
    )
