"""Warnings in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.analysis import checks
from orchestrator.model import runs
from orchestrator.model.runs import Run, TaskFailure
from orchestrator.phrases.warnings import WORDS, WarningText, warning_text
from tests.unit.analysis.checks.test_checks import FIRES, RISING, failing, loaded, served, upset
from tests.unit.analysis.made_runs import REDIS, SERIAL, STEADY, THREADS, result, run_of


def warnings(run: Run) -> tuple[WarningText, ...]:
    return tuple(map(warning_text, checks.warnings(run)))


def test_a_negative_hop_takes_less_than_nothing() -> None:
    (warning,) = (
        each for each in warnings(served(queue_s=-0.002, clock_bound_s=0.005)) if each.kind == "clock bound"
    )
    assert "spends less than nothing, within that bound, in queue or return" in warning.message


@pytest.mark.parametrize(
    ("source", "wrong", "blamed"),
    [
        ("http://h/{i}.jpg", {"wrong": 1}, "the source's pictures"),
        ("http://h/{i}.jpg", {"lost": 1}, "dead workers"),
        ("origin", {"wrong": 1}, "dead workers"),
    ],
)
def test_wrong_outputs_of_downloads_from_elsewhere_are_said_of_the_source(source, wrong, blamed) -> None:
    run = run_of(result(replace(SERIAL, stage="download", kernel="session"), STEADY, **wrong))
    run = replace(run, plan=replace(run.plan, source=source))
    (warning,) = (each for each in warnings(run) if each.kind == "unsound")
    assert blamed in warning.remedy


def test_failed_tasks_of_a_function_are_said_of_the_function() -> None:
    of_user = replace(SERIAL, stage="function", kernel="jobs:flaky")
    (warning,) = (
        each
        for each in warnings(run_of(result(of_user, STEADY, ok=7, failed=1)))
        if each.kind == "failed tasks"
    )
    assert warning.remedy.startswith("repair the function, or leave such inputs out, and run again")


def test_a_disturbed_sample_has_its_round_and_cause_and_what_is_left_to_do() -> None:
    (taken_again,) = [each for each in warnings(upset(*range(7))) if each.kind == "disturbed"]
    assert taken_again.message == (
        "1 sample disturbed (grayscale, serial with numpy, round 3: worker slot1@embedded died)"
    )
    assert "nothing to do" in taken_again.remedy
    (missing,) = [each for each in warnings(upset(0, 1, 3, 4, 5, 6)) if each.kind == "disturbed"]
    assert missing.remedy.startswith("round 3 of grayscale, serial with numpy has no figure")


def test_a_disturbed_sample_that_lost_tasks_explains_exit_code_1() -> None:
    run = upset(*range(7))
    (whole,) = run.cells
    lossy = replace(whole, disturbed=tuple(replace(each, lost=2) for each in whole.disturbed))
    (lossy_warning,) = [each for each in warnings(run_of(lossy)) if each.kind == "disturbed"]
    assert lossy_warning.remedy.endswith(
        "but they lost 2 tasks, so the run ends with exit code 1: find out what broke"
    )


def test_messages_that_ran_out_of_time_are_remedied_by_a_smaller_chunk_or_a_longer_limit() -> None:
    run = upset(0, 1, 3, 4, 5, 6)
    timed_out = TaskFailure(3, "TimeLimitExceeded", "TimeLimitExceeded: TimeLimitExceeded(120,)")
    run = replace(run, cells=tuple(replace(each, failures=(timed_out,)) for each in run.cells))
    (warning,) = [each for each in warnings(run) if each.kind == "disturbed"]
    assert "with a smaller --chunk, or raise BREAKEVEN_TASK_TIME_LIMIT_S of the workers" in warning.remedy


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (loaded(other=0.32), "other processes took more than 10 % of the CPU in 1 of 7 rounds, up to 32 %"),
        (loaded(throttled_s=0.5), "a CPU quota held back the orchestrator for 0.5 s in 1 round"),
        (loaded(workers_throttled_s=2.0), "a CPU quota held back workers for 2 s in 1 round"),
        (loaded(mhz=2600.0), "the CPU's mean frequency went from 2600 to 3000 MHz between rounds"),
        (
            run_of(result(SERIAL, RISING), result(THREADS, RISING)),
            "from the first round to the last, times rose by 18 %",
        ),
        (
            run_of(result(REDIS, STEADY, lost=1, ok=7), result(SERIAL, STEADY)),
            "1 cell (grayscale, Celery with numpy on 2 slots (redis, chunk 4)): 7 tasks lost, 0 ended twice, "
            "0 outputs wrong",
        ),
        (
            failing(),
            "7 tasks failed in 1 cell (grayscale, serial with numpy), first with UnidentifiedImageError: "
            "cannot identify image",
        ),
        (
            run_of(result(REDIS, STEADY, slots_seen=1)),
            "fewer slots worked than were asked for in 1 cell "
            "(grayscale, Celery with numpy on 2 slots (redis, chunk 4)): 1 of 2 in the first",
        ),
        (served(beyond_bound=2), "14 of 56 tasks have a hop more negative than the clocks' bound explains"),
    ],
)
def test_a_message_has_the_figures(run: Run, message: str) -> None:
    assert message in [warning.message for warning in warnings(run)]


def test_every_kind_of_warning_has_words() -> None:
    assert {kind for kind, _ in FIRES} == WORDS.keys()


def test_every_warning_has_a_remedy() -> None:
    for _, run in FIRES:
        for warning in warnings(run):
            assert warning.remedy


@pytest.mark.parametrize(
    ("cell", "remedy"),
    [
        (THREADS, "give each slot more work: more --images"),
        (
            REDIS,
            "check whether workers are missing ('orchestrator doctor'), or give each slot more work: more --images",
        ),
    ],
)
def test_the_remedy_names_workers_only_if_there_are_some(cell: runs.Cell, remedy: str) -> None:
    found = warnings(run_of(result(cell, STEADY, slots_seen=1)))
    assert [each.remedy for each in found if each.kind == "slots unseen"] == [remedy]
