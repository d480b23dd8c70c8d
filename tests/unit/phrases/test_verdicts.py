"""Verdicts in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.model.findings import Estimate, Observation, OtherLoad, Stretch, Verdict
from orchestrator.model.runs import Cell
from orchestrator.phrases.verdicts import load_sentence, reason, short_reason, smallest_sentence

CELERY = Cell("decode", "asarray", "celery", 2, "redis", 4, "local")
THREADS = Cell("decode", "asarray", "threads", 2)
SLOWER = Verdict(
    "decode", "hurts", "best in-process", CELERY, THREADS, Estimate(1.5, 1.25, 1.75, 0.94), 0.05, rounds=7
)
FASTER = replace(SLOWER, verdict="helps", ratio=Estimate(0.5, 0.4, 0.8, 0.95))
SUBJECT = "Celery with asarray on 2 slots (redis, chunk 4)"
TOOK = f"{SUBJECT} took 1.50 times as long as threads with asarray on 2 slots"


def test_a_decided_verdict_has_the_ratio_with_its_interval_level_and_rounds() -> None:
    assert reason(SLOWER) == f"{TOOK} (1.25 to 1.75, 94 % interval, 7 rounds)"
    assert reason(FASTER) == (
        f"{SUBJECT} was 2.00 times as fast as threads with asarray on 2 slots (1.25 to 2.50, 95 % interval, 7 rounds)"
    )
    assert reason(replace(SLOWER, verdict="ties")).endswith(
        ": less than 5 % apart, so neither is worth choosing for speed"
    )


def test_below_celery_s_cell_the_figure_is_enough() -> None:
    assert short_reason(SLOWER) == "1.50 times as long as threads with asarray on 2 slots (1.25 to 1.75)"
    assert short_reason(FASTER) == "2.00 times as fast as threads with asarray on 2 slots (1.25 to 2.50)"


WIDE = {"ratio": SLOWER.ratio, "margin": 0.05, "excess": 0.09, "changes": ()}
THREE = (Stretch(0, 9, 1.2), Stretch(10, 19, 0.9), Stretch(20, 48, 1.1))


@pytest.mark.parametrize(
    ("lacks", "needed", "end"),
    [
        (
            Observation("too few rounds", {"rounds": 3, "needed": 7}),
            4,
            ": an interval needs 6 rounds and a verdict 7; 4 more rounds would do",
        ),
        (
            Observation("too wide", WIDE),
            9,
            ": the interval is 1.1 times as wide as a verdict allows; about 9 more rounds would decide it in 8 of 10 "
            "cases",
        ),
        (
            Observation("too wide", WIDE),
            None,
            ": the interval is 1.1 times as wide as a verdict allows, and no reasonable number of rounds would decide "
            "it",
        ),
        (
            Observation("too wide for a tie", {**WIDE, "excess": 1.4}),
            30,
            ": less than 5 % apart so far, but the interval is 2.4 times as wide as a tie allows; about 30 more "
            "rounds would decide it in 8 of 10 cases",
        ),
        (
            Observation("changed", {**WIDE, "changes": THREE[1:]}),
            9,
            ": the ratio changed during the run, from 0.900 in rounds 11 to 20 to 1.10 in rounds 21 to 49; run again "
            "on a quieter machine",
        ),
        (
            Observation("changed", {**WIDE, "changes": THREE}),
            9,
            ": the ratio changed 2 times during the run, between 0.900 and 1.20; run again on a quieter machine",
        ),
    ],
)
def test_an_inconclusive_verdict_says_which_condition_it_lacks_and_what_would_decide_it(
    lacks: Observation, needed: int | None, end: str
) -> None:
    undecided = replace(SLOWER, verdict="inconclusive", lacks=lacks, rounds_needed=needed)
    assert reason(undecided).startswith(TOOK)
    assert reason(undecided).endswith(end)
    assert short_reason(undecided) == reason(undecided)


def test_an_obstacle_is_the_reason_in_full() -> None:
    lost = Observation("incorrect", {"cell": CELERY, "wrong": 0, "lost": 1, "duplicated": 2})
    assert reason(replace(SLOWER, verdict="invalid", ratio=None, obstacle=lost)) == (
        f"{SUBJECT} lost 1 task and ended 2 tasks more than once, so its time does not count"
    )


def test_unlike_sides_are_said_beside_the_verdict() -> None:
    for say in (reason, short_reason):
        assert say(replace(SLOWER, shares=(0.25, 1.0))).endswith(
            "; the sides are unlike: a worker's slot has 0.25 of a processor, a slot here 1"
        )


def test_a_run_says_under_what_load_it_was_measured_and_what_it_could_have_found() -> None:
    assert load_sentence(OtherLoad(0.03, 0.12)) == (
        "Measured while other processes took 3 % of the CPU time, up to 12 % in a round."
    )
    assert (
        smallest_sentence(0.09, stages=1)
        == "A difference of 9 % would have been found, in 8 of 10 such runs."
    )
    assert smallest_sentence(0.09, stages=4) == (
        "A difference of 9 % would have been found in every stage, in 8 of 10 such runs."
    )


def test_a_large_difference_is_a_factor() -> None:
    assert smallest_sentence(1.2, 1).startswith("A difference of 2.2 times would have been found")
