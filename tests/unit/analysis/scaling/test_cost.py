from collections.abc import Sequence
from dataclasses import replace

import pytest

from orchestrator.analysis.analyse import analyse
from orchestrator.analysis.scaling.cost import Cost
from orchestrator.model.environment import Load
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import CellResult, Run
from orchestrator.phrases.cost import cost_sentences
from orchestrator.phrases.headline import headline
from tests.unit.analysis.made_fleets import CELERY, SERIAL, celery_result, fleet_run, plain_result
from tests.unit.analysis.made_runs import STEADY

THREADS = replace(SERIAL, strategy="threads", slots=4)


def cost_of(run: Run, against: str = "serial", elsewhere: bool = False) -> Cost:
    return next(
        each
        for each in analyse(run).costs["download"]
        if each.against == against and each.elsewhere == elsewhere
    )


def said(run: Run) -> str:
    return " ".join(cost_sentences(analyse(run).costs["download"]))


def sweep(slots: Sequence[int], **how: float) -> list[CellResult]:
    return [celery_result(each, **how) for each in slots]  # type: ignore[arg-type]


def test_the_fewest_measured_slots_that_win_are_the_cost() -> None:
    # 24 tasks: serial 2.4 s; Celery 2.52, 1.27 and 0.85 s
    run = fleet_run(plain_result(SERIAL, 2.4), plain_result(THREADS, 0.5), *sweep((1, 2, 3)))
    found = cost_of(run)
    assert found.kind == "measured"
    assert (found.slots, found.not_won) == (Estimate(2), ())
    assert found.celery == replace(CELERY, slots=2)
    assert (
        "Celery is faster than one thread from 2 slots on (COST, measured): Celery with session on 2 slots (redis, "
        "chunk 1) is 1.90 times as fast as serial with session (" in said(run)
    )


def test_larger_numbers_of_slots_that_do_not_win_are_named() -> None:
    slower = [celery_result(each, makespan_s=3.0) for each in (3, 4)]
    run = fleet_run(plain_result(SERIAL, 2.4), celery_result(2), *slower)
    assert cost_of(run, "best in-process").not_won == (3, 4)
    assert "the fastest choice on 2 slots, but not significantly on 3, 4 (COST, measured): " in said(run)
    plan = replace(run.plan, axis="slots")
    text = headline(analyse(replace(run, plan=plan))).text
    assert text == "In download Celery pays on 2 slots, but not significantly on 3, 4"


def test_slots_that_win_are_no_cost_if_the_verdict_on_the_best_of_all_is_inconclusive() -> None:
    # 4 slots win by themselves, but by the earlier rounds 3 slots seem best, and they lose
    early = (0.5, 1.4, 1.4, 1.4, 1.4, 1.4, 1.4)
    four = celery_result(4, makespan_s=2.0)
    run = fleet_run(plain_result(SERIAL, 2.4), celery_result(3, makespan_s=2.0, factors=early), four)
    assert cost_of(fleet_run(run.cells[0], four), "best in-process").kind == "measured"
    (verdict,) = [each for each in analyse(run).verdicts if each.against == "serial"]
    assert verdict.verdict == "inconclusive"
    assert cost_of(run, "best in-process").kind == "unknown"
    assert "Celery is not significantly the fastest choice with any measured number of slots: " in said(run)


def test_on_the_slots_of_the_verdicts_cell_the_cost_has_the_verdicts_ratio() -> None:
    early = (0.5, 1.0, 1.0, 1.0, 1.6, 1.6, 1.6)
    three = celery_result(3, makespan_s=2.0, factors=early)
    run = fleet_run(plain_result(SERIAL, 4.8), three, celery_result(4, makespan_s=1.5))
    (verdict,) = [each for each in analyse(run).verdicts if each.against == "serial"]
    found = cost_of(run, "best in-process")
    assert verdict.verdict == "helps"
    assert (found.celery, found.ratio) == (verdict.celery, verdict.ratio)


def test_the_evidence_counts_the_rounds_that_both_sides_have() -> None:
    celery = celery_result(2)
    run = fleet_run(plain_result(SERIAL, 2.4), replace(celery, samples=celery.samples[1:]))
    assert cost_of(run, "best in-process").rounds == 6
    assert "6 rounds)" in said(run)


