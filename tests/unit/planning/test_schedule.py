"""What fits into a budget, and what is said of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.phrases.schedule import schedule_sentence
from orchestrator.planning.options import Options
from orchestrator.planning.plan import limits_of
from orchestrator.planning.schedule import Limits, schedule
from tests.unit.planning.planned import planned

PLAN = replace(planned(Options(rounds="49", images=20, stages=("decode",), chunks=(1,))), budget_s=100.0)
STRICT = Limits(strict=True)


def settled(round_s: float, limits: Limits = STRICT, spent_s: float = 10.0) -> tuple[int, int]:
    plan, _, _ = schedule(PLAN, limits, round_s, spent_s)
    return plan.rounds, plan.images


def said(round_s: float, limits: Limits = STRICT) -> str:
    return schedule_sentence(PLAN, *schedule(PLAN, limits, round_s, 10.0))


def test_everything_is_measured_if_it_fits() -> None:
    assert settled(1.0) == (49, 20)
    rows = len(PLAN.cells)
    assert said(1.0) == f"measuring {rows} rows of 20 images in 49 rounds: about 49 s"


def test_rounds_are_left_out_first() -> None:
    assert settled(9.0) == (10, 20)
    assert said(9.0).endswith("in 10 rounds: about 90 s; --budget 100 allows 10 of 49 rounds")


def test_images_are_left_out_before_the_rounds_that_a_verdict_needs() -> None:
    limits = Limits(images=4, strict=True)
    assert settled(26.0, limits) == (7, 9)
    assert "--budget 100 allows 9 of 20 images" in said(26.0, limits)
    assert settled(1000.0, limits) == (1, 4)


def test_too_few_rounds_for_a_verdict_are_said_with_the_budget_that_is_enough() -> None:
    assert settled(30.0) == (3, 20)
    assert said(30.0).endswith("too few rounds for a verdict, which needs 7: --budget 220 allows them")


def test_the_usual_budget_gives_way_to_the_rounds_that_a_verdict_needs() -> None:
    assert settled(30.0, Limits()) == (7, 20)
    assert said(30.0, Limits()).endswith(
        "about 4 min; that is more than 2 min, because a verdict needs 7 rounds"
    )


def test_rounds_until_intervals_are_narrow_have_an_upper_limit() -> None:
    plan = replace(planned(Options(rounds="auto", target=0.1)), budget_s=100.0)
    text = schedule_sentence(plan, *schedule(plan, Limits(), 5.0, 5.0))
    assert text.endswith("in up to 112 rounds, until intervals are within 10 %: about 95 s at most")


UNTIL_NARROW = replace(PLAN, rounds=112, target=0.1)


@pytest.mark.parametrize(
    ("round_s", "limits", "images", "ending"),
    [
        (
            30.0,
            Limits(),
            20,
            ": about 4 min at most; that is more than 2 min, because a verdict needs 7 rounds",
        ),
        (
            30.0,
            STRICT,
            20,
            ": about 90 s at most; too few rounds for a verdict, which needs 7: --budget 220 allows them",
        ),
        (26.0, Limits(images=4), 9, ": about 90 s at most; --budget 100 allows 9 of 20 images"),
    ],
    ids=["usual budget", "given budget", "fewer images"],
)
def test_rounds_until_intervals_are_narrow_are_at_least_those_that_a_verdict_needs(
    round_s: float, limits: Limits, images: int, ending: str
) -> None:
    found, about_s, verdict_s = schedule(UNTIL_NARROW, limits, round_s, 10.0)
    assert (found.rounds, found.images) == (112, images)
    assert schedule_sentence(UNTIL_NARROW, found, about_s, verdict_s).endswith(ending)


@pytest.mark.parametrize(
    ("options", "budget_s"),
    [
        (Options(), 40.0),
        (Options(rounds="9"), None),
        (Options(rounds="9", budget_s=20.0), 20.0),
        (Options("scale"), 300.0),
        (Options(profile="notebook"), 300.0),
    ],
)
def test_every_command_has_a_budget_unless_its_rounds_are_given(
    options: Options, budget_s: float | None
) -> None:
    assert planned(options).budget_s == budget_s


def test_images_are_only_left_out_where_nobody_asked_for_their_number(tmp_path) -> None:
    for number in range(30):
        (tmp_path / f"{number}.jpg").touch()
    folder = Options(source=str(tmp_path), slots=2)
    assert limits_of(folder, planned(folder)).images == 8  # four tasks a message for either slot
    assert limits_of(replace(folder, images=20), planned(replace(folder, images=20))).images is None
    assert limits_of(Options("scale"), planned(Options("scale"))).images is None


def test_tasks_of_a_set_length_are_not_called_images() -> None:
    plan = replace(PLAN, cells=tuple(replace(cell, work_s=0.001) for cell in PLAN.cells))
    assert " of 20 tasks in 49 rounds" in schedule_sentence(plan, *schedule(plan, STRICT, 1.0, 10.0))
