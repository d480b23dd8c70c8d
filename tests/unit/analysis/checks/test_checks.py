from collections.abc import Sequence
from dataclasses import replace

import pytest

from orchestrator.analysis.checks import CHECKS, warnings
from orchestrator.model import runs
from orchestrator.model.environment import Broker, Load, Preflight
from orchestrator.model.runs import CellResult, Run, TaskFailure
from tests.load_examples import at_rate, load_run
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
SLOWED = [1.0, 1.01, 0.99] * 7 + [1.15, 1.16, 1.14] * 7
WAVES = [1.0, 1.01, 1.02, 1.01, 1.11, 1.12, 1.13, 1.11, 1.05, 1.04, 1.06, 1.05] * 2


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
    gone = replace(whole.samples[2], disturbed="worker slot1@embedded died")
    return run_of(replace(whole, samples=samples, disturbed=(gone,)))


def of_lengths(cell: runs.Cell, *slots_seen: int) -> Run:
    """A sweep of the work with tasks of 1 ms, 2 ms and so on, in which so many slots worked."""
    lengths = [
        result(replace(cell, work_s=number / 1000), STEADY, slots_seen=seen)
        for number, seen in enumerate(slots_seen, 1)
    ]
    run = run_of(*lengths)
    return replace(run, plan=replace(run.plan, axis="work"))


FIRES: list[tuple[str, Run]] = [
    ("incomplete", run_of(result(SERIAL, STEADY), complete=False)),
    ("incomplete", run_of(result(SERIAL, STEADY), planned=[REDIS])),
    ("unsound", run_of(result(SERIAL, STEADY, lost=1))),
    ("unsound", run_of(result(SERIAL, STEADY, duplicated=1))),
    ("unsound", run_of(result(SERIAL, STEADY, wrong=1))),
    ("disturbed", upset(0, 1, 2, 3, 4, 5, 6)),
    ("open loops disturbed", load_run(at_rate(THREADS, 20.0, 0.02, disturbed="a worker died"))),
    ("late generator", load_run(at_rate(THREADS, 20.0, 0.02, lag_s=0.011))),
    ("failed tasks", failing()),
    ("not compared", run_of(result(SERIAL, STEADY), result(REDIS, STEADY, ok=7, failed=1))),
    ("not compared", run_of(result(SERIAL, STEADY, ok=0, failed=8))),
    ("too few rounds", run_of(result(SERIAL, STEADY[:6]))),
    ("A/A differs", run_at({SERIAL: 1.0, SERIAL_AGAIN: 1.06})),
    ("A/A differs", run_at({SERIAL: 1.0, SERIAL_AGAIN: 0.94})),
    ("spread", run_of(result(SERIAL, [1.0, 1.2, 0.8, 1.1, 0.9, 1.3, 0.7]))),
    ("spread", run_of(result(SERIAL, [1.0] * 7), result(REDIS, [1.0, 1.2, 0.8, 1.1, 0.9, 1.3, 0.7]))),
    ("dependent rounds", run_of(result(SERIAL, [1.0] * 24), result(REDIS, WAVES))),
    ("step change", run_of(result(SERIAL, SLOWED), result(REDIS, SLOWED))),
    ("step change", run_of(result(SERIAL, SLOWED[::-1]))),
    ("drift", run_of(result(SERIAL, RISING), result(THREADS, RISING))),
    ("drift", run_of(result(SERIAL, RISING[::-1]))),
    ("timer", run_of(result(SERIAL, STEADY), preflight=Preflight(timer_resolution_s=0.001))),
    ("other load", loaded(other=0.11)),
    ("steal time", loaded(steal=0.03)),
    ("cgroup throttling", loaded(throttled_s=0.5)),
    ("CPU frequency", loaded(mhz=2600.0)),
    ("slots unseen", run_of(result(REDIS, STEADY, slots_seen=1))),
    ("slots unseen", of_lengths(REDIS, 1, 2, 1)),
    ("clock bound", served(clock_bound_s=0.0011)),
    ("hops beyond bound", served(beyond_bound=1)),
    ("eviction unknown", stored(Broker("redis", "8.0.0", embedded=False, evicts=None))),
    ("eviction unknown", stored(SAFE, Broker("redis", "8.0.0", embedded=False, evicts=None))),
]

