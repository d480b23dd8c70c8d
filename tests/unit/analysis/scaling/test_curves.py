from dataclasses import replace

import pytest

from orchestrator.analysis.analyse import analyse
from orchestrator.analysis.scaling.curves import scaling, servable_slots
from orchestrator.analysis.scaling.usl import Refusal, Scalability
from orchestrator.model.environment import Worker
from orchestrator.phrases.conclusions import recommendations
from orchestrator.phrases.scaling import bounds_sentence, curve_sentences, law_sentence
from tests.unit.analysis.made_fleets import (
    CELERY,
    ELSEWHERE,
    SERIAL,
    celery_result,
    fleet_run,
    plain_result,
)

THREADS = replace(SERIAL, strategy="threads")


def test_cells_that_differ_in_slots_alone_make_a_curve() -> None:
    threads = [plain_result(replace(THREADS, slots=n), 2.4 / n) for n in (1, 2, 4)]
    again = celery_result(4, cell=replace(CELERY, replica=1))
    run = fleet_run(plain_result(SERIAL, 2.4), *(celery_result(n) for n in (4, 1, 2)), *threads, again)
    found = scaling(run)
    assert [(each.cell.strategy, [p.slots for p in each.points]) for each in found.curves] == [
        ("celery", [1, 2, 4]),
        ("threads", [1, 2, 4]),
    ]
    celery, in_process = found.of_stage("download")
    assert celery.bounds is not None
    assert celery.bounds.slots == 4
    assert in_process.bounds is None
    assert in_process.points[-1].speedup is not None
    assert in_process.points[-1].speedup.point == pytest.approx(4.0)
    assert in_process.points[-1].throughput_per_s.point == pytest.approx(40.0, rel=0.01)
    assert {cost.against for cost in found.costs} == {"serial", "best in-process"}


def test_a_law_is_fitted_where_the_cores_can_serve_the_slots() -> None:
    waiting = fleet_run(*(celery_result(n) for n in (1, 2, 3, 4, 6, 8)))
    law = scaling(waiting).curves[0].law
    assert isinstance(law, Scalability)
    assert law.left_out == ()
    computing = fleet_run(*(celery_result(n, cpu_s=0.1) for n in (1, 2, 3, 4, 6, 8)))
    refused = scaling(computing).curves[0].law
    assert isinstance(refused, Refusal)
    assert refused.kind == "more slots than cores"


def test_servable_slots_are_the_cores_over_the_share_of_time_that_is_not_waited() -> None:
    # 98 of about 106.5 ms are waited: two cores serve 25 slots
    result = celery_result(1)
    share = 1 - 24 * 0.098 / result.samples[0].makespan_s
    assert servable_slots([celery_result(4), result], fleet_run(result)) == pytest.approx(2 / share)


def test_machines_with_a_share_of_a_core_serve_a_slot_each() -> None:
    results = [celery_result(n, cpu_s=0.099) for n in (1, 2, 3, 4, 5, 6)]
    workers = [Worker(f"slot1@host{n}", 1, 0.25, "3.13") for n in range(6)]
    run = fleet_run(*results, broker=ELSEWHERE, workers=workers)
    assert servable_slots(results, run) == 6


def test_unsound_cells_make_no_point() -> None:
    bad = celery_result(2)
    bad = replace(bad, samples=tuple(replace(each, wrong=1) for each in bad.samples))
    assert scaling(fleet_run(celery_result(1), bad)).curves == ()


def test_sentences_say_what_holds_it_back_and_where_that_moves() -> None:
    run = fleet_run(plain_result(SERIAL, 2.4), *(celery_result(n) for n in (1, 2, 3, 4)))
    (curve,) = scaling(run).curves
    assert curve.bounds is not None
    text = bounds_sentence(curve.bounds)
    assert text.startswith("at 4 slots Celery is held back by the slots (10")
    assert "then it is the cores that all slots share" in text
    assert "one slot does" in law_sentence(curve.law)
    far, law, holds = curve_sentences([curve])
    assert far.startswith(
        "from 1 slot to 4, of 4.00 times at best: Celery with session (redis, chunk 1) does 3.9"
    )
    assert (law, holds) == (law_sentence(curve.law), text)


def test_of_several_ways_to_send_it_is_said_whose_law_it_is() -> None:
    four = [celery_result(n, cell=replace(CELERY, chunk=4)) for n in (1, 2)]
    said = curve_sentences(scaling(fleet_run(*(celery_result(n) for n in (1, 2)), *four)).curves)
    assert len(said) == 5
    assert said[3].startswith("Celery with session (redis, chunk 4): no scalability law is fitted")


def test_a_station_that_more_slots_do_not_help_is_said_with_what_would() -> None:
    slow = [celery_result(n, publish_s=0.08, makespan_s=24 * 0.0805 + 0.105) for n in (2, 4)]
    (curve,) = scaling(fleet_run(*slow)).curves
    assert curve.bounds is not None
    text = bounds_sentence(curve.bounds)
    assert "so more slots do not help" in text
    assert "a larger --chunk" in text
    assert law_sentence(curve.law).startswith("no scalability law is fitted: 2 numbers of slots")


def test_batches_without_whole_turns_are_said() -> None:
    run = fleet_run(*(celery_result(n) for n in (1, 2, 3, 5, 7)))
    run = replace(run, plan=replace(run.plan, axis="slots", images=24))
    said = [text for text in recommendations(analyse(run)) if "no whole turns" in text]
    assert [text.split(" slots")[0] for text in said] == [
        "download: a batch of 24 makes no whole turns on 5, 7"
    ]
    whole = fleet_run(*(celery_result(n) for n in (1, 2, 3)))
    assert not any("whole turns" in text for text in recommendations(analyse(replace(whole, plan=run.plan))))
