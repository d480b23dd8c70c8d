from collections.abc import Sequence
from dataclasses import replace

import pytest

from orchestrator.analysis import checks
from orchestrator.analysis.checks import CHECKS
from orchestrator.model import runs
from orchestrator.model.environment import Broker, Load, Preflight
from orchestrator.model.runs import CellResult, Run, TaskFailure
from orchestrator.phrases.warnings import WarningText, warning_text
from tests.unit.analysis.made_runs import (
    HOPS,
    REDIS,
    SERIAL,
    SERIAL_AGAIN,
    STEADY,
    THREADS,
    result,
    run_at,
    run_of,
)

QUIET = [Load(round_, other=0.02, steal=0.0, throttled_s=0.0, mhz=3000.0) for round_ in range(7)]
RISING = [1.0, 1.03, 1.06, 1.09, 1.12, 1.15, 1.18]


def warnings(run: Run) -> tuple[WarningText, ...]:
    return tuple(map(warning_text, checks.warnings(run)))


def kinds(run: Run) -> list[str]:
    return [warning.kind for warning in warnings(run)]


def loaded(**last: float) -> Run:
    """A quiet run whose last round had this load."""
    return run_of(result(SERIAL, STEADY), loads=[*QUIET[:-1], replace(QUIET[-1], **last)])


def served(**hops: object) -> Run:
    return run_of(result(REDIS, STEADY, hops=replace(HOPS, **hops), slots_seen=2))


def failing() -> Run:
    failure = TaskFailure(3, "UnidentifiedImageError", "cannot identify image")
    return run_of(replace(result(SERIAL, STEADY, ok=7, failed=1), failures=(failure,)))


SAFE = Broker("redis", "8.0.0", embedded=False)


def stored(broker: Broker, payload_store: Broker | None = None) -> Run:
    run = run_of(result(REDIS, STEADY, slots_seen=2))
    return replace(run, environment=replace(run.environment, broker=broker, payload_store=payload_store))


def upset(*rounds_left: int) -> Run:
    """The third round's sample was disturbed; these rounds have an undisturbed one."""
    whole = result(SERIAL, STEADY)
    samples = tuple(each for each in whole.samples if each.round in rounds_left)
    befallen = replace(whole.samples[2], disturbed="worker slot1@embedded died")
    return run_of(replace(whole, samples=samples, disturbed=(befallen,)))


FIRES: list[tuple[str, Run]] = [
    ("incomplete", run_of(result(SERIAL, STEADY), complete=False)),
    ("incomplete", run_of(result(SERIAL, STEADY), planned=[REDIS])),
    ("unsound", run_of(result(SERIAL, STEADY, lost=1))),
    ("unsound", run_of(result(SERIAL, STEADY, duplicated=1))),
    ("unsound", run_of(result(SERIAL, STEADY, wrong=1))),
    ("disturbed", upset(0, 1, 2, 3, 4, 5, 6)),
    ("failed tasks", failing()),
    ("not compared", run_of(result(SERIAL, STEADY), result(REDIS, STEADY, ok=7, failed=1))),
    ("not compared", run_of(result(SERIAL, STEADY, ok=0, failed=8))),
    ("too few rounds", run_of(result(SERIAL, STEADY[:4]))),
    ("A/A differs", run_at({SERIAL: 1.0, SERIAL_AGAIN: 1.06})),
    ("A/A differs", run_at({SERIAL: 1.0, SERIAL_AGAIN: 0.94})),
    ("spread", run_of(result(SERIAL, [1.0, 1.2, 0.8, 1.1, 0.9, 1.3, 0.7]))),
    ("drift", run_of(result(SERIAL, RISING), result(THREADS, RISING))),
    ("drift", run_of(result(SERIAL, RISING[::-1]))),
    ("timer", run_of(result(SERIAL, STEADY), preflight=Preflight(timer_resolution_s=0.001))),
    ("other load", loaded(other=0.11)),
    ("steal time", loaded(steal=0.03)),
    ("cgroup throttling", loaded(throttled_s=0.5)),
    ("CPU frequency", loaded(mhz=2600.0)),
    ("slots unseen", run_of(result(REDIS, STEADY, slots_seen=1))),
    ("clock bound", served(clock_bound_s=0.0011)),
    ("hops beyond bound", served(beyond_bound=1)),
    ("eviction unknown", stored(Broker("redis", "8.0.0", embedded=False, evicts=None))),
    ("eviction unknown", stored(SAFE, Broker("redis", "8.0.0", embedded=False, evicts=None))),
]