QUIET_RUNS: list[tuple[str, Run]] = [
    ("incomplete", run_of(result(SERIAL, STEADY))),
    ("unsound", run_of(result(SERIAL, STEADY, ok=7, failed=1))),
    ("disturbed", run_of(result(SERIAL, STEADY))),
    ("open loops disturbed", load_run()),
    ("late generator", load_run(at_rate(THREADS, 20.0, 0.02, lag_s=0.009))),
    ("failed tasks", run_of(result(SERIAL, STEADY))),
    ("not compared", failing()),
    ("too few rounds", run_of(result(SERIAL, STEADY))),
    ("too few rounds", run_of(complete=False, planned=[SERIAL])),
    ("A/A differs", run_at({SERIAL: 1.0, SERIAL_AGAIN: 1.04})),
    ("A/A differs", run_at({SERIAL: 1.0, THREADS: 9.0})),
    (
        "spread",
        run_of(result(SERIAL, [1.0 + 0.01 * (7 * round_ % 41) for round_ in range(41)])),
    ),  # far apart, but many
    (
        "spread",
        run_of(result(SERIAL, [1.0] * 7), result(REDIS, [9.0, 12, 8, 11, 9, 13, 7])),
    ),  # wide, and decided
    ("dependent rounds", run_of(result(SERIAL, [1.0] * 24), result(REDIS, [1.0, 1.1] * 12))),
    (
        "dependent rounds",
        run_of(result(SERIAL, [1.0] * 7), result(REDIS, [1.0, 1.1, 1.1, 1.0, 1.0, 1.1, 1.0])),
    ),
    ("step change", run_of(result(SERIAL, SLOWED), result(REDIS, SLOWED[::-1]))),  # not everything
    ("step change", run_of(result(SERIAL, [1.0 + 0.02 * round_ for round_ in range(40)]))),  # a drift
    ("drift", run_of(result(SERIAL, SLOWED))),  # a step
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
    ("slots unseen", of_lengths(REDIS, 1, 1, 2)),
    ("slots unseen", of_lengths(THREADS, 1, 1, 1)),
    ("clock bound", served(clock_bound_s=0.0009)),
    ("clock bound", served(clock_bound_s=None)),
    ("hops beyond bound", served()),
    ("eviction unknown", stored(SAFE)),
    ("eviction unknown", stored(SAFE, SAFE)),
]


@pytest.mark.parametrize(("kind", "run"), FIRES)
def test_a_run_with_the_weakness_has_the_warning(kind: str, run: Run) -> None:
    assert kind in kinds(run)


@pytest.mark.parametrize(("kind", "run"), QUIET_RUNS)
def test_a_run_just_within_the_limit_has_no_warning(kind: str, run: Run) -> None:
    assert kind not in kinds(run)


def test_every_check_has_runs_that_warn_and_runs_that_do_not() -> None:
    assert len(CHECKS) == len({kind for kind, _ in FIRES}) == len({kind for kind, _ in QUIET_RUNS})


def test_a_good_run_has_no_warnings() -> None:
    run = run_at({SERIAL: 1.0, SERIAL_AGAIN: 1.0, THREADS: 0.6, REDIS: 2.0})
    assert warnings(replace(run, loads=tuple(QUIET), preflight=Preflight(1e-7))) == ()


def test_a_machine_without_load_figures_gives_no_warnings() -> None:
    assert kinds(run_of(result(SERIAL, STEADY), loads=[Load(round_) for round_ in range(7)])) == []


def test_drift_of_all_cells_is_not_hidden_by_one_that_lacks_rounds() -> None:
    assert "drift" in kinds(run_of(result(SERIAL, RISING), result(THREADS, RISING), result(REDIS, [5.0] * 2)))


def test_a_run_without_samples_is_only_incomplete() -> None:
    def empty(cells: Sequence[runs.Cell]) -> Run:
        return run_of(*(CellResult(cell, None) for cell in cells), complete=False)

    assert kinds(empty([SERIAL, REDIS])) == ["incomplete"]
