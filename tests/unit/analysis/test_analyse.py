import sys
from dataclasses import replace
from pathlib import Path
from subprocess import run as start

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.analysis.analyse import analyse
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import CellResult
from tests.unit.analysis.made_runs import (
    INLINE,
    PROCESSES,
    REDIS,
    SERIAL,
    SERIAL_AGAIN,
    STEADY,
    THREADS,
    result,
    run_at,
    run_of,
)

LOOP = replace(SERIAL, kernel="loop")


def test_makespans_are_of_every_measured_cell() -> None:
    findings = analyse(run_of(result(SERIAL, STEADY), CellResult(REDIS, None)))
    assert {SERIAL} == findings.makespans.keys()
    assert findings.makespans[SERIAL].point == pytest.approx(1.0, abs=0.005)


def test_speedup_over_serial_is_of_the_same_kernel() -> None:
    loops = replace(PROCESSES, kernel="loop")
    findings = analyse(run_at({SERIAL: 1.0, PROCESSES: 0.5, LOOP: 100.0, loops: 50.0}))
    assert findings.versus_serial[loops].point == pytest.approx(2, rel=0.01)
    assert findings.versus_serial[PROCESSES].point == pytest.approx(2, rel=0.01)


def test_speedup_over_the_best_is_over_the_fastest_in_process_cell() -> None:
    findings = analyse(run_at({SERIAL: 1.0, PROCESSES: 0.5, REDIS: 0.25, LOOP: 100.0}))
    assert findings.versus_best[REDIS].point == pytest.approx(2, rel=0.01)
    assert findings.versus_best[SERIAL].point == pytest.approx(0.5, rel=0.01)
    assert findings.versus_best[REDIS].level == 0.953125


def test_a_baseline_is_exactly_once_as_fast_as_itself() -> None:
    findings = analyse(run_at({SERIAL: 1.0, PROCESSES: 0.5, REDIS: 0.25}))
    assert findings.versus_serial[SERIAL] == Estimate(1.0)
    assert findings.versus_best[PROCESSES] == Estimate(1.0)


def test_without_its_baseline_a_cell_has_no_speedup() -> None:
    findings = analyse(run_at({REDIS: 1.0, INLINE: 2.0}))
    assert findings.versus_serial == {}
    assert findings.versus_best == {}


def test_an_incorrect_cell_has_no_speedup_and_is_no_baseline() -> None:
    findings = analyse(
        run_of(result(SERIAL, STEADY, wrong=1), result(THREADS, [2.0] * 7), result(REDIS, STEADY, lost=1))
    )
    assert findings.versus_serial == {}
    assert {THREADS: Estimate(1.0)} == findings.versus_best
    assert findings.makespans.keys() == {SERIAL, THREADS, REDIS}


def test_noise_floor_is_the_ratio_of_the_pair() -> None:
    floor = analyse(run_at({SERIAL: 1.0, SERIAL_AGAIN: 1.1, REDIS: 3.0})).noise_floor
    assert floor is not None
    assert floor.point == pytest.approx(1.1, rel=0.01)
    assert floor.level == 0.953125


def test_of_two_pairs_the_one_further_from_1_is_the_noise_floor() -> None:
    run = run_at({SERIAL: 1.0, SERIAL_AGAIN: 1.1, REDIS: 3.0, replace(REDIS, replica=1): 2.0})
    floor = analyse(run).noise_floor
    assert floor is not None
    assert floor.point == pytest.approx(2 / 3, rel=0.01)


def test_without_a_pair_there_is_no_noise_floor() -> None:
    assert analyse(run_at({SERIAL: 1.0})).noise_floor is None


def test_a_run_with_nothing_in_it_has_no_findings() -> None:
    findings = analyse(run_of())
    assert (findings.makespans, findings.versus_serial, findings.versus_best) == ({}, {}, {})
    assert (findings.verdicts, findings.noise_floor, findings.warnings) == ((), None, ())
    assert (findings.sweeps, findings.scaling.curves, findings.advice, findings.events_costs) == (
        (),
        (),
        {},
        (),
    )


def test_a_single_round_gives_points_alone() -> None:
    findings = analyse(run_at({SERIAL: 1.0, SERIAL_AGAIN: 1.0, THREADS: 0.5, REDIS: 2.0}, STEADY[:1]))
    assert all(each.level is None for each in findings.makespans.values())
    assert {each.verdict for each in findings.verdicts} == {"inconclusive"}
    assert [each.rounds_needed for each in findings.verdicts] == [6, 6]


def test_the_same_run_gives_the_same_findings() -> None:
    run = run_at({SERIAL: 1.0, THREADS: 0.5, REDIS: 2.0, INLINE: 2.1})
    first, second = analyse(run), analyse(run)
    for name in ("makespans", "versus_serial", "versus_best", "fastest", "verdicts", "warnings", "scaling"):
        assert getattr(first, name) == getattr(second, name)


times = st.lists(st.floats(0.1, 10), min_size=0, max_size=8)


@given(st.tuples(times, times, times, times), st.sampled_from([1e-3, 8.0, 1e3]))
def test_any_run_is_analysed_and_only_seconds_know_the_unit(
    cells: tuple[list[float], ...], factor: float
) -> None:
    names = (SERIAL, THREADS, REDIS, INLINE)
    plain = run_of(*(result(name, each) for name, each in zip(names, cells, strict=True)))
    scaled = run_of(
        *(result(name, [factor * t for t in each]) for name, each in zip(names, cells, strict=True))
    )
    findings, others = analyse(plain), analyse(scaled)
    assert findings.makespans.keys() == others.makespans.keys()
    for cell, speedup in findings.versus_serial.items():
        assert others.versus_serial[cell].point == pytest.approx(speedup.point)


def test_analysis_imports_neither_celery_nor_scipy() -> None:
    code = "import sys, orchestrator.analysis.analyse, orchestrator.analysis.verdicts.regressions as c; c.compare; "
    code += "import orchestrator.analysis.verdicts.stopping; "
    code += "print(sorted({'celery', 'scipy', 'redis', 'kombu'} & set(sys.modules)))"
    root = Path(__file__).parents[3]
    done = start([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
