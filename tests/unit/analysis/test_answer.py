"""The three answers follow from the findings: each verdict word, each reason and each kind of COST."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

import pytest

from orchestrator.analysis.analyse import analyse
from orchestrator.model.environment import Load, TaskOverhead
from orchestrator.model.findings import Answer, Estimate, Reason, StageAnswer
from orchestrator.model.runs import CellResult, Function, Run
from orchestrator.phrases.answer import REASONS, because, elsewhere_sentence
from tests.unit.analysis.made_fleets import CELERY, PREFLIGHT, SERIAL, celery_result, fleet_run, plain_result
from tests.unit.analysis.made_runs import HOPS, STEADY

THREADS = replace(SERIAL, strategy="threads", slots=2)
VECTORIZED = replace(SERIAL, strategy="vectorized")
TWO = replace(CELERY, slots=2)
WILD = (0.5, 1.5, 0.7, 1.4, 0.6, 1.3, 0.9)


def answer_of(*results: CellResult) -> Answer:
    return analyse(fleet_run(*results)).answer


def stage_of(*results: CellResult) -> StageAnswer:
    (stage,) = answer_of(*results).stages
    return stage


def hopped(makespan_s: float, factors: Sequence[float] = STEADY, **hops: float) -> CellResult:
    """Celery on 2 slots, whose tasks spent these seconds, without station times."""
    plain = plain_result(TWO, makespan_s, factors=factors)
    spent = replace(HOPS, **{"fetch_s": 0.0, "store_s": 0.0, "compute_s": 0.01, **hops})
    return replace(plain, samples=tuple(replace(each, hops=spent) for each in plain.samples))


def test_what_to_use_is_the_fastest_with_its_speedup_over_one_thread() -> None:
    stage = stage_of(plain_result(SERIAL, 2.4), plain_result(THREADS, 1.2), hopped(3.0))
    assert stage.fastest == THREADS
    assert stage.fastest_speedup is not None
    assert stage.fastest_speedup.point == pytest.approx(2.0, rel=0.02)
    assert stage.celery_speedup is not None
    assert stage.celery_speedup.point == pytest.approx(0.8, rel=0.02)


def test_one_thread_is_the_choice_if_nothing_is_significantly_faster() -> None:
    stage = stage_of(plain_result(SERIAL, 2.4), plain_result(THREADS, 2.36), hopped(3.0))
    assert stage.fastest == SERIAL
    assert stage.fastest_speedup == Estimate(1.0)


def test_celery_is_the_choice_only_if_it_helps() -> None:
    cells = plain_result(SERIAL, 2.4), plain_result(THREADS, 1.2)
    assert stage_of(*cells, hopped(0.6)).fastest == TWO
    assert stage_of(*cells, hopped(1.1, WILD)).fastest == THREADS


def test_without_a_serial_cell_there_is_no_speedup_over_one_thread() -> None:
    stage = stage_of(plain_result(THREADS, 1.2), hopped(3.0))
    assert (stage.fastest, stage.fastest_speedup, stage.celery_speedup) == (THREADS, None, None)


def test_one_opponent_has_one_figure() -> None:
    # one thread is the fastest in-process, but in some rounds by the earlier ones threads are
    early = (1.3, 1.3, 1.0, 1.0, 1.0, 1.0, 1.0)
    run = fleet_run(plain_result(SERIAL, 1.0, factors=early), plain_result(THREADS, 1.05), hopped(3.0, WILD))
    best, serial = analyse(run).verdicts
    assert best.versus == serial.versus
    assert best.ratio is not None
    (stage,) = analyse(run).answer.stages
    assert stage.celery_speedup == best.ratio.inverse


def test_figures_of_few_rounds_have_no_interval_and_no_claim() -> None:
    cells = [plain_result(SERIAL, 2.4), plain_result(THREADS, 1.2), hopped(0.6)]
    stage = stage_of(*(replace(each, samples=each.samples[:2]) for each in cells))
    assert stage.verdict.verdict == "inconclusive"
    assert stage.fastest == THREADS
    assert stage.fastest_speedup is not None
    assert stage.fastest_speedup.level is None


WRONG = replace(hopped(0.6), samples=tuple(replace(each, wrong=1) for each in hopped(0.6).samples))
STATIONS = {
    "publishing": celery_result(2, publish_s=0.08, makespan_s=24 * 0.0805 + 0.105),
    "broker": celery_result(2, broker_s=0.09, makespan_s=24 * 0.09 + 0.1),
}


@pytest.mark.parametrize(
    ("celery", "word", "reason"),
    [
        (hopped(0.6), "helps", "fastest"),
        (hopped(1.205), "ties", "overhead"),
        (hopped(3.0), "hurts", "overhead"),
        (hopped(3.0, fetch_s=0.006, store_s=0.005), "hurts", "moving"),
        (hopped(3.0, compute_s=0.2), "hurts", "cores"),
        (plain_result(TWO, 3.0), "hurts", "unknown"),
        (hopped(1.1, WILD), "inconclusive", "undecided"),
        (WRONG, "invalid", "invalid"),
        (STATIONS["publishing"], "hurts", "publishing"),
        (STATIONS["broker"], "hurts", "broker"),
    ],
)
def test_the_reason_follows_from_verdict_stations_and_hops(
    celery: CellResult, word: str, reason: Reason
) -> None:
    stage = stage_of(plain_result(SERIAL, 2.4), plain_result(THREADS, 1.2), celery)
    assert (stage.verdict.verdict, stage.because.kind) == (word, reason)
    assert because(stage)


@pytest.mark.parametrize("station", STATIONS)
def test_beside_other_load_no_station_is_said_to_limit_celery(station: str) -> None:
    run = fleet_run(plain_result(SERIAL, 2.4), plain_result(THREADS, 1.2), STATIONS[station])
    loaded = replace(run, loads=tuple(Load(number, other=0.4) for number in range(7)))
    (stage,) = analyse(loaded).answer.stages
    assert because(stage) == (
        "what holds it back is not known, because other processes took 40 % of the processors"
    )


def test_every_reason_has_words() -> None:
    assert set(get_args(Reason)) == {*REASONS, "undecided", "invalid"}


def cost_run(kind: str) -> Run:
    """A run whose COST against the fastest in-process cell is of this kind."""
    slow = [celery_result(slots, cpu_s=0.099) for slots in (1, 2)]
    waits = [celery_result(slots) for slots in (1, 2, 3)]
    return {
        "measured": fleet_run(plain_result(SERIAL, 2.4), *waits),
        "predicted": fleet_run(plain_result(SERIAL, 2.4), plain_result(THREADS, 0.5), *waits),
        "predicted elsewhere": fleet_run(plain_result(SERIAL, 0.9), *slow),
        "never": fleet_run(
            plain_result(SERIAL, 0.02),
            *(celery_result(n, held_s=0.001, cpu_s=0.0, broker_s=0.0) for n in (1, 2)),
        ),
        "too short": fleet_run(plain_result(SERIAL, 0.09), *waits),
        "unknown": fleet_run(plain_result(SERIAL, 1.2), plain_result(TWO, 3.0)),
    }[kind]


@pytest.mark.parametrize(
    ("kind", "here", "there", "where", "said"),
    [
        ("measured", 2, None, "here already", ""),
        ("predicted", 6, 6, "predicted", "Celery would be the fastest for download from 6 slots (predicted)"),
        (
            "predicted elsewhere",
            None,
            3,
            "predicted",
            "Celery would be the fastest for download from 3 slots (predicted)",
        ),
        ("never", None, None, "never", "no number of slots would be enough for download (predicted)"),
        (
            "too short",
            None,
            None,
            "too short",
            "the batch is too short for more slots to help download, but more --images may change that",
        ),
        ("unknown", None, None, "unknown", "whether more slots would help download is not known"),
    ],
)
def test_the_slots_that_win_follow_from_the_cost(
    kind: str, here: int | None, there: int | None, where: str, said: str
) -> None:
    answer = analyse(cost_run(kind)).answer
    (stage,) = answer.stages
    assert (stage.wins_from_slots_here, stage.wins_from_slots_elsewhere) == (here, there)
    assert stage.elsewhere == where
    assert elsewhere_sentence(answer) == (said and f"On other machines: {said}.")


def test_slots_for_a_function_are_those_that_all_its_inputs_need() -> None:
    run = cost_run("too short")
    function = Function("jobs:nap", "range(500)", 500, 500, 0.01, 0.99, 10, 10)
    (stage,) = analyse(replace(run, plan=replace(run.plan, function=function))).answer.stages
    assert stage.elsewhere == "predicted"
    # A task holds a slot for 100 ms, one thread takes 3.75 ms: 27 slots, and some for the margin and the last turn.
    assert stage.wins_from_slots_elsewhere in range(27, 33)


def test_the_remedy_for_too_few_tasks_of_a_users_function_is_more_inputs() -> None:
    answer = analyse(cost_run("too short")).answer
    of_function = replace(
        answer,
        stages=tuple(
            replace(each, verdict=replace(each.verdict, stage="function")) for each in answer.stages
        ),
    )
    assert elsewhere_sentence(of_function).endswith("but more --inputs may change that.")


def test_what_celery_adds_is_what_a_slot_spends_beyond_computing() -> None:
    # 24 tasks on 2 slots: 1.2 s are 100 ms of a slot each, of which 10 ms are computing; 4 a message, 40 ms
    four = replace(hopped(0.6), cell=replace(TWO, chunk=4))
    added = answer_of(plain_result(SERIAL, 2.4), hopped(1.2), four).added
    assert [(each.cell.chunk, round(each.added_s, 3)) for each in added] == [(1, 0.09), (4, 0.04)]


def test_a_sweep_of_the_work_has_no_stages() -> None:
    run = fleet_run(plain_result(SERIAL, 2.4), hopped(3.0))
    swept = replace(run, plan=replace(run.plan, axis="size"))
    assert analyse(swept).answer.stages == ()


def test_what_celery_adds_is_that_of_the_short_tasks_that_the_preflight_timed() -> None:
    four = celery_result(2, cell=replace(CELERY, chunk=4))
    run = fleet_run(plain_result(SERIAL, 2.4), four, celery_result(2))
    overheads = tuple(TaskOverhead("celery", 2, "redis", chunk, None, 0.0017 / chunk) for chunk in (1, 4))
    known = replace(run, preflight=replace(PREFLIGHT, overheads=overheads))
    added = analyse(known).answer.added
    assert [(each.cell.chunk, each.added_s, each.of_short_tasks) for each in added] == [
        (1, 0.0017, True),
        (4, 0.0017 / 4, True),
    ]
