from dataclasses import replace
from math import exp

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from orchestrator.analysis.verdicts.verdict import classify, verdicts, what_lacks
from orchestrator.model.environment import Broker, Load, Worker
from orchestrator.model.findings import Estimate, Observation, OtherLoad, Verdict
from orchestrator.model.runs import Cell, CellResult, Run
from orchestrator.phrases.run import machines
from orchestrator.phrases.verdicts import reason
from tests.unit.analysis.made_runs import (
    HOPS,
    INLINE,
    PROCESSES,
    REDIS,
    RESIDENT,
    SERIAL,
    SERIAL_AGAIN,
    STEADY,
    THREADS,
    result,
    run_at,
    run_of,
)


def against_serial(run: Run) -> Verdict:
    return next(verdict for verdict in verdicts(run) if verdict.against == "serial")


def against_best(run: Run) -> Verdict:
    return next(verdict for verdict in verdicts(run) if verdict.against == "best in-process")


@pytest.mark.parametrize(
    ("point", "low", "high", "verdict"),
    [
        (0.80, 0.70, 0.90, "helps"),
        (0.90, 0.84, 0.95, "helps"),
        (0.90, 0.80, 0.99, "inconclusive"),  # excludes 1, but is not clear of it
        (0.97, 0.93, 0.99, "inconclusive"),  # faster, perhaps by too little
        (0.97, 0.96, 0.99, "ties"),  # faster, and by too little
        (0.90, 0.80, 1.01, "inconclusive"),
        (1.00, 0.96, 1.04, "ties"),
        (1.00, 0.90, 1.10, "inconclusive"),
        (1.03, 1.01, 1.04, "ties"),
        (1.03, 1.01, 1.09, "inconclusive"),
        (1.10, 0.99, 1.20, "inconclusive"),
        (1.10, 1.05, 1.16, "hurts"),
        (1.10, 1.01, 1.20, "inconclusive"),  # excludes 1, but is not clear of it
        (2.00, 1.90, 2.10, "hurts"),
    ],
)
def test_every_position_of_an_interval_has_one_verdict(
    point: float, low: float, high: float, verdict: str
) -> None:
    assert classify(Estimate(point, low, high, 0.95), 0.05) == verdict


def test_no_interval_is_inconclusive() -> None:
    assert classify(Estimate(5.0), 0.05) == "inconclusive"
    assert classify(None, 0.05) == "inconclusive"


@given(st.floats(0.5, 1.9), st.floats(0.001, 1), st.floats(0.001, 1), st.floats(0.001, 0.5))
def test_the_inverse_ratio_has_the_opposite_verdict(
    point: float, below: float, above: float, margin: float
) -> None:
    ratio = Estimate(point, point / (1 + below), point * (1 + above), 0.95)
    # On the margin itself, rounding decides.
    assume(abs(point * (1 + above) / (1 + margin) - 1) > 1e-9)
    assume(abs(point / (1 + below) * (1 + margin) - 1) > 1e-9)
    opposite = {"helps": "hurts", "hurts": "helps"}
    verdict, inverse = classify(ratio, margin), classify(ratio.inverse, margin)
    assert opposite.get(verdict, verdict) == inverse


def test_celery_twice_as_slow_hurts() -> None:
    verdict = against_serial(run_at({SERIAL: 1.0, REDIS: 2.0}))
    assert verdict.verdict == "hurts"
    assert (verdict.celery, verdict.versus) == (REDIS, SERIAL)
    assert reason(verdict) == (
        "Celery with numpy on 2 slots (redis, chunk 4) took 2.00 times as long as serial with numpy "
        "(1.95 to 2.05, 95 % interval, 7 rounds)"
    )


def test_celery_twice_as_fast_helps_with_the_inverse_ratio_in_the_reason() -> None:
    verdict = against_serial(run_at({SERIAL: 2.0, REDIS: 1.0}))
    assert verdict.verdict == "helps"
    assert "was 2.00 times as fast as serial with numpy" in reason(verdict)


def test_equal_within_the_margin_ties() -> None:
    assert against_serial(run_at({SERIAL: 1.0, REDIS: 1.01})).verdict == "ties"


