"""The map: the border that follows from known overheads, and what it leaves out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.analysis.analyse import analyse
from orchestrator.analysis.scaling.task_map import Border, TaskMap
from orchestrator.model.findings import Answer
from orchestrator.model.runs import Cell, CellResult, MeanHops
from orchestrator.phrases.task_map import map_sentence
from orchestrator.reports.charts import task_map
from tests.unit.analysis.made_fleets import (
    CELERY,
    COLLECT_S,
    OVERHEAD_S,
    PUBLISH_S,
    celery_result,
    fleet_run,
    plain_result,
)

SERIAL = Cell("download", "session", "serial", 1)
THREADS = replace(SERIAL, strategy="threads", slots=2)
TASKS = 24
WORK_S = 0.1  # of a task in the made-up Celery cell
HERE = replace(CELERY, slots=2)


def threads(task_s: float, compute_s: float) -> CellResult:
    """A pool in which a task takes `task_s` of the batch, and `compute_s` of its slot."""
    made = plain_result(THREADS, task_s * TASKS)
    hops = MeanHops(TASKS, compute_s=compute_s, compute_cpu_s=compute_s)
    return replace(made, samples=tuple(replace(sample, hops=hops) for sample in made.samples))


def map_of(*results: CellResult) -> TaskMap:
    (found,) = analyse(fleet_run(plain_result(SERIAL, WORK_S * TASKS), celery_result(2), *results)).task_maps
    return found


def at(found: TaskMap, length_s: float) -> Border:
    return min(found.borders, key=lambda each: abs(each.length_s - length_s))


@pytest.mark.parametrize("length_s", [0.01, 0.1, 1.0])
def test_against_one_thread_the_border_is_the_share_that_a_slots_overhead_adds(length_s: float) -> None:
    border = at(map_of(), length_s)
    assert border.here == "serial"
    assert border.slots is not None
    assert border.slots.point == pytest.approx((length_s + OVERHEAD_S) / length_s, rel=0.05)
    assert (border.slots.low or 0) <= border.slots.point <= (border.slots.high or 0)


def test_tasks_shorter_than_their_publishing_and_collecting_have_no_border() -> None:
    found = map_of()
    assert at(found, 0.5 * (PUBLISH_S + COLLECT_S)).slots is None
    assert at(found, 4 * (PUBLISH_S + COLLECT_S)).slots is not None


def test_threads_that_wait_at_the_same_time_double_the_slots_that_celery_needs() -> None:
    found = map_of(threads(task_s=WORK_S / 2 + 0.001, compute_s=WORK_S))
    long, short = at(found, 1.0), at(found, 0.001)
    assert (long.here, short.here) == ("threads", "serial")
    assert long.slots is not None
    assert long.slots.point == pytest.approx(1.005 / 0.501, rel=0.05)


def test_threads_that_take_turns_are_no_faster_than_one_thread() -> None:
    found = map_of(threads(task_s=WORK_S + 0.001, compute_s=2 * WORK_S))
    assert {border.here for border in found.borders} == {"serial"}


def test_the_stages_own_tasks_are_the_point_and_the_sentence() -> None:
    found = map_of()
    assert found.work_s == pytest.approx(WORK_S, rel=0.05)
    assert map_sentence(found, Answer()) == (
        "A task of download takes 100 ms: one thread finishes first on this machine; Celery would finish first "
        "from 2 slots on other machines (2 to 2), by the model."
    )


def test_the_sentence_says_why_the_answer_has_another_number_of_slots() -> None:
    found = analyse(fleet_run(plain_result(SERIAL, WORK_S * TASKS), celery_result(2)))
    (stage,) = found.answer.stages
    never = Answer((replace(stage, elsewhere="never"),))
    assert map_sentence(found.task_maps[0], never).endswith(
        "from 2 slots on other machines (2 to 2), by the model. The answer says no number of slots: it is about the "
        "batch of this run, which must be 5 % faster than every row, and the map about a long batch and the rows of "
        "this kernel."
    )


def test_a_run_without_celery_has_no_map() -> None:
    run = fleet_run(plain_result(SERIAL, 1.0), threads(0.1, 0.1))
    assert analyse(run).task_maps == ()
    assert task_map.draw(run, analyse(run)) == ()


@pytest.mark.parametrize("strategy", ["asyncio", "vectorized"])
@pytest.mark.parametrize("kernel", ["session", "another"])
def test_there_is_no_map_where_the_best_choice_here_cannot_be_drawn(strategy: str, kernel: str) -> None:
    serial, celery = plain_result(SERIAL, WORK_S * TASKS), celery_result(2)
    cell = replace(SERIAL, strategy=strategy, kernel=kernel, slots=2)
    run = fleet_run(serial, celery, plain_result(cell, 0.1))
    assert analyse(run).task_maps == ()
    assert task_map.draw(run, analyse(run)) == ()
    assert map_of(plain_result(cell, 2 * WORK_S * TASKS)) == map_of()


def test_there_is_no_map_where_the_best_choice_of_its_kernel_cannot_be_drawn() -> None:
    batch = plain_result(replace(SERIAL, strategy="vectorized"), 0.1)
    better = plain_result(replace(SERIAL, kernel="another"), 0.05)
    run = fleet_run(plain_result(SERIAL, WORK_S * TASKS), celery_result(2), batch, better)
    assert analyse(run).task_maps == ()


def test_the_map_has_a_colour_for_each_winner_and_stays_within_its_axes() -> None:
    run = fleet_run(
        plain_result(SERIAL, WORK_S * TASKS), celery_result(2), threads(WORK_S / 2 + 0.001, WORK_S)
    )
    (chart,) = task_map.draw(run, analyse(run))
    rows = [row for data in chart.spec["datasets"].values() for row in data]
    assert {row["name"] for row in rows if "name" in row} == {"one thread", "threads", "Celery"}
    slots = [row["slots"] for row in rows if "slots" in row]
    assert min(slots) >= 1
    assert max(slots) <= task_map.MOST_SLOTS
