"""The answer in words: no ratio below 1, one figure an opponent, a lead that says what to use."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator import results
from orchestrator.analysis.analyse import analyse
from orchestrator.model.findings import Estimate
from orchestrator.phrases.answer import added_sentence, faster
from orchestrator.phrases.headline import answer_text
from tests.unit.analysis.made_fleets import CELERY, SERIAL, celery_result, fleet_run, plain_result

THREADS = replace(SERIAL, strategy="threads", slots=4)


@pytest.mark.parametrize(
    ("speedup", "said"),
    [
        (1.9, "1.90× faster"),
        (2.34, "2.3× faster"),
        (1 / 38, "38× slower"),
        (0.001, "1,000× slower"),
        (1.004, "as fast"),
        (1.0, "as fast"),
    ],
)
def test_a_speedup_is_never_told_as_a_share(speedup: float, said: str) -> None:
    assert faster(Estimate(speedup)) == said


def test_without_a_figure_nothing_is_said() -> None:
    assert faster(None) == ""
    assert added_sentence(()) == ""


def test_the_lead_says_what_to_use_and_where_more_slots_would_win() -> None:
    run = fleet_run(plain_result(SERIAL, 2.4), plain_result(THREADS, 0.5), celery_result(3))
    said = answer_text(analyse(run))
    assert said.headline == "Celery hurts in download"
    assert said.lead == (
        "Use threads for download (4.8× faster). On other machines: Celery would be the fastest for download from 6 "
        "slots (predicted)."
    )


def test_the_result_file_has_the_answer_in_words() -> None:
    run = fleet_run(plain_result(SERIAL, 2.4), plain_result(THREADS, 0.5), celery_result(3))
    (stage,) = results.to_json(run)["answer"]["stages"]
    speedup = stage.pop("fastest_speedup")
    assert set(speedup) == {"point", "low", "high", "level"}
    assert speedup["point"] == pytest.approx(4.8, rel=0.01)
    assert stage == {
        "stage": "download",
        "fastest": "threads, session, 4 slots",
        "verdict": "hurts",
        "wins_from_slots_here": 6,
        "wins_from_slots_elsewhere": 6,
        "because": "a task holds a slot for 5.43 ms beside 100 ms of work",
    }


def test_what_celery_adds_is_called_an_estimate_and_names_its_stage() -> None:
    four = celery_result(2, cell=replace(CELERY, chunk=4))
    said = added_sentence(analyse(fleet_run(plain_result(SERIAL, 2.4), celery_result(2), four)).answer.added)
    assert said.startswith("Celery adds about ")
    assert " with 4 tasks a message), estimated from download. " in said
