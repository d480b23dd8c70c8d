from collections.abc import Sequence
from dataclasses import replace

import pytest

from orchestrator.analysis.analyse import analyse
from orchestrator.analysis.scaling.cost import Cost, costs
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import CellResult, Run
from orchestrator.phrases.cost import cost_sentences
from orchestrator.phrases.headline import headline
from tests.unit.analysis.made_fleets import CELERY, SERIAL, celery_result, fleet_run, plain_result
from tests.unit.analysis.made_runs import STEADY

THREADS = replace(SERIAL, strategy="threads", slots=4)


def cost_of(run: Run, against: str = "serial", elsewhere: bool = False) -> Cost:
    return next(
        each for each in costs(run, "download") if each.against == against and each.elsewhere == elsewhere
    )


def said(run: Run) -> str:
    return " ".join(cost_sentences(costs(run, "download")))


def sweep(slots: Sequence[int], **how: float) -> list[CellResult]:
    return [celery_result(each, **how) for each in slots]  # type: ignore[arg-type]


def test_slots_that_were_measured_to_win_are_the_cost() -> None:
    # 24 tasks: serial 2.4 s; Celery 2.52, 1.27 and 0.85 s
    run = fleet_run(plain_result(SERIAL, 2.4), plain_result(THREADS, 0.5), *sweep((1, 2, 3)))
    found = cost_of(run)
    assert found.kind == "measured"
    assert (found.slots, found.not_won) == (Estimate(2), ())
    assert found.celery == replace(CELERY, slots=2)
    assert (
        "Celery beats one thread (serial with session, 10.0 tasks/s) from 2 slots on (COST, measured: Celery with "
        "session on 2 slots (redis, chunk 1) is 1.90 times as fast" in said(run)
    )


def test_more_slots_that_do_not_win_are_named_and_on_is_not_said() -> None:
    slower = [celery_result(each, makespan_s=3.0) for each in (3, 4)]
    run = fleet_run(plain_result(SERIAL, 2.4), celery_result(2), *slower)
    assert cost_of(run, "best in-process").not_won == (3, 4)
    assert "10.0 tasks/s) on 2 slots, but not surely on 3, 4 (COST, measured: " in said(run)
    plan = replace(run.plan, axis="slots")
    text = headline(analyse(replace(run, plan=plan))).text
    assert text == "In download Celery pays on 2 slots, but not surely on 3, 4"


def test_slots_that_win_alone_are_no_cost_where_the_verdict_on_the_best_of_all_is_not_sure() -> None:
    # 4 slots win by themselves, but who judges by earlier rounds takes 3 slots for the best at first, and loses
    early = (0.5, 1.4, 1.4, 1.4, 1.4, 1.4, 1.4)
    four = celery_result(4, makespan_s=2.0)
    run = fleet_run(plain_result(SERIAL, 2.4), celery_result(3, makespan_s=2.0, factors=early), four)
    assert cost_of(fleet_run(run.cells[0], four), "best in-process").kind == "measured"
    (verdict,) = [each for each in analyse(run).verdicts if each.against == "serial"]
    assert verdict.verdict == "inconclusive"
    assert cost_of(run, "best in-process").kind == "unknown"
    assert "No number of slots that was measured surely beats" in said(run)


def test_with_the_slots_of_the_verdicts_cell_the_cost_has_the_verdicts_figure() -> None:
    early = (0.5, 1.0, 1.0, 1.0, 1.6, 1.6, 1.6)
    three = celery_result(3, makespan_s=2.0, factors=early)
    run = fleet_run(plain_result(SERIAL, 2.4), three, celery_result(4, makespan_s=1.5))
    (verdict,) = [each for each in analyse(run).verdicts if each.against == "serial"]
    found = cost_of(run, "best in-process")
    assert verdict.verdict == "helps"
    assert (found.celery, found.ratio) == (verdict.celery, verdict.ratio)