def test_more_slots_than_measured_are_labelled_as_predicted() -> None:
    # the best in-process takes 0.5 s: 24 tasks of 105 ms need 5 turns and less than 4.75, so 6 slots
    run = fleet_run(plain_result(SERIAL, 2.4), plain_result(THREADS, 0.5), *sweep((1, 2, 3)))
    found = cost_of(run, "best in-process")
    assert found.kind == "predicted"
    assert found.slots is not None
    assert found.slots.point == 6
    assert found.slots.low is not None
    assert found.slots.low <= 6 <= (found.slots.high or 0)
    assert (
        "Celery should be the fastest choice from 6 slots on (COST, predicted): threads with session on 4 slots do "
        "48.0 tasks/s." in said(run)
    )


def test_never_names_the_limit_and_its_throughput() -> None:
    # in-process 24 tasks in 20 ms; the orchestrator's 1.5 ms a message alone come to 36
    run = fleet_run(plain_result(SERIAL, 0.02), *sweep((1, 2), held_s=0.001, cpu_s=0.0, broker_s=0.0))
    found = cost_of(run, "best in-process")
    assert found.kind == "never"
    assert found.slots is None
    assert found.limited_by is not None
    assert found.limit_per_s is not None
    assert found.limit_per_s < 24 / 0.02
    assert (
        "would not be enough either: publishing and collecting limits a batch of 24 tasks to about 598 tasks/s"
        in said(run)
    )


def test_if_the_cores_rule_it_out_here_the_cost_on_other_machines_follows() -> None:
    # 100 ms of computing a task: two cores do 20 a second, in-process too
    run = fleet_run(plain_result(SERIAL, 0.9), *sweep((1, 2), cpu_s=0.099))
    here, elsewhere = (cost_of(run, "best in-process", each) for each in (False, True))
    assert (here.kind, here.limited_by) == ("never", "cpu")
    assert elsewhere.kind == "predicted"
    assert elsewhere.slots is not None
    assert elsewhere.slots.point == 3
    assert (
        "No number of slots on this machine would make Celery the fastest choice (COST, predicted): the shared cores "
        "limit a batch of 24 tasks to about 19"
    ) in said(run)
    assert "3 slots on other machines, with a core each, would be enough (predicted)" in said(run)


def test_cores_are_no_limit_if_the_batch_would_be_no_faster_with_more() -> None:
    # Two messages, each on its own slot at once: more cores would not help.
    chunk = replace(CELERY, chunk=4)
    slow = celery_result(
        2, tasks=8, cell=chunk, held_s=0.001, cpu_s=0.0009, publish_s=0.0015, makespan_s=0.02
    )
    run = fleet_run(plain_result(SERIAL, 0.0001, tasks=8), slow)
    (found,) = analyse(run).costs["download"]
    assert (found.kind, found.elsewhere) == ("never", False)
    assert found.limited_by != "cpu"
    assert "on other machines" not in said(run)


def test_latency_limits_a_batch_whose_single_message_takes_too_long() -> None:
    run = fleet_run(plain_result(SERIAL, 0.05, tasks=2), *sweep((1, 2), tasks=2))
    found = cost_of(run, "best in-process")
    assert (found.kind, found.limited_by) == ("never", "latency")
    assert (
        "a batch of 2 tasks takes at least as long as its slowest message, 108 ms, and may pay with more"
        in said(run)
    )


def test_the_cost_is_unknown_if_the_baseline_is_about_as_fast_as_the_limit() -> None:
    # two cores at 101.5 ms a task: 24 tasks in 1.27 s, as long as the baseline takes
    wild = (1.0, 1.3, 0.7, 1.2, 0.8, 1.15, 0.85)
    limit_s = 24 * (0.099 + 0.001 + 0.005 + 0.0015) / 2
    run = fleet_run(plain_result(SERIAL, limit_s, factors=wild), *sweep((1,), cpu_s=0.099))
    assert cost_of(run, "best in-process").kind == "unknown"
    assert "or with no number of slots on this machine (COST, predicted): " in said(run)


@pytest.mark.parametrize("factor", [1.0, 1.1], ids=["by no number of slots", "by some"])
def test_beside_other_load_a_baseline_as_fast_as_the_limit_tells_no_limit(factor: float) -> None:
    wild = (1.0, 1.3, 0.7, 1.2, 0.8, 1.15, 0.85)
    run = fleet_run(plain_result(SERIAL, factor * 1.28, factors=wild), *sweep((1,), cpu_s=0.099))
    assert " limit a batch of 24 tasks to about " in said(run)
    loaded = replace(run, loads=tuple(Load(number, other=0.4) for number in range(7)))
    assert said(loaded) == (
        "This result cannot tell with how many slots Celery would be the fastest choice: other processes took 40 % of "
        "the processors, which lengthens every task."
    )


