from dataclasses import replace

import numpy as np
import pytest

from orchestrator.analysis.verdicts.stopping import LOOKS, enough, half_width, narrow
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import Run
from tests.unit.analysis.made_runs import REDIS, SERIAL, result, run_of


def run_for(rounds: int, noise: float = 0.001, first: int = 0) -> Run:
    """Celery against serial, alternating by `noise`."""
    times = [1.0 + noise * (-1) ** round_ for round_ in range(rounds)]
    run = run_of(result(SERIAL, [1.0] * rounds), result(REDIS, times))
    cells = tuple(
        replace(cell, samples=tuple(replace(each, round=each.round + first) for each in cell.samples))
        for cell in run.cells
    )
    return replace(run, cells=cells)


def test_half_width_is_relative_to_the_middle_of_the_interval() -> None:
    assert half_width(Estimate(1.0, 1 / 1.1, 1.1, 0.95)) == pytest.approx(0.1)
    assert half_width(Estimate(1.0)) == float("inf")
    assert half_width(None) == float("inf")


def test_it_stops_only_at_a_look_and_never_at_the_first() -> None:
    assert [rounds for rounds in range(1, 30) if enough(run_for(rounds), 0.05)] == [10, 14, 20, 27]


def test_it_goes_on_while_an_interval_is_wide() -> None:
    times = np.random.default_rng(1).lognormal(0, 0.5, LOOKS[-1])
    for rounds in LOOKS[:-1]:
        run = run_of(result(SERIAL, [1.0] * rounds), result(REDIS, [float(each) for each in times[:rounds]]))
        assert not enough(run, 0.05)


def test_it_ends_at_the_last_look_whatever_the_width() -> None:
    assert enough(run_for(LOOKS[-1], noise=0.3), 0.001)


def test_one_narrow_look_is_a_lucky_streak() -> None:
    """Wide at 7 rounds, narrow at 10: it goes on to 14."""
    times = [1.0, 1.2, 0.8, 1.2, 0.8, 1.2, 0.8] + [1.0] * 7
    for rounds, expected in ((7, False), (10, False)):
        run = run_of(result(SERIAL, [1.0] * rounds), result(REDIS, times[:rounds]))
        assert enough(run, 0.16) is expected
    assert not narrow(run_of(result(SERIAL, [1.0] * 7), result(REDIS, times[:7])), 0.16)
    assert narrow(run_of(result(SERIAL, [1.0] * 10), result(REDIS, times[:10])), 0.16)


def test_the_ratio_itself_plays_no_part() -> None:
    for factor in (0.5, 1.0, 3.0):
        times = [factor * (1.0 + 0.001 * (-1) ** round_) for round_ in range(10)]
        assert enough(run_of(result(SERIAL, [1.0] * 10), result(REDIS, times)), 0.05)


def test_the_first_round_may_have_any_number() -> None:
    assert enough(run_for(10, first=3), 0.05)


def test_without_verdicts_the_makespans_count() -> None:
    assert narrow(run_of(result(SERIAL, [1.0, 1.01] * 5)), 0.05)
    assert not narrow(run_of(result(SERIAL, [1.0, 2.0] * 5)), 0.05)


@pytest.mark.parametrize("axis", ["size", "chunk"])
def test_every_point_of_a_sweep_must_be_narrow(axis: str) -> None:
    """Narrow at the first point, wide at the others, whose cells no other interval uses."""
    assert enough(swept(axis, [0.001] * 4), 0.05)
    assert not enough(swept(axis, [0.001, 0.001, 0.3, 0.001]), 0.05)


def swept(axis: str, noises: list[float]) -> Run:
    """Return ten rounds at a point for each noise; Celery is better at each next point."""
    results = [result(SERIAL, [1.0] * 10)] if axis == "chunk" else []
    for number, noise in enumerate(noises):
        times = [(2.0 - 0.4 * number) * (1.0 + noise * (-1) ** round_) for round_ in range(10)]
        if axis == "chunk":
            results.append(result(replace(REDIS, chunk=2**number), times[::-1]))
        else:
            size = {"width": 2**number, "height": 2**number}
            results += [result(replace(SERIAL, **size), [1.0] * 10), result(replace(REDIS, **size), times)]
    run = run_of(*results)
    return replace(run, plan=replace(run.plan, axis=axis))  # type: ignore[arg-type]


def test_an_invalid_verdict_needs_no_more_rounds() -> None:
    assert enough(run_of(result(SERIAL, [1.0] * 10), result(REDIS, [1.0, 9.0] * 5, lost=1)), 0.5)


def test_a_run_without_samples_is_not_enough() -> None:
    assert not enough(run_of(), 0.05)
