"""A budget decides how many inputs and rounds there are; the cells follow what the function was seen to do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.errors import UsageError
from orchestrator.inputs.source import ORIGIN, parse
from orchestrator.model.runs import Data, Function, Plan
from orchestrator.phrases.function import introduction
from orchestrator.planning.function_plan import fitted, round_s
from orchestrator.planning.option_checks import check, of_function
from orchestrator.planning.options import BREAKEVEN, LOAD, RUN, SCALE, Options
from orchestrator.planning.plan import layout_of, resolve

SLEEP = Function("jobs:nap", "range(10000)", 10_000, 10_000, 0.1, 0.99, 10, 10)
SPIN = replace(SLEEP, call_s=0.001, waiting=0.0)
OPTIONS = Options(function="jobs:nap", inputs="range(10000)", slots=2)


def planned(options: Options, tried: Function) -> Plan:
    options = of_function(options)
    return resolve(fitted(options, layout_of(replace(options, tried=tried)), tried), parse(ORIGIN))


@pytest.mark.parametrize("tried", [SLEEP, SPIN, replace(SPIN, call_s=1e-6), replace(SLEEP, call_s=0.5)])
@pytest.mark.parametrize("budget_s", [60.0, 600.0])
def test_a_plan_keeps_to_the_budget_with_rounds_enough_for_a_verdict(
    tried: Function, budget_s: float
) -> None:
    plan = planned(replace(OPTIONS, budget_s=budget_s), tried)
    assert plan.rounds >= 7
    cells = plan.cells[:-1]
    assert (plan.rounds + plan.warmup) * round_s(cells, tried, plan.images) <= 1.2 * budget_s
    assert plan.function is not None
    assert plan.function.about_s <= 1.3 * budget_s


def test_a_larger_budget_takes_more_inputs() -> None:
    few, many = (planned(replace(OPTIONS, budget_s=s), SPIN).images for s in (30.0, 300.0))
    assert many > 2 * few


@pytest.mark.parametrize("command", [RUN, SCALE])
def test_a_batch_that_was_asked_for_is_kept_whatever_the_budget_and_the_speed(command: str) -> None:
    def batch(budget_s: float, call_s: float) -> Plan:
        return planned(
            replace(OPTIONS, command=command, batch=13, budget_s=budget_s), replace(SPIN, call_s=call_s)
        )

    quick, slow, over = batch(60.0, 0.001), batch(60.0, 0.05), batch(30.0, 0.1)
    assert [plan.images for plan in (quick, slow, over)] == [13, 13, 13]
    assert over.rounds == 7 <= slow.rounds <= quick.rounds
    assert over.function is not None
    assert over.function.about_s > 30.0


def test_a_batch_of_a_curve_fills_the_turns_of_every_number_of_slots_where_it_has_room() -> None:
    curve = replace(OPTIONS, command=SCALE, slot_counts=(2, 3, 7))
    assert planned(curve, SPIN).images % 42 == 0
    assert planned(replace(curve, chunks=(4,)), SPIN).images % 168 == 0
    short = planned(curve, replace(SLEEP, call_s=0.1)).images
    assert short < 42
    assert short % 7 == 0


def test_rounds_until_the_intervals_are_narrow_tell_the_most_calls_and_seconds() -> None:
    tried = replace(SPIN, call_s=0.002, tasks=20)
    for budget_s, fewest, most in ((600.0, 113, 113), (5.0, 28, 40)):
        plan = planned(replace(OPTIONS, rounds="auto", batch=20, budget_s=budget_s), tried)
        assert plan.function is not None
        assert fewest <= (plan.function.calls / plan.images - 1) / len(plan.cells) <= most
        told = introduction(plan, plan.function)
        assert "will be called up to about " in told
        assert "s (rounds of 20 inputs)" in told
    fixed = planned(replace(OPTIONS, budget_s=600.0), tried)
    assert fixed.function is not None
    assert "up to" not in introduction(fixed, fixed.function)


def test_the_calls_that_are_told_are_those_of_every_row() -> None:
    for tried in (SPIN, SLEEP, replace(SLEEP, asynchronous=True)):
        plan = planned(OPTIONS, tried)
        assert plan.function is not None
        assert plan.function.calls == plan.images * (len(plan.cells) * (plan.rounds + plan.warmup) + 1)


def test_a_batch_larger_than_the_inputs_is_refused() -> None:
    with pytest.raises(UsageError, match=r"--batch 13 is more than the 12 inputs; give no more"):
        planned(replace(OPTIONS, batch=13), replace(SPIN, tasks=12))


def test_a_small_budget_gives_batches_as_large_as_seven_rounds_allow_before_more_rounds() -> None:
    sizes = [
        planned(replace(OPTIONS, budget_s=15.0), replace(SPIN, call_s=ms / 1000)).images
        for ms in range(10, 70, 5)
    ]
    assert sizes == sorted(sizes, reverse=True)
    assert {8, 6, 4, 2} <= set(sizes)


def test_a_function_slower_than_the_budget_is_refused_with_the_least_that_would_do() -> None:
    slow = replace(SLEEP, call_s=20.0)
    with pytest.raises(
        UsageError, match=r"jobs:nap takes 20\.0 s an input, too long for --budget 60: .* give --budget "
    ) as refused:
        planned(replace(OPTIONS, budget_s=60.0), slow)
    least = float(str(refused.value).partition("give --budget ")[2].partition(",")[0])
    assert planned(replace(OPTIONS, budget_s=least), slow).rounds >= 7


def test_a_function_that_waits_is_tried_with_more_slots_than_processors() -> None:
    plan = planned(OPTIONS, SLEEP)
    assert plan.function is not None
    many = plan.function.many_slots
    assert many in (8, 16, 32)
    assert {(cell.strategy, cell.slots) for cell in plan.cells} >= {("threads", 2), ("threads", many)}
    assert plan.images % many == 0
    assert {cell.slots for cell in planned(OPTIONS, SPIN).cells} == {1, 2}


def test_both_sides_of_a_gate_have_the_same_rows_whether_or_not_a_version_waits() -> None:
    waits, computes = (planned(replace(OPTIONS, sides=2, chunks=(1,)), each).cells for each in (SLEEP, SPIN))
    assert waits == computes


def test_only_a_coroutine_is_run_by_asyncio() -> None:
    strategies = {cell.strategy for cell in planned(OPTIONS, SLEEP).cells}
    assert strategies == {"serial", "threads", "processes", "celery"}
    coroutine = planned(OPTIONS, replace(SLEEP, asynchronous=True)).cells
    assert {cell.slots for cell in coroutine if cell.strategy == "asyncio"} > {2}
    with pytest.raises(UsageError, match="name an async def of yours with --function"):
        check(Options(strategies=("asyncio",)))


def test_small_values_travel_in_the_message_and_large_ones_do_not() -> None:
    def transports(tried: Function) -> set[str | None]:
        return {cell.transport for cell in planned(OPTIONS, tried).cells}

    assert transports(SPIN) == {None, "pickle", "inline"}
    assert transports(replace(SPIN, out_bytes=1_000_000)) == {None, "pickle", "redis"}


@pytest.mark.parametrize("command", [RUN, SCALE])
def test_no_batch_has_more_inputs_than_the_answer_is_for(command: str) -> None:
    assert planned(replace(OPTIONS, command=command), replace(SPIN, tasks=5)).images == 5


@pytest.mark.parametrize("strategies", [(), ("celery",)])
@pytest.mark.parametrize("data", [("resident",), ("local", "resident")])
def test_resident_data_of_small_values_keeps_its_celery_rows(
    strategies: tuple[str, ...], data: tuple[Data, ...]
) -> None:
    cells = planned(replace(OPTIONS, data=data, strategies=strategies), SPIN).cells
    assert {(cell.transport, cell.data) for cell in cells if cell.distributed} == {
        ("redis", each) for each in data
    }


def test_a_sweep_of_the_chunk_has_inputs_for_its_largest() -> None:
    plan = planned(replace(OPTIONS, command=BREAKEVEN, axis="chunk"), SPIN)
    assert {cell.chunk for cell in plan.cells if cell.distributed} >= {1, 64}


def test_a_sweep_leaves_out_the_chunks_that_the_budget_has_no_batch_for() -> None:
    few = replace(SLEEP, call_s=0.05, count=200, tasks=200)
    for budget_s, largest in ((60.0, 8), (300.0, 32), (400.0, 64)):
        plan = planned(replace(OPTIONS, command=BREAKEVEN, axis="chunk", budget_s=budget_s), few)
        chunks = [cell.chunk or 1 for cell in plan.cells if cell.distributed]
        assert max(chunks) == largest
        assert largest <= plan.images // plan.slots < 2 * largest or largest == 64
        assert plan.rounds >= 7
        assert plan.function is not None
        assert plan.function.about_s <= budget_s
        assert plan.function.calls == plan.images * (len(plan.cells) * (plan.rounds + plan.warmup) + 1)


@pytest.mark.parametrize(
    ("asked", "tried", "says"),
    [
        ({"high": 64.0}, {}, r"7 rounds of 128 inputs in 11 rows take about \d+ s; give --budget \d+"),
        (
            {"high": 64.0, "batch": 18},
            {},
            "cannot go up to 64 tasks a message: a batch has 18 tasks for 2 slots; give --batch 128, or leave",
        ),
        ({"high": 64.0}, {"tasks": 50}, "give at least 128 inputs, or leave --to out"),
        ({"budget_s": 20.0}, {}, r"7 rounds of 16 inputs in 8 rows take about \d+ s; give --budget \d+"),
        (
            {},
            {"tasks": 3},
            "cannot go up to 8 tasks a message: a batch has 3 tasks for 2 slots; give at least 16",
        ),
    ],
)
def test_a_sweep_of_chunks_that_a_batch_does_not_have_is_refused_with_what_would_do(
    asked: dict[str, Any], tried: dict[str, int], says: str
) -> None:
    slow = replace(replace(SLEEP, call_s=0.05, tasks=200), **tried)
    with pytest.raises(UsageError, match=says):
        planned(replace(OPTIONS, command=BREAKEVEN, axis="chunk", **asked), slow)


def test_under_load_as_many_inputs_are_called_before_as_a_few_seconds_allow() -> None:
    options = replace(OPTIONS, command=LOAD, rates="10,20", duration_s=8.0, load_rounds=3)
    slow, quick = (planned(options, replace(SLEEP, call_s=call_s)) for call_s in (0.1, 0.001))
    assert (slow.images, quick.images) == (60, 200)  # 200 arrive in the 10 s of a sample at the higher rate
    assert planned(options, replace(SLEEP, call_s=60.0)).images == 1
    assert planned(replace(options, batch=13), SLEEP).images == 13
    assert quick.function is not None
    assert quick.function.calls == 200 + 3 * 3 * (100 + 200)
    assert quick.function.about_s == pytest.approx(9.0 + 0.2 + 3 * 3 * 2 * 10.0)
    assert {cell.transport for cell in quick.cells} == {None, "pickle", "inline"}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (Options(inputs="range(3)"), "--inputs has no effect without --function"),
        (Options(batch=3), "--batch has no effect without --function"),
        (Options(dry_run=True), "--dry-run has no effect without --function"),
        (
            Options(function="jobs:f"),
            "--function jobs:f needs --inputs: a .jsonl file, a text file, a folder",
        ),
        (Options(function="jobs:f", inputs=""), "--function jobs:f needs --inputs"),
        (Options(function="jobs", inputs="a"), "--function 'jobs' is not PKG.MOD:NAME"),
        (replace(OPTIONS, images=3), "--images is for pictures, and has no effect with --function"),
        (replace(OPTIONS, stages=("decode",)), "--stage is for pictures, and has no effect with --function"),
        (replace(OPTIONS, strategies=("vectorized",)), "vectorized does not apply to --function"),
        (replace(OPTIONS, command=BREAKEVEN), "--axis size sweeps our own stages"),
        (replace(OPTIONS, tasks=0), "--tasks 0 is out of range"),
    ],
)
def test_options_without_effect_are_refused(options: Options, says: str) -> None:
    with pytest.raises(UsageError) as refused:
        check(options)
    assert says in str(refused.value)


def test_asyncio_is_refused_for_a_function_that_is_no_coroutine() -> None:
    with pytest.raises(UsageError, match="jobs:nap is no async def, so --strategy asyncio cannot run it"):
        planned(replace(OPTIONS, strategies=("serial", "asyncio")), SLEEP)
    cells = planned(replace(OPTIONS, strategies=("asyncio",)), replace(SLEEP, asynchronous=True)).cells
    assert {cell.strategy for cell in cells} == {"asyncio"}
