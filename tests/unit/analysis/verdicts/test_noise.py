"""How long a run's noise lasted, and whether the machine changed for good."""

from dataclasses import replace

import pytest

from orchestrator.analysis.verdicts.noise import dependence, step_change
from orchestrator.model.findings import StepChange
from tests.unit.analysis.made_runs import PROCESSES, REDIS, SERIAL, THREADS, result, run_of

STEADY = [1.0, 1.02, 0.98, 1.01, 0.99] * 8
SLOW = [0.01 * (each // 5 % 4) + 1.0 for each in range(40)]
"""A ratio that stays for five rounds."""


def test_dependence_is_the_median_over_the_ratios_to_the_first_cell() -> None:
    run = run_of(
        result(SERIAL, [1.0] * 40),
        result(THREADS, SLOW),
        result(PROCESSES, SLOW[::-1]),
        result(REDIS, STEADY),
    )
    found = dependence(run)
    assert found is not None
    assert (found.pairs, found.rounds) == (3, 40)
    assert found.correlation > 0.7
    assert found.effective == pytest.approx(40 * (1 - found.correlation) / (1 + found.correlation))


def test_what_slows_both_cells_alike_is_no_dependence() -> None:
    both = [a * b for a, b in zip(SLOW, STEADY, strict=True)]
    found = dependence(run_of(result(SERIAL, SLOW), result(REDIS, both)))
    assert found is not None
    assert found.correlation < 0.1


def test_one_cell_has_no_dependence() -> None:
    assert dependence(run_of(result(SERIAL, SLOW))) is None
    assert dependence(run_of(result(SERIAL, SLOW), result(replace(SERIAL, replica=1), SLOW))) is None


def test_a_step_has_the_round_from_which_everything_took_longer() -> None:
    slowed = [each * (1.0 if round_ < 20 else 1.15) for round_, each in enumerate(STEADY)]
    found = step_change(run_of(result(SERIAL, slowed), result(REDIS, [9 * each for each in slowed])))
    assert found == StepChange(20, pytest.approx(1.15, rel=0.01))


def test_a_step_within_the_margin_is_none() -> None:
    slowed = [each * (1.0 if round_ < 20 else 1.15) for round_, each in enumerate(STEADY)]
    assert step_change(run_of(result(SERIAL, slowed), margin=0.2)) is None