QUIET_RUNS: list[tuple[str, Run]] = [
    ("incomplete", run_of(result(SERIAL, STEADY))),
    ("unsound", run_of(result(SERIAL, STEADY, ok=7, failed=1))),
    ("disturbed", run_of(result(SERIAL, STEADY))),
    ("failed tasks", run_of(result(SERIAL, STEADY))),
    ("not compared", failing()),
    ("too few rounds", run_of(result(SERIAL, STEADY[:5]))),
    ("too few rounds", run_of(complete=False, planned=[SERIAL])),
    ("A/A differs", run_at({SERIAL: 1.0, SERIAL_AGAIN: 1.04})),
    ("A/A differs", run_at({SERIAL: 1.0, THREADS: 9.0})),
    ("spread", run_of(result(SERIAL, [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 9.0]))),
    ("spread", run_of(result(SERIAL, [1.0]))),
    ("drift", run_of(result(SERIAL, [1.0 + 0.001 * round_ for round_ in range(7)]))),  # sure, and small
    ("drift", run_of(result(SERIAL, [1.3, 1.0, 1.2, 0.9, 1.1, 1.4, 0.8]))),  # large, and chance
    ("drift", run_of(result(SERIAL, RISING[:4]))),
    ("timer", run_of(result(SERIAL, STEADY), preflight=Preflight(timer_resolution_s=0.0009))),
    ("other load", loaded()),
    ("steal time", loaded()),
    ("cgroup throttling", loaded()),
    ("CPU frequency", loaded(mhz=2800.0)),
    ("slots unseen", run_of(result(REDIS, STEADY, slots_seen=2))),
    ("slots unseen", run_of(result(replace(REDIS, slots=3), STEADY, slots_seen=2))),  # 2 messages for 3 slots
    ("slots unseen", run_of(result(REDIS, STEADY))),
    ("clock bound", served(clock_bound_s=0.0009)),
    ("clock bound", served(clock_bound_s=None)),
    ("hops beyond bound", served()),
    ("eviction unknown", stored(SAFE)),
    ("eviction unknown", stored(SAFE, SAFE)),
]


@pytest.mark.parametrize(("kind", "run"), FIRES)
def test_warning_fires(kind: str, run: Run) -> None:
    assert kind in kinds(run)


@pytest.mark.parametrize(("kind", "run"), QUIET_RUNS)
def test_warning_keeps_quiet(kind: str, run: Run) -> None:
    assert kind not in kinds(run)


def test_every_check_is_shown_to_fire_and_to_keep_quiet() -> None:
    assert len(CHECKS) == len({kind for kind, _ in FIRES}) == len({kind for kind, _ in QUIET_RUNS})


def test_a_hop_below_nothing_is_not_said_to_take_time() -> None:
    (warning,) = (
        each for each in warnings(served(queue_s=-0.002, clock_bound_s=0.005)) if each.kind == "clock bound"
    )
    assert "spends less than nothing, within that bound, in queue or return" in warning.message


def test_a_disturbed_sample_is_named_with_its_round_and_cause_and_what_is_left_to_do() -> None:
    (taken_again,) = [each for each in warnings(upset(*range(7))) if each.kind == "disturbed"]
    assert taken_again.message == (
        "1 sample disturbed (grayscale, serial with numpy, round 3: worker slot1@embedded died)"
    )
    assert "nothing to do" in taken_again.remedy
    (missing,) = [each for each in warnings(upset(0, 1, 3, 4, 5, 6)) if each.kind == "disturbed"]
    assert missing.remedy.startswith("round 3 of grayscale, serial with numpy has no figure")


