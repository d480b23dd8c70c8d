from dataclasses import replace

import pytest

from orchestrator.analysis.stats.intervals import FEWEST_ROUNDS
from orchestrator.analysis.verdicts.common_shift import Rest
from orchestrator.analysis.verdicts.regressions import changed, compare
from orchestrator.model.environment import Broker, Load, Worker
from orchestrator.model.runs import Cell, Function, Run
from orchestrator.phrases.comparison import reason, refusal
from tests.unit.analysis.made_runs import (
    REDIS,
    SERIAL,
    SERIAL_AGAIN,
    STEADY,
    THREADS,
    result,
    run_at,
    run_of,
    run_of_kernels,
)


def elsewhere(run: Run, **environment: object) -> Run:
    return replace(run, environment=replace(run.environment, **environment))


def word(old: Run, new: Run, cell: Cell = SERIAL) -> str:
    return next(each.change for each in compare(old, new).changes if each.cell == cell)


ALIKE = run_of_kernels()
JOB = Function("jobs:nap", "range(100)", 100, 100, 0.1, 0.99, 10, 10)
NUMPY = (SERIAL, THREADS, REDIS)


@pytest.mark.parametrize(
    ("log_ratio", "error", "p_value", "expected"),
    [
        (0.20, 0.02, 0.001, "regression"),
        (0.20, 0.06, 0.02, "inconclusive"),
        (0.03, 0.001, 0.001, "same"),  # significant, and of no size
        (0.20, 0.20, 1.0, "same"),  # no evidence
        (0.00, 0.02, 1.0, "same"),
        (-0.20, 0.02, 0.001, "improvement"),
    ],
)
def test_a_change_is_significant_and_large_enough(
    log_ratio: float, error: float, p_value: float, expected: str
) -> None:
    assert changed(Rest(log_ratio, error, 14), p_value, 0.05) == expected


def test_one_slower_row_is_a_regression_with_its_ratio_in_the_reason() -> None:
    comparison = compare(ALIKE, run_of_kernels({REDIS: 1.25}))
    words = {each.cell: each.change for each in comparison.changes}
    assert words.pop(REDIS) == "regression"
    assert set(words.values()) == {"same"}
    redis = next(each for each in comparison.changes if each.cell == REDIS)
    assert reason(redis, comparison) == (
        "Celery with numpy on 2 slots (redis, chunk 4) takes 1.25 times as long as before, apart from what "
        "everything changed by (1.19 to 1.32, 95 % interval, 7 rounds against 7)"
    )
    assert comparison.regression


def test_a_slower_kernel_is_one_regression_of_all_its_rows() -> None:
    comparison = compare(ALIKE, run_of_kernels(dict.fromkeys(NUMPY, 1.15)))
    (kernel,) = comparison.groups
    assert (kernel.kernel, kernel.change, kernel.rows) == ("numpy", "regression", 3)
    assert kernel.rest.point == pytest.approx(1.15, rel=0.01)
    assert comparison.regression


def test_a_kernel_is_judged_by_its_serial_row_however_little_the_others_follow() -> None:
    comparison = compare(ALIKE, run_of_kernels({SERIAL: 1.25, THREADS: 1.1, REDIS: 1.02}))
    (kernel,) = comparison.groups
    assert (kernel.kernel, kernel.by_serial) == ("numpy", True)
    assert kernel.rest.point == pytest.approx(1.25, rel=0.01)


def test_a_kernel_without_a_serial_row_is_judged_by_the_middle_of_its_rows() -> None:
    def without_serial(run: Run) -> Run:
        return replace(run, cells=tuple(each for each in run.cells if each.cell.strategy != "serial"))

    slower = run_of_kernels({THREADS: 1.2, REDIS: 1.3})
    (kernel,) = compare(without_serial(ALIKE), without_serial(slower)).groups
    assert (kernel.kernel, kernel.by_serial) == ("numpy", False)
    assert kernel.rest.point == pytest.approx(1.25, rel=0.01)


def test_a_kernel_is_found_by_a_serial_row_that_alone_is_not_sure_among_many_rows() -> None:
    more = {replace(each.cell, chunk=chunk): 1.0 for each in ALIKE.cells[1:] for chunk in range(5, 9)}
    old, new = (
        run_at({each.cell: 1.0 for each in ALIKE.cells} | more | slower) for slower in ({}, {SERIAL: 1.08})
    )
    comparison = compare(old, new)
    assert {each.change for each in comparison.changes if each.cell == SERIAL} == {"inconclusive"}
    assert [each.by_serial for each in comparison.groups] == [True]
    assert comparison.smallest_of_kernel is not None
    assert comparison.smallest is not None
    assert comparison.smallest_of_kernel < 0.08 < comparison.smallest