def test_a_wide_interval_is_inconclusive_with_the_rounds_that_would_decide() -> None:
    wild = (1.0, 1.5, 0.7, 1.2, 0.8, 1.6, 0.9)
    verdict = against_serial(run_at({SERIAL: 1.0, REDIS: 1.2}, wild))
    assert verdict.verdict == "inconclusive"
    assert verdict.lacks is not None
    assert verdict.lacks.kind == "too wide"
    assert verdict.rounds_needed is not None
    assert f"about {verdict.rounds_needed} more rounds would" in reason(verdict)


@pytest.mark.parametrize(("rounds", "needed"), [(1, 6), (3, 4), (6, 1)])
def test_too_few_rounds_are_inconclusive_and_say_how_many_are_lacking(rounds: int, needed: int) -> None:
    verdict = against_serial(run_at({SERIAL: 1.0, REDIS: 9.0}, STEADY[:rounds]))
    assert (verdict.verdict, verdict.rounds_needed) == ("inconclusive", needed)
    assert verdict.lacks == Observation("too few rounds", {"rounds": rounds, "needed": 7})


@pytest.mark.parametrize("cells", [{SERIAL: 1.0, REDIS: 9.0}, {SERIAL: 1.0, REDIS: 9.0, INLINE: 8.0}])
def test_seven_rounds_are_enough_for_a_verdict_whether_or_not_a_best_cell_is_chosen(
    cells: dict[Cell, float],
) -> None:
    assert against_serial(run_at(cells, STEADY[:6])).rounds_needed == 1
    assert against_serial(run_at(cells)).verdict == "hurts"


@pytest.mark.parametrize(
    ("ratio", "kind", "excess"),
    [
        # the near end must stay clear by a share of the width: 0.3 + 0.29 x 0.6 of a distance of 0.4
        (Estimate(exp(0.4), exp(0.1), exp(0.7), 0.95), "too wide", 0.185),
        (Estimate(exp(-0.4), exp(-0.7), exp(-0.1), 0.95), "too wide", 0.185),
        # within the margin of 0.1, of which 0.08 are left above the point
        (Estimate(exp(0.02), exp(-0.1), exp(0.14), 0.95), "too wide for a tie", 0.5),
    ],
)
def test_an_interval_is_said_to_be_too_wide_by_what_it_would_have_to_shrink(
    ratio: Estimate, kind: str, excess: float
) -> None:
    margin = exp(0.1) - 1
    found = what_lacks(ratio, 9, margin, ())
    assert (found.kind, found.figures["excess"]) == (kind, pytest.approx(excess))
    shrunk = _narrower(ratio, 1 + excess + 1e-6)
    assert (classify(ratio, margin), classify(shrunk, margin) != "inconclusive") == ("inconclusive", True)


def test_a_ratio_that_changes_during_a_run_is_undecided_and_says_from_which_round_on() -> None:
    times = [1.0 + 0.001 * (round_ % 3) for round_ in range(40)]
    slowed = [each * (1.0 if round_ < 15 else 1.3) for round_, each in enumerate(times)]
    verdict = against_serial(run_of(result(SERIAL, times[::-1]), result(REDIS, slowed)))
    assert verdict.verdict == "inconclusive"
    assert [(each.first, each.last) for each in verdict.stretches] == [(0, 14), (15, 39)]
    assert [each.ratio for each in verdict.stretches] == pytest.approx([1.0, 1.3], rel=0.01)
    assert (
        "the ratio changed during the run, from 1.00 in rounds 1 to 15 to 1.30 in rounds 16 to 40"
        in reason(verdict)
    )


def test_a_ratio_that_changes_and_stays_on_one_side_is_decided() -> None:
    times = [1.0 + 0.001 * (round_ % 3) for round_ in range(40)]
    slowed = [each * (4.0 if round_ < 15 else 5.0) for round_, each in enumerate(times)]
    verdict = against_serial(run_of(result(SERIAL, times[::-1]), result(REDIS, slowed)))
    assert (verdict.verdict, len(verdict.stretches)) == ("hurts", 2)


