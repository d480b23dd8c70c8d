from dataclasses import replace

import pytest

from orchestrator.analysis.verdicts.regressions import changed, compare
from orchestrator.model.environment import Broker, Worker
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import Cell, Run
from orchestrator.phrases.comparison import reason, refusal
from tests.unit.analysis.made_runs import REDIS, SERIAL, SERIAL_AGAIN, STEADY, THREADS, result, run_at, run_of


def elsewhere(run: Run, **environment: object) -> Run:
    return replace(run, environment=replace(run.environment, **environment))


def word(old: Run, new: Run, cell: Cell = SERIAL) -> str:
    return next(each.change for each in compare(old, new).changes if each.cell == cell)


@pytest.mark.parametrize(
    ("point", "low", "high", "expected"),
    [
        (1.2, 1.1, 1.3, "regression"),
        (1.2, 0.99, 1.3, "inconclusive"),
        (1.03, 1.01, 1.08, "inconclusive"),
        (1.03, 1.01, 1.04, "same"),
        (1.0, 0.9, 1.1, "inconclusive"),
        (0.8, 0.7, 0.9, "improvement"),
    ],
)
def test_a_change_is_significant_and_large_enough(
    point: float, low: float, high: float, expected: str
) -> None:
    assert changed(Estimate(point, low, high, 0.95), 0.05) == expected


def test_a_slower_cell_is_a_regression_with_its_ratio_in_the_reason() -> None:
    comparison = compare(run_at({SERIAL: 1.0, REDIS: 1.0}), run_at({SERIAL: 1.0, REDIS: 1.2}))
    serial, redis = comparison.changes
    assert (serial.change, redis.change) == ("same", "regression")
    assert reason(redis, comparison) == (
        "Celery with numpy on 2 slots (redis, chunk 4) takes 1.20 times as long as before "
        "(1.18 to 1.22, 95 % interval, 7 rounds against 7)"
    )
    assert comparison.regression


def test_a_faster_cell_is_an_improvement() -> None:
    comparison = compare(run_at({SERIAL: 1.2}), run_at({SERIAL: 1.0}))
    assert comparison.changes[0].change == "improvement"
    assert not comparison.regression


def test_a_run_is_the_same_as_itself() -> None:
    run = run_at({SERIAL: 1.0, REDIS: 2.0})
    assert {each.change for each in compare(run, run).changes} == {"same"}
    assert compare(run, run).shift == 1.0


def test_too_few_rounds_are_inconclusive() -> None:
    comparison = compare(run_at({SERIAL: 1.0}), run_of(result(SERIAL, [9.0] * 4)))
    assert comparison.changes[0].change == "inconclusive"
    assert "at least 5 rounds each" in reason(comparison.changes[0], comparison)


def test_a_change_within_the_noise_floor_does_not_count() -> None:
    old = run_at({SERIAL: 1.0, SERIAL_AGAIN: 1.3})
    assert word(old, run_at({SERIAL: 1.2})) == "same"
    assert word(run_at({SERIAL: 1.0}), run_at({SERIAL: 1.2})) == "regression"
    assert compare(old, old).threshold == pytest.approx(0.3, abs=0.02)


def test_the_second_of_the_pair_is_not_compared() -> None:
    run = run_at({SERIAL: 1.0, SERIAL_AGAIN: 1.0})
    assert [each.cell for each in compare(run, run).changes] == [SERIAL]


def test_cells_of_one_run_alone_are_listed() -> None:
    comparison = compare(run_at({SERIAL: 1.0, THREADS: 1.0}), run_at({SERIAL: 1.0, REDIS: 1.0}))
    assert (comparison.only_old, comparison.only_new) == ((THREADS,), (REDIS,))


def test_lost_tasks_are_invalid_and_count_as_a_regression() -> None:
    comparison = compare(run_at({SERIAL: 1.0}), run_of(result(SERIAL, STEADY, lost=1)))
    assert comparison.changes[0].change == "invalid"
    assert "in the new run" in reason(comparison.changes[0], comparison)
    assert comparison.regression


def test_tasks_that_failed_in_one_run_alone_are_invalid() -> None:
    assert word(run_at({SERIAL: 1.0}), run_of(result(SERIAL, STEADY, ok=7, failed=1))) == "invalid"


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"python": "3.14.0"}, "Python 3.13.1 and 3.14.0"),
        ({"packages": {"celery": "5.7.0"}}, "celery 5.6.0 and 5.7.0"),
        ({"broker": Broker("redis", "8.0", True)}, "broker None and redis 8.0"),
        ({"workers": (Worker("w@h", 2, 2, "3.13.1"),)}, "workers None and 2 slots of 2 CPUs"),
    ],
)
def test_another_machine_or_version_is_refused_without_across(
    environment: dict[str, object], words: str
) -> None:
    old = run_at({SERIAL: 1.0, REDIS: 1.0})
    comparison = compare(old, elsewhere(old, **environment))
    refused = refusal(comparison, across=False)
    assert refused is not None
    assert words in refused
    assert "--across" in refused
    assert refusal(comparison, across=True) is None
    assert all(words in reason(each, comparison) for each in comparison.changes)


def test_the_processor_counts_as_the_machine() -> None:
    run = run_at({SERIAL: 1.0})
    cpu = run.environment.cpu
    for other in (replace(cpu, model="another"), replace(cpu, usable=1)):
        assert refusal(compare(run, elsewhere(run, cpu=other)), across=False) is not None


def test_workers_with_and_without_task_events_differ() -> None:
    run = run_at({SERIAL: 1.0})
    one, other = (elsewhere(run, workers=(Worker("a@h", 2, 2, "3.13.1", events=on),)) for on in (True, False))
    assert "workers' task events on and off" in (refusal(compare(one, other), across=False) or "")


def test_a_workers_name_is_no_difference() -> None:
    run = run_at({SERIAL: 1.0})
    one, other = (elsewhere(run, workers=(Worker(name, 2, 2, "3.13.1"),)) for name in ("a@h", "b@h"))
    assert compare(one, other).differences == ()


@pytest.mark.parametrize(
    "plan", [{"seed": 8}, {"images": 9}, {"width": 65}, {"source": "elsewhere"}, {"latency_ms": 5.0}]
)
def test_other_work_is_never_compared(plan: dict[str, object]) -> None:
    old = run_at({SERIAL: 1.0})
    new = replace(old, plan=replace(old.plan, **plan))
    assert "did not do the same work" in (refusal(compare(old, new), across=True) or "")