def test_a_faster_kernel_is_an_improvement() -> None:
    comparison = compare(ALIKE, run_of_kernels(dict.fromkeys(NUMPY, 0.8)))
    assert [each.change for each in comparison.groups] == ["improvement"]
    assert not comparison.regression


def test_a_slower_strategy_is_one_regression_of_its_rows_in_every_kernel() -> None:
    slower = {replace(REDIS, kernel=each.cell.kernel): 1.8 for each in ALIKE.cells}
    rows = [replace(THREADS, strategy="processes", chunk=chunk) for chunk in range(1, 6)]
    more = {replace(row, kernel=each.cell.kernel): 1.0 for each in ALIKE.cells for row in rows}
    old, new = (run_at({each.cell: 1.0 for each in ALIKE.cells} | more | change) for change in ({}, slower))
    (group,) = compare(old, new).groups
    assert (group.row, group.change, group.rows) == (replace(REDIS, stage="", kernel=""), "regression", 12)


def test_what_all_rows_changed_by_is_no_regression() -> None:
    comparison = compare(ALIKE, run_of_kernels(everything=1.5))
    assert {each.change for each in comparison.changes} == {"same"}
    assert comparison.shift is not None
    assert comparison.shift.point == pytest.approx(1.5, rel=0.01)


def test_a_slower_kernel_does_not_hide_in_the_shift_that_it_is_judged_by() -> None:
    slower = dict.fromkeys(NUMPY, 1.3)
    comparison = compare(run_of_kernels(kernels=2), run_of_kernels(slower, kernels=2))
    rest = next(each.rest for each in comparison.changes if each.cell == SERIAL)
    assert rest is not None
    assert rest.point == pytest.approx(1.3, rel=0.02)


def test_the_reference_loop_tells_a_slower_machine_from_a_slower_kernel() -> None:
    def with_reference(run: Run, seconds: float) -> Run:
        return replace(run, loads=tuple(Load(round_, reference_s=seconds) for round_ in range(7)))

    old, new = run_at({SERIAL: 1.0, REDIS: 1.0}), run_at({SERIAL: 1.5, REDIS: 1.5})
    machine, kernel = (compare(with_reference(old, 0.001), with_reference(new, s)) for s in (0.0015, 0.001))
    assert not machine.regression
    assert kernel.regression


def test_one_kernel_and_no_reference_loop_decide_nothing() -> None:
    comparison = compare(run_at({SERIAL: 1.0}), run_at({SERIAL: 2.0}))
    assert comparison.changes[0].change == "inconclusive"
    assert "measure more kernels" in reason(comparison.changes[0], comparison)


def test_kernels_that_scatter_raise_what_a_change_must_exceed() -> None:
    scattered = {
        replace(cell, kernel=f"other-{number}"): 1 + 0.04 * number for number in range(11) for cell in NUMPY
    }
    calm, noisy = (compare(ALIKE, run_of_kernels({REDIS: 1.3, **more})) for more in ({}, scattered))
    assert calm.regression
    assert not noisy.regression
    assert noisy.smallest is not None
    assert calm.smallest is not None
    assert noisy.smallest > 2 * calm.smallest


def test_too_few_rounds_are_inconclusive() -> None:
    few = replace(ALIKE, cells=(result(SERIAL, [9.0] * 4), *ALIKE.cells[1:]))
    comparison = compare(ALIKE, few)
    assert comparison.changes[0].change == "inconclusive"
    assert f"at least {FEWEST_ROUNDS} rounds each" in reason(comparison.changes[0], comparison)


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


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (None, "(images 8 and 12); measure both with --images 8 or 12"),
        (JOB, "(inputs 8 and 12); measure both with --batch 8 or 12"),
    ],
)
def test_batches_of_two_lengths_are_refused_with_the_option_that_makes_them_equal(
    function: Function | None, says: str
) -> None:
    old, new = (
        replace(run, plan=replace(run.plan, images=images, function=function))
        for run in [run_at({SERIAL: 1.0})]
        for images in (8, 12)
    )
    assert (refusal(compare(old, new), across=False) or "").endswith(says)