def test_a_verdict_says_what_other_processes_took_if_that_was_much() -> None:
    cells = [result(SERIAL, STEADY), result(REDIS, [9.0 * each for each in STEADY])]
    loads = [Load(round_, other=share) for round_, share in enumerate((0.02, 0.2, 0.3))]
    verdict = against_serial(run_of(*cells, loads=loads))
    assert verdict.load == OtherLoad(usual=0.2, most=0.3)
    assert "; measured while other processes took 20 % of the CPU time" in reason(verdict)
    quiet = against_serial(run_of(*cells, loads=loads[:1]))
    assert quiet.load == OtherLoad(usual=0.02, most=0.02)
    assert "other processes" not in reason(quiet)


def test_the_best_cell_of_each_side_is_held_up() -> None:
    run = run_at({SERIAL: 4.0, THREADS: 2.0, PROCESSES: 1.0, INLINE: 3.0, REDIS: 1.5})
    best, serial = against_best(run), against_serial(run)
    assert (best.celery, best.versus, best.verdict) == (REDIS, PROCESSES, "hurts")
    assert (serial.celery, serial.versus, serial.verdict) == (REDIS, SERIAL, "helps")


def test_the_second_cell_of_the_pair_is_never_a_candidate() -> None:
    run = run_at({SERIAL: 4.0, SERIAL_AGAIN: 1.0, REDIS: 2.0})
    assert against_serial(run).versus == SERIAL


def test_resident_data_is_a_candidate_only_if_celery_has_no_other() -> None:
    assert against_serial(run_at({SERIAL: 4.0, REDIS: 2.0, RESIDENT: 1.0})).celery == REDIS
    alone = against_serial(run_at({SERIAL: 4.0, RESIDENT: 1.0}))
    assert alone.celery == RESIDENT
    assert "data resident" in reason(alone)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"lost": 1, "ok": 7}, "lost 7 tasks"),
        ({"duplicated": 1}, "ended 7 tasks more than once"),
        ({"wrong": 2}, "gave 14 outputs that differ from the reference's"),
        ({"ok": 0, "failed": 8}, "completed no task"),
    ],
)
def test_a_fault_in_a_compared_cell_is_invalid_and_names_it(fault: dict[str, int], words: str) -> None:
    run = run_of(result(SERIAL, STEADY), result(REDIS, STEADY, **fault))
    verdict = against_serial(run)
    assert (verdict.verdict, verdict.ratio) == ("invalid", None)
    assert (
        reason(verdict)
        == f"Celery with numpy on 2 slots (redis, chunk 4) {words}, so its time does not count"
    )


def test_one_side_failing_more_tasks_is_invalid() -> None:
    run = run_of(result(SERIAL, STEADY), result(REDIS, STEADY, ok=7, failed=1))
    assert against_serial(run).verdict == "invalid"
    assert "failed 1 task of round 1 and serial with numpy 0" in reason(against_serial(run))


def test_sides_that_fail_the_same_tasks_have_a_verdict() -> None:
    factors = [2 * each for each in STEADY]
    run = run_of(result(SERIAL, STEADY, ok=7, failed=1), result(REDIS, factors, ok=7, failed=1))
    assert against_serial(run).verdict == "hurts"


def test_a_fault_in_a_cell_that_was_not_picked_leaves_the_verdict() -> None:
    run = run_of(result(SERIAL, STEADY), result(REDIS, [2.0] * 7), result(INLINE, [9.0] * 7, lost=1))
    assert against_serial(run).verdict == "hurts"


def test_no_celery_asked_for_gives_no_verdict() -> None:
    assert verdicts(run_at({SERIAL: 1.0, THREADS: 1.0})) == ()
    assert verdicts(run_at({REDIS: 1.0})) == ()


def test_celery_asked_for_and_not_measured_is_inconclusive() -> None:
    run = run_of(result(SERIAL, STEADY), planned=[REDIS], complete=False)
    verdict = against_serial(run)
    assert (verdict.verdict, verdict.celery, verdict.versus) == ("inconclusive", None, SERIAL)
    assert "No Celery cell of grayscale was measured" in reason(verdict)


