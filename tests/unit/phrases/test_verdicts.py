"""Verdicts in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.model.findings import Estimate, Observation, Verdict
from orchestrator.model.runs import Cell
from orchestrator.phrases.verdicts import reason, short_reason

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


@pytest.mark.parametrize(
    ("ratio", "needed", "end"),
    [
        (Estimate(1.5), 4, "(7 rounds): too few for an interval, 4 more rounds would give one"),
        (SLOWER.ratio, 9, ": too wide to decide, about 9 more rounds would"),
        (SLOWER.ratio, None, "or the difference is too close to the margin of 5 %"),
    ],
)
def test_an_inconclusive_verdict_says_what_would_decide_it(
    ratio: Estimate, needed: int | None, end: str
) -> None:
    undecided = replace(SLOWER, verdict="inconclusive", ratio=ratio, rounds_needed=needed)
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
