from dataclasses import replace
from math import ceil

import pytest

from orchestrator.analysis.analyse import analyse
from orchestrator.analysis.queueing.service_demands import bounds
from orchestrator.analysis.scaling.curves import servable_slots
from orchestrator.analysis.scaling.usl import Refusal, Scalability
from orchestrator.model.environment import Load, Worker
from orchestrator.phrases.recommendations import conclusions
from orchestrator.phrases.scaling import bounds_sentence, curve_sentences, gains_sentence, law_sentence
from tests.unit.analysis.made_fleets import (
    CELERY,
    ELSEWHERE,
    SERIAL,
    celery_result,
    fleet_run,
    plain_result,
)

THREADS = replace(SERIAL, strategy="threads")


def test_cells_that_differ_in_slots_only_make_a_curve() -> None:
    threads = [plain_result(replace(THREADS, slots=n), 2.4 / n) for n in (1, 2, 4)]
    again = celery_result(4, cell=replace(CELERY, replica=1))
    run = fleet_run(plain_result(SERIAL, 2.4), *(celery_result(n) for n in (4, 1, 2)), *threads, again)
    found = analyse(run).scaling
    assert [(each.cell.strategy, [p.slots for p in each.points]) for each in found.curves] == [
        ("celery", [1, 2, 4]),
        ("threads", [1, 2, 4]),
    ]
    celery, in_process = found.curves_of("download")
    assert celery.bounds is not None
    assert celery.bounds.slots == 4
    assert in_process.bounds is None
    assert in_process.points[-1].speedup is not None
    assert in_process.points[-1].speedup.point == pytest.approx(4.0)
    assert in_process.points[-1].throughput_per_s.point == pytest.approx(40.0, rel=0.01)
    assert {cost.against for cost in found.costs} == {"serial", "best in-process"}


def test_a_law_is_fitted_only_to_slots_that_the_cores_can_run() -> None:
    waiting = fleet_run(*(celery_result(n) for n in (1, 2, 3, 4, 6, 8)))
    law = analyse(waiting).scaling.curves[0].law
    assert isinstance(law, Scalability)
    assert law.left_out == ()
    computing = fleet_run(*(celery_result(n, cpu_s=0.1) for n in (1, 2, 3, 4, 6, 8)))
    refused = analyse(computing).scaling.curves[0].law
    assert isinstance(refused, Refusal)
    assert refused.kind == "more slots than cores"


def test_servable_slots_are_the_cores_over_the_share_of_time_spent_computing() -> None:
    # a task waits for 98 of about 106.5 ms: two cores serve 25 slots
    result = celery_result(1)
    share = 1 - 24 * 0.098 / result.samples[0].makespan_s
    assert servable_slots([celery_result(4), result], fleet_run(result)) == pytest.approx(2 / share)


def test_a_machine_with_a_share_of_a_core_serves_one_slot() -> None:
    results = [celery_result(n, cpu_s=0.099) for n in (1, 2, 3, 4, 5, 6)]
    workers = [Worker(f"slot1@host{n}", 1, 0.25, "3.13") for n in range(6)]
    run = fleet_run(*results, broker=ELSEWHERE, workers=workers)
    assert servable_slots(results, run) == 6


def test_cells_with_wrong_outputs_make_no_point() -> None:
    bad = celery_result(2)
    bad = replace(bad, samples=tuple(replace(each, wrong=1) for each in bad.samples))
    assert analyse(fleet_run(celery_result(1), bad)).scaling.curves == ()


def test_sentences_name_the_current_limit_and_the_next() -> None:
    run = fleet_run(plain_result(SERIAL, 2.4), *(celery_result(n) for n in (1, 2, 3, 4)))
    (curve,) = analyse(run).scaling.curves
    assert curve.bounds is not None
    text = bounds_sentence(curve.bounds)
    assert text.startswith("on 4 slots Celery is limited by the slots (10")
    assert "then the limit is the cores that all slots share" in text
    assert "one slot does" in law_sentence(curve.law)
    gains, law, limit = curve_sentences([curve])
    assert gains.startswith(
        "from 1 slot to 4 (4.00 times as much at best): Celery with session (redis, chunk 1) does 3.9"
    )
    assert (law, limit) == (law_sentence(curve.law), text)