def test_cells_without_a_common_round_are_inconclusive() -> None:
    late = tuple(replace(each, round=each.round + 20) for each in result(REDIS, STEADY).samples)
    verdict = against_serial(run_of(result(SERIAL, STEADY), CellResult(REDIS, None, late)))
    assert verdict.verdict == "inconclusive"
    assert reason(verdict).endswith("have no round in common; run again, and let it end")


def test_the_margin_is_the_plans() -> None:
    run = run_at({SERIAL: 1.0, REDIS: 1.2})
    assert against_serial(run).verdict == "hurts"
    assert against_serial(replace(run, plan=replace(run.plan, margin=0.3))).verdict == "ties"


def test_a_verdict_names_the_hop_that_limits_celery() -> None:
    # 8 tasks of 13 ms in 0.1 s keep 1.04 of 2 slots busy: the slots are the bottleneck, by computing
    busy = run_of(result(SERIAL, STEADY), result(REDIS, [0.1] * 7, hops=HOPS))
    assert against_serial(busy).bound == "compute"
    idle = run_of(result(SERIAL, STEADY), result(REDIS, [1.0] * 7, hops=HOPS))
    assert against_serial(idle).bound == "queue"


def test_stages_have_verdicts_of_their_own_in_the_plans_order() -> None:
    decode = {replace(cell, stage="decode"): 1.0 for cell in (SERIAL, REDIS)}
    run = run_at({**decode, SERIAL: 1.0, REDIS: 2.0})
    assert [each.stage for each in verdicts(run)] == ["decode", "decode", "grayscale", "grayscale"]


def test_a_side_with_only_disturbed_samples_makes_the_verdict_invalid() -> None:
    serial, celery = result(SERIAL, STEADY), result(REDIS, STEADY)
    gone = tuple(replace(each, disturbed="worker a died") for each in celery.samples)
    judged = verdicts(run_of(serial, replace(celery, samples=(), disturbed=gone)))
    assert {each.verdict for each in judged} == {"invalid"}
    assert all("worker a died" in reason(each) for each in judged)


@pytest.mark.parametrize(
    ("embedded", "cpus", "usable", "shares"),
    [
        (False, 0.25, 2.0, (0.25, 1.0)),
        (False, 2.0, 2.0, None),
        (True, 0.25, 2.0, None),
        (False, 2.0, 0.25, (1.0, 0.125)),
        (False, 0.25, 0.5, None),
    ],
)
def test_a_side_with_a_smaller_share_of_a_processor_makes_the_sides_unlike(
    embedded, cpus, usable, shares
) -> None:
    run = run_at({SERIAL: 2.0, REDIS: 1.0})
    workers = (Worker("slot1@a", 1, cpus, "3.13.0"), Worker("slot1@b", 1, cpus, "3.13.0"))
    cpu = replace(run.environment.cpu, logical=2, usable=usable)
    where = replace(run.environment, cpu=cpu, broker=Broker("redis", "8.0", embedded), workers=workers)
    assert {each.shares for each in verdicts(replace(run, environment=where))} == {shares}
    assert (" of 0.25 processors, 2 slots" in "\n".join(machines(replace(run, environment=where)))) == (
        cpus < 1
    )


def _narrower(ratio: Estimate, by: float) -> Estimate:
    """Return a ratio with an interval so many times narrower about the same point."""
    low, high = ((ratio.point * (end / ratio.point) ** (1 / by)) for end in (ratio.low or 0, ratio.high or 0))
    return Estimate(ratio.point, low, high, ratio.level)


def test_neither_another_size_nor_an_idiomatic_cell_is_a_sides_best() -> None:
    small = replace(SERIAL, kernel="loop", width=128, height=96)
    idiomatic = replace(INLINE, style="idiomatic")
    run = run_at({SERIAL: 2.0, REDIS: 1.0, small: 0.1, idiomatic: 0.5})
    found = against_best(run)
    assert (found.celery, found.versus, found.verdict) == (REDIS, SERIAL, "helps")