def test_two_baselines_that_are_one_cell_have_one_cost() -> None:
    run = fleet_run(plain_result(SERIAL, 2.4), *sweep((1, 2, 3)))
    assert [each.against for each in analyse(run).costs["download"]] == ["best in-process"]
    assert len(cost_sentences(analyse(run).costs["download"])) == 1


def test_a_win_that_the_model_expects_but_no_measurement_shows_is_unknown() -> None:
    wild = (1.0, 2.5, 0.4, 1.6, 0.6, 1.15, 0.85)
    run = fleet_run(plain_result(SERIAL, 1.4), *sweep((1, 2), factors=wild))
    found = cost_of(run, "best in-process")
    assert found.kind == "unknown"
    (verdict,) = [each for each in analyse(run).verdicts if each.against == "serial"]
    assert found.ratio == verdict.ratio
    assert (
        "Celery with session on 2 slots (redis, chunk 1) was 1.12 times as fast as serial with session (0.448 to 2.74, "
        "95 % interval, 7 rounds). The queueing model expects it from 2 slots on; more rounds would decide."
    ) in said(run)


def test_a_measured_loss_outweighs_the_win_that_the_model_expects() -> None:
    # by the model 3 slots take 0.85 s, and serial 1.35 s; they took 1.4 s
    slow = [celery_result(each, makespan_s=1.4) for each in (2, 3)]
    run = fleet_run(plain_result(SERIAL, 1.35), celery_result(1), *slow)
    assert cost_of(run, "best in-process").kind == "unknown"
    assert (
        "Celery with session on 2 slots (redis, chunk 1) was 0.964 times as fast as serial with session (0.964 to "
        "0.964, 95 % interval, 7 rounds). The queueing model expects it from 3 slots on; the measurement counts, and "
        "the model is too optimistic."
    ) in said(run)


def test_a_limit_that_applies_everywhere_is_not_blamed_on_this_machine() -> None:
    held = {"held_s": 0.001, "cpu_s": 0.0, "broker_s": 0.0}
    by_its_orchestrator = fleet_run(plain_result(SERIAL, 0.02), *sweep((1, 2), **held))
    by_a_message_s_way = fleet_run(plain_result(SERIAL, 0.05, tasks=2), *sweep((1, 2), tasks=2))
    for run, bound in ((by_its_orchestrator, "orchestrator"), (by_a_message_s_way, "latency")):
        found = replace(cost_of(run, "best in-process"), kind="never", limited_by=bound)
        (sentence,) = cost_sentences([found])
        assert "No number of slots would make Celery the fastest choice (COST, predicted): " in sentence
        assert "this machine" not in sentence


def test_a_result_without_station_times_has_an_unknown_cost() -> None:
    run = fleet_run(plain_result(SERIAL, 0.1), plain_result(replace(CELERY, slots=2), 0.2))
    found = cost_of(run, "best in-process")
    assert found.kind == "unknown"
    assert "it has no station times" in said(run)


def test_with_few_rounds_never_is_not_known() -> None:
    few = STEADY[:3]
    run = fleet_run(
        plain_result(SERIAL, 0.02, factors=few),
        *sweep((1, 2), held_s=0.001, cpu_s=0.0, broker_s=0.0, factors=few),
    )
    assert cost_of(run, "best in-process").kind == "unknown"
    assert "fewer than 6 rounds can be compared; use more --rounds" in said(run)


def test_with_few_rounds_the_prediction_has_no_interval() -> None:
    few = STEADY[:3]
    run = fleet_run(plain_result(SERIAL, 0.5, factors=few), *sweep((1, 2), factors=few))
    found = cost_of(run, "best in-process")
    assert found.kind == "predicted"
    assert found.slots is not None
    assert (found.slots.point, found.slots.low) == (6, None)
    assert "from 6 slots on" in said(run)


@pytest.mark.parametrize("strategy", ["serial", "celery"])
def test_without_both_sides_there_is_no_cost(strategy: str) -> None:
    only = plain_result(SERIAL, 1.0) if strategy == "serial" else celery_result(1)
    assert analyse(fleet_run(only)).costs["download"] == ()