def test_a_curve_between_other_numbers_of_slots_says_which() -> None:
    threads = [plain_result(replace(THREADS, slots=n), 2.4 / n) for n in (2, 4)]
    celery = [celery_result(n) for n in (1, 2, 8)]
    for results in ([*threads, *celery], [*celery, *threads]):
        assert gains_sentence(analyse(fleet_run(*results)).scaling.curves) == (
            "from 1 slot to 8 (8.00 times as much at best): Celery with session (redis, chunk 1) does 7.79 times as "
            "much (74.2 tasks/s); threads with session do 2.00 times as much from 2 slots to 4 (40.0 tasks/s)."
        )
    assert gains_sentence(analyse(fleet_run(*threads)).scaling.curves) == (
        "from 2 slots to 4 (2.00 times as much at best): threads with session do 2.00 times as much (40.0 tasks/s)."
    )


def test_with_several_celery_curves_each_law_names_its_cell() -> None:
    four = [celery_result(n, cell=replace(CELERY, chunk=4)) for n in (1, 2)]
    run = fleet_run(*(celery_result(n) for n in (1, 2)), *four)
    said = curve_sentences(analyse(run).scaling.curves)
    assert len(said) == 5
    assert said[3].startswith("Celery with session (redis, chunk 4): no scalability law is fitted")


def test_slots_beyond_the_knee_are_not_advised() -> None:
    run = fleet_run(*(celery_result(n, held_s=0.003, cpu_s=0.001) for n in (1, 2, 4)))
    (curve,) = analyse(run).scaling.curves
    assert curve.bounds is not None
    slots = ceil(curve.bounds.knee_slots.point)
    found = bounds(analyse(run).demands(CELERY), slots)
    assert found is not None
    text = bounds_sentence(found)
    assert "would help up to" not in text
    assert "more would hardly help" in text or "more slots would hardly help" in text


def test_beside_other_load_no_bound_is_stated() -> None:
    run = fleet_run(*(celery_result(n) for n in (1, 2, 4)))
    loaded = replace(run, loads=tuple(Load(number, other=0.4) for number in range(7)))
    found = analyse(loaded).scaling
    assert [curve.bounds for curve in found.curves] == [None]
    assert found.ceilings == ()
    assert found.other_load == 0.4
    assert analyse(run).scaling.other_load is None


def test_if_more_slots_do_not_help_the_sentence_names_a_remedy() -> None:
    slow = [celery_result(n, publish_s=0.08, makespan_s=24 * 0.0805 + 0.105) for n in (2, 4)]
    (curve,) = analyse(fleet_run(*slow)).scaling.curves
    assert curve.bounds is not None
    text = bounds_sentence(curve.bounds)
    assert "so more slots would hardly help" in text
    assert "a larger --chunk" in text
    assert law_sentence(curve.law).startswith(
        "no scalability law is fitted to Celery: it was measured on 2 numbers of slots"
    )


def test_a_batch_that_does_not_divide_evenly_among_slots_is_reported() -> None:
    run = fleet_run(*(celery_result(n) for n in (1, 2, 3, 5, 7)))
    run = replace(run, plan=replace(run.plan, axis="slots", images=24))
    said = [text for text in conclusions(analyse(run)) if "does not divide evenly" in text]
    assert [text.split(" slots")[0] for text in said] == [
        "download: a batch of 24 does not divide evenly among 5, 7"
    ]
    whole = fleet_run(*(celery_result(n) for n in (1, 2, 3)))
    assert not any("divide evenly" in text for text in conclusions(analyse(replace(whole, plan=run.plan))))
