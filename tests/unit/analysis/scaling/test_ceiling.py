from dataclasses import replace

import pytest

from orchestrator.analysis.queueing.service_demands import demands_of
from orchestrator.analysis.scaling.ceiling import Ceiling, ceilings
from orchestrator.model.runs import CellResult, Sample
from orchestrator.phrases.scaling import ceiling_sentence
from tests.unit.analysis.made_fleets import (
    CELERY,
    COLLECT_S,
    ELSEWHERE,
    PUBLISH_S,
    celery_result,
    fleet_run,
)

MESSAGE_S = PUBLISH_S + COLLECT_S
FOUR = replace(CELERY, chunk=4)


def with_cpu(result: CellResult, message_s: float, task_s: float) -> CellResult:
    """The cell with measured CPU times: the workers' of each message and of each task; the orchestrator needs 1 us."""
    samples = []
    for each in result.samples:
        assert each.stations is not None
        worker_s = each.stations.messages * message_s + each.tasks * task_s
        times = replace(each.stations, worker_cpu_s=worker_s, orchestrator_cpu_s=1e-6, broker_cpu_s=0.0)
        samples.append(replace(each, stations=times))
    return replace(result, samples=tuple(samples))


def found(*results: CellResult) -> Ceiling | None:
    run = fleet_run(*results)
    return next(iter(ceilings(run, demands_of(run))), None)


def test_one_chunk_gives_a_ceiling_for_that_chunk() -> None:
    ceiling = found(*(celery_result(n, cpu_s=0.0, broker_s=0.0, held_s=0.01) for n in (1, 2)))
    assert ceiling is not None
    assert not ceiling.any_chunk
    assert "on any number of slots with 1 task a message" in ceiling_sentence(ceiling)


def test_two_chunks_tell_what_a_task_costs_however_many_share_a_message() -> None:
    # 4 ms of computing a message and 1 ms a task: on two cores no chunk does more than 2,000 a second.
    one = with_cpu(celery_result(2, cpu_s=0.001), 0.004, 0.001)
    four = with_cpu(celery_result(2, cpu_s=0.001, cell=FOUR), 0.004, 0.001)
    ceiling = found(one, four)
    assert ceiling is not None
    assert ceiling.any_chunk
    assert ceiling.limited_by == "cpu"
    assert ceiling.per_s.point == pytest.approx(2 / 0.001, rel=0.01)
    assert "with any chunk" in ceiling_sentence(ceiling)


def test_a_ceiling_is_asserted_only_if_more_slots_and_a_larger_chunk_were_measured() -> None:
    results = [
        with_cpu(celery_result(slots, held_s=0.001, cpu_s=0.001, cell=cell), 0.0, 0.001)
        for slots in (1, 8)
        for cell in (CELERY, FOUR)
    ]
    few, many = found(*results[:2]), found(*results)
    assert few is not None
    assert many is not None
    assert (few.tried, many.tried) == (False, True)
    assert ceiling_sentence(few).startswith("about ")
    assert ceiling_sentence(many).startswith("no more than ")
    assert "with up to 8 slots and 4 tasks a message nothing gave more" in ceiling_sentence(many)


def test_a_ceiling_that_a_measurement_beats_is_not_stated() -> None:
    slow = celery_result(2, tasks=24, cpu_s=0.02)
    quick = celery_result(4, tasks=24, cpu_s=0.02, makespan_s=0.01)
    assert found(slow) is not None
    assert found(slow, quick) is None


ONE, MANY = celery_result(2, broker_s=0.0), celery_result(2, broker_s=0.0, cell=FOUR)
HALF = tuple(
    each if each.round % 2 else replace(each, stations=replace(each.stations, publish_s=24 * PUBLISH_S))
    for each in MANY.samples
    if each.stations is not None
)


@pytest.mark.parametrize("samples", [MANY.samples, HALF], ids=["every", "some"])
def test_without_a_limit_in_every_round_there_is_no_ceiling(samples: tuple[Sample, ...]) -> None:
    # A message costs as much whatever its chunk. The cores of other machines are unknown, so a task costs nothing more.
    run = fleet_run(ONE, replace(MANY, samples=samples), broker=ELSEWHERE)
    assert ceilings(run, demands_of(run)) == ()


def test_chunks_without_a_common_round_have_no_ceiling() -> None:
    assert found(replace(ONE, samples=ONE.samples[:3]), replace(MANY, samples=MANY.samples[3:])) is None


def test_without_hops_there_is_no_ceiling() -> None:
    assert found(replace(ONE, samples=tuple(replace(each, hops=None) for each in ONE.samples))) is None