def test_the_evidence_counts_the_rounds_that_both_sides_have() -> None:
    celery = celery_result(2)
    run = fleet_run(plain_result(SERIAL, 2.4), replace(celery, samples=celery.samples[1:]))
    assert cost_of(run, "best in-process").rounds == 6
    assert "6 rounds)" in said(run)


def test_slots_that_were_not_measured_are_predicted_and_called_so() -> None:
    # the best in-process takes 0.5 s: 24 tasks of 105 ms need 5 turns and less than 4.75, so 6 slots
    run = fleet_run(plain_result(SERIAL, 2.4), plain_result(THREADS, 0.5), *sweep((1, 2, 3)))
    found = cost_of(run, "best in-process")
    assert found.kind == "predicted"
    assert found.slots is not None
    assert found.slots.point == 6
    assert found.slots.low is not None
    assert found.slots.low <= 6 <= (found.slots.high or 0)
    assert (
        "Celery should beat the best in-process cell (threads with session on 4 slots, 48.0 tasks/s) from 6 slots on"
        " (COST, predicted, not measured)." in said(run)
    )


def test_never_says_what_holds_it_and_at_what_throughput() -> None:
    # in-process 24 tasks in 20 ms; the orchestrator's 1.5 ms a message alone come to 36
    run = fleet_run(plain_result(SERIAL, 0.02), *sweep((1, 2), held_s=0.001, cpu_s=0.0, broker_s=0.0))
    found = cost_of(run, "best in-process")
    assert found.kind == "never"
    assert found.slots is None
    assert found.bound is not None
    assert found.limit_per_s is not None
    assert found.limit_per_s < 24 / 0.02
    assert (
        "none would do either: the orchestrator's one thread holds a batch of 24 tasks at 598 tasks/s"
        in said(run)
    )


def test_cores_that_forbid_it_here_are_said_apart_from_what_other_machines_would_do() -> None:
    # 100 ms of computing a task: two cores do 20 a second, in-process too
    run = fleet_run(plain_result(SERIAL, 0.9), *sweep((1, 2), cpu_s=0.099))
    here, elsewhere = (cost_of(run, "best in-process", each) for each in (False, True))
    assert (here.kind, here.bound) == ("never", "cpu")
    assert elsewhere.kind == "predicted"
    assert elsewhere.slots is not None
    assert elsewhere.slots.point == 3
    assert (
        "at no number of slots on this machine (COST, predicted, not measured): the cores that all slots share hold a "
        "batch of 24 tasks at 19"
    ) in said(run)
    assert "With slots on other machines, a core each, 3 slots would do" in said(run)


def test_cores_without_which_a_batch_would_be_no_quicker_are_not_said_to_hold_it() -> None:
    # Two messages, each on a slot of its own at once: the cores do not hold them, more of them would not help.
    chunk = replace(CELERY, chunk=4)
    slow = celery_result(
        2, tasks=8, cell=chunk, held_s=0.001, cpu_s=0.0009, publish_s=0.0015, makespan_s=0.02
    )
    run = fleet_run(plain_result(SERIAL, 0.0001, tasks=8), slow)
    (found,) = costs(run, "download")
    assert (found.kind, found.elsewhere) == ("never", False)
    assert found.bound != "cpu"
    assert "on other machines" not in said(run)


def test_a_batch_that_one_messages_way_already_exceeds_is_held_by_latency() -> None:
    run = fleet_run(plain_result(SERIAL, 0.05, tasks=2), *sweep((1, 2), tasks=2))
    found = cost_of(run, "best in-process")
    assert (found.kind, found.bound) == ("never", "latency")
    assert "no batch of 2 tasks takes less than a single message's way, 108 ms" in said(run)


def test_a_baseline_about_as_quick_as_the_limit_is_unknown() -> None:
    # two cores at 101.5 ms a task: 24 tasks in 1.27 s, as long as the baseline takes
    wild = (1.0, 1.3, 0.7, 1.2, 0.8, 1.15, 0.85)
    limit_s = 24 * (0.099 + 0.001 + 0.005 + 0.0015) / 2
    run = fleet_run(plain_result(SERIAL, limit_s, factors=wild), *sweep((1,), cpu_s=0.099))
    assert cost_of(run, "best in-process").kind == "unknown"
    assert "or never on this machine" in said(run)