def test_a_disturbed_sample_that_lost_tasks_says_why_the_run_ends_with_1() -> None:
    run = upset(*range(7))
    (whole,) = run.cells
    lossy = replace(whole, disturbed=tuple(replace(each, lost=2) for each in whole.disturbed))
    (told,) = [each for each in warnings(run_of(lossy)) if each.kind == "disturbed"]
    assert told.remedy.endswith(
        "but they lost 2 tasks, so the run ends with exit code 1: find out what broke"
    )


def test_messages_that_ran_out_of_time_are_remedied_by_a_smaller_chunk_or_a_longer_limit() -> None:
    run = upset(0, 1, 3, 4, 5, 6)
    timed_out = TaskFailure(3, "TimeLimitExceeded", "TimeLimitExceeded: TimeLimitExceeded(120,)")
    run = replace(run, cells=tuple(replace(each, failures=(timed_out,)) for each in run.cells))
    (warning,) = [each for each in warnings(run) if each.kind == "disturbed"]
    assert "with a smaller --chunk, or raise BREAKEVEN_TASK_TIME_LIMIT_S of the workers" in warning.remedy


def test_a_good_run_has_no_warnings() -> None:
    run = run_at({SERIAL: 1.0, SERIAL_AGAIN: 1.0, THREADS: 0.6, REDIS: 2.0})
    assert warnings(replace(run, loads=tuple(QUIET), preflight=Preflight(1e-7))) == ()


def test_a_machine_that_tells_nothing_gives_no_warnings() -> None:
    assert kinds(run_of(result(SERIAL, STEADY), loads=[Load(round_) for round_ in range(7)])) == []


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (loaded(other=0.32), "other processes took more than 10 % of the CPU in 1 of 7 rounds, up to 32 %"),
        (loaded(throttled_s=0.5), "a CPU quota held the run back for 0.5 s in 1 round"),
        (loaded(mhz=2600.0), "the CPU's mean frequency went from 2600 to 3000 MHz between rounds"),
        (
            run_of(result(SERIAL, RISING), result(THREADS, RISING)),
            "from the first round to the last, times rose by 18 %",
        ),
        (
            run_of(result(REDIS, STEADY, lost=1, ok=7), result(SERIAL, STEADY)),
            "1 cell (grayscale, Celery with numpy on 2 slots (redis, chunk 4)): 7 tasks lost, 0 ended twice, "
            "0 outputs wrong",
        ),
        (
            failing(),
            "7 tasks failed in 1 cell (grayscale, serial with numpy), first with UnidentifiedImageError: "
            "cannot identify image",
        ),
        (
            run_of(result(REDIS, STEADY, slots_seen=1)),
            "fewer slots worked than were asked for in 1 cell "
            "(grayscale, Celery with numpy on 2 slots (redis, chunk 4)): 1 of 2 in the first",
        ),
        (served(beyond_bound=2), "14 of 56 tasks have a hop more negative than the clocks' bound explains"),
    ],
)
def test_message_holds_the_figures(run: Run, message: str) -> None:
    assert message in [warning.message for warning in warnings(run)]


def test_every_warning_says_what_to_do() -> None:
    for _, run in FIRES:
        for warning in warnings(run):
            assert warning.remedy


@pytest.mark.parametrize(
    ("cell", "remedy"),
    [
        (THREADS, "give each slot more work with --images"),
        (
            REDIS,
            "look whether workers are missing ('orchestrator doctor'), or give each slot more work with --images",
        ),
    ],
)
def test_workers_are_looked_for_only_where_there_are_some(cell: runs.Cell, remedy: str) -> None:
    found = warnings(run_of(result(cell, STEADY, slots_seen=1)))
    assert [each.remedy for each in found if each.kind == "slots unseen"] == [remedy]


def test_drift_of_all_cells_is_not_hidden_by_one_that_lacks_rounds() -> None:
    assert "drift" in kinds(run_of(result(SERIAL, RISING), result(THREADS, RISING), result(REDIS, [5.0] * 2)))


def test_no_samples_at_all_is_incomplete_and_nothing_else() -> None:
    def empty(cells: Sequence[runs.Cell]) -> Run:
        return run_of(*(CellResult(cell, None) for cell in cells), complete=False)

    assert kinds(empty([SERIAL, REDIS])) == ["incomplete"]