def test_of_two_baselines_that_are_one_cell_it_is_said_once() -> None:
    run = fleet_run(plain_result(SERIAL, 2.4), *sweep((1, 2, 3)))
    assert [each.against for each in costs(run, "download")] == ["best in-process"]
    assert len(cost_sentences(costs(run, "download"))) == 1


def test_a_win_that_the_stations_expect_but_nobody_measured_is_unknown() -> None:
    wild = (1.0, 2.5, 0.4, 1.6, 0.6, 1.15, 0.85)
    run = fleet_run(plain_result(SERIAL, 1.4), *sweep((1, 2), factors=wild))
    found = cost_of(run, "best in-process")
    assert found.kind == "unknown"
    (verdict,) = [each for each in analyse(run).verdicts if each.against == "serial"]
    assert found.ratio == verdict.ratio
    assert (
        "surely beats the best in-process cell (serial with session, 17.1 tasks/s): Celery with session on 2 slots "
        "(redis, chunk 1) was 1.12 times as fast (0.563 to 2.23, 94 % interval, 7 rounds). A model of its stations, "
        "not measured, has it win from 2 slots on; more rounds would tell."
    ) in said(run)


def test_a_measured_loss_counts_for_more_than_the_win_that_the_stations_expect() -> None:
    # by their stations 3 slots take 0.85 s, and serial 1.35 s; they took 1.4 s
    slow = [celery_result(each, makespan_s=1.4) for each in (2, 3)]
    run = fleet_run(plain_result(SERIAL, 1.35), celery_result(1), *slow)
    assert cost_of(run, "best in-process").kind == "unknown"
    assert (
        "Celery with session on 2 slots (redis, chunk 1) was 0.964 times as fast (0.964 to 0.964, 94 % interval, 7 "
        "rounds). A model of its stations, not measured, has it win from 3 slots on; what was measured counts, and "
        "the model is too hopeful."
    ) in said(run)


def test_what_holds_celery_everywhere_is_not_laid_to_this_machine() -> None:
    held = {"held_s": 0.001, "cpu_s": 0.0, "broker_s": 0.0}
    by_its_orchestrator = fleet_run(plain_result(SERIAL, 0.02), *sweep((1, 2), **held))
    by_a_message_s_way = fleet_run(plain_result(SERIAL, 0.05, tasks=2), *sweep((1, 2), tasks=2))
    for run, bound in ((by_its_orchestrator, "orchestrator"), (by_a_message_s_way, "latency")):
        found = replace(cost_of(run, "best in-process"), kind="never", bound=bound)
        (sentence,) = cost_sentences([found])
        assert "at no number of slots (COST, predicted, not measured): " in sentence
        assert "this machine" not in sentence


def test_a_result_without_stations_says_so() -> None:
    run = fleet_run(plain_result(SERIAL, 0.1), plain_result(replace(CELERY, slots=2), 0.2))
    found = cost_of(run, "best in-process")
    assert found.kind == "unknown"
    assert "it has no times of its stations" in said(run)


def test_few_rounds_predict_without_an_interval() -> None:
    few = STEADY[:3]
    run = fleet_run(plain_result(SERIAL, 0.5, factors=few), *sweep((1, 2), factors=few))
    found = cost_of(run, "best in-process")
    assert found.kind == "predicted"
    assert found.slots is not None
    assert (found.slots.point, found.slots.low) == (6, None)
    assert "from 6 slots on" in said(run)


@pytest.mark.parametrize("strategy", ["serial", "celery"])
def test_without_a_side_there_is_no_cost(strategy: str) -> None:
    only = plain_result(SERIAL, 1.0) if strategy == "serial" else celery_result(1)
    assert costs(fleet_run(only), "download") == ()
