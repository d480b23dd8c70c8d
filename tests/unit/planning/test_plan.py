"""The plan that options are resolved to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.errors import UsageError
from orchestrator.model.runs import Cell
from orchestrator.phrases.cells import cell_name
from orchestrator.planning.options import BREAKEVEN, PROFILES, Options
from orchestrator.planning.plan import needs_fleet
from orchestrator.strategies import STRATEGIES, StrategyKind, load
from orchestrator.strategies.base import Strategy, make_strategy
from orchestrator.strategies.serial import Serial
from tests.unit.planning.planned import planned
from worker.payloads import TRANSPORTS
from worker.stages import DEFAULT_STAGES, STAGES


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_contains_every_stage_kernel_and_strategy(profile):
    cells = planned(Options(profile=profile)).cells
    assert {(cell.stage, cell.kernel) for cell in cells} == {
        (name, kernel) for name in DEFAULT_STAGES for kernel in STAGES[name].kernels
    }
    for stage in STAGES.values():
        assert stage.of_user or stage.best in stage.kernels
    assert {cell.strategy for cell in cells} == {
        name for name, kind in STRATEGIES.items() if not kind.asynchronous
    }


def test_a_cell_is_distributed_where_its_strategy_needs_a_fleet():
    for cell in planned(Options()).cells:
        assert cell.distributed == STRATEGIES[cell.strategy].distributed


class Backwards(Serial):
    """A strategy that a contributor adds."""


def test_a_new_strategy_needs_only_a_line_in_the_registry(monkeypatch):
    kind = StrategyKind("from the last task to the first", f"{__name__}:Backwards")
    monkeypatch.setitem(STRATEGIES, "backwards", kind)
    options = Options(strategies=("backwards",), stages=("decode",), kernels=("asarray",))
    cell, again = planned(options).cells
    assert cell == Cell("decode", "asarray", "backwards", 1) == again.original
    assert (cell.distributed, cell_name(cell)) == (False, "backwards")
    assert isinstance(make_strategy(cell, None), Backwards)


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_entry_of_the_registry_names_a_strategy_and_its_transports(name):
    kind = STRATEGIES[name]
    assert issubclass(load(kind.implementation), Strategy)
    assert all(transport.summary for transport in kind.transports.values())
    assert (set(kind.transports) == set(TRANSPORTS)) == kind.distributed


def test_a_strategy_outside_the_default_run_can_be_asked_for(monkeypatch):
    monkeypatch.setitem(STRATEGIES, "threads", replace(STRATEGIES["threads"], in_default_run=False))
    assert "threads" not in {cell.strategy for cell in planned(Options()).cells}
    assert {cell.strategy for cell in planned(Options(strategies=("threads",))).cells} == {"threads"}


def test_the_notebook_profile_is_the_workload_of_the_notebook():
    made = planned(Options(profile="notebook"))
    assert (made.images, made.width, made.height, made.slots) == (20, 800, 800, 4)


def test_every_cell_occurs_once_and_one_of_them_again():
    cells = planned(Options()).cells
    assert len(set(cells)) == len(cells)
    (again,) = [cell for cell in cells if cell.replica]
    assert again.original in cells
    assert again.strategy == "celery"


def test_without_celery_the_pair_is_in_process():
    cells = planned(Options(strategies=("serial",), stages=("decode",), kernels=("asarray",))).cells
    assert [(cell.strategy, cell.replica) for cell in cells] == [("serial", 0), ("serial", 1)]


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        (("download",), "download has no kernel numpy; it has requests, session"),
        (
            ("download", "pipeline"),
            "download, pipeline have no kernel numpy; they have requests, session, best",
        ),
    ],
)
def test_a_kernel_of_another_stage_is_refused_with_the_kernels_there_are(stages, said):
    with pytest.raises(UsageError, match=f"^{said}$"):
        planned(Options(stages=stages, kernels=("numpy",)))


def test_choices_narrow_the_cells():
    made = planned(
        Options(
            stages=("grayscale",),
            kernels=("numpy",),
            strategies=("celery", "vectorized"),
            transports=("inline", "files"),
            chunks=(1, 2),
            data=("local", "resident"),
            slots=3,
        )
    )
    places = [(c.strategy, c.slots, c.transport, c.chunk, c.data) for c in made.cells if not c.replica]
    assert ("vectorized", 1, None, None, None) in places
    assert ("celery", 3, "files", 2, "resident") in places
    assert ("celery", 3, "inline", 1, "local") in places
    assert not [place for place in places if place[2] == "inline" and place[4] == "resident"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Options(profile="fast"), "unknown profile 'fast'; choose from quick, notebook"),
        (Options(stages=("grey",)), "unknown stage 'grey'"),
        (Options("scale", kernels=("numpy",)), "^pipeline has no kernel numpy; it has best$"),
        (Options("scale", stages=("grey",)), "unknown stage 'grey'"),
        (Options(kernels=("nunpy",)), r"did you mean 'numpy'\?"),
        (
            Options(strategies=("celry",)),
            "choose from serial, threads, processes, vectorized, asyncio, celery",
        ),
        (Options(transports=("http",)), "choose from pickle, shared-memory, inline, redis, files"),
        (Options(data=("remote",)), "choose from local, resident"),
        (Options(images=0), "--images 0 is out of range; give a whole number from 1"),
        (Options(images=10**9), "--images 1000000000 is out of range"),
        (Options(slots=-1), "--slots -1"),
        (Options(rounds="0"), "--rounds 0"),
        (Options(rounds="many"), "--rounds 'many' is neither 'auto' nor a whole number from 1 to 4000"),
        (Options(rounds="auto", target=0.0), "--target 0"),
        (Options(rounds="auto", budget_s=0.0), "--budget 0"),
        (Options(warmup=-1), "--warmup -1"),
        (Options(chunks=(0,)), "--chunk 0"),
        (Options(size="800"), "--size '800' is not WIDTHxHEIGHT"),
        (Options(size="0x10"), "--size 0x10 is out of range; each side may be 8 to 8192 pixels"),
        (Options(size="9999999x1"), "sides of 8 to 8192"),
        (
            Options(size="8192x8192"),
            "--size 8192x8192 is too large; a picture may have up to 64000000 pixels",
        ),
        (Options(latency_ms=-1.0), "--latency-ms -1"),
        (Options(latency_ms=15_000.0), r"a latency of 15000 ms is more than a download waits \(10 s\)"),
        (
            Options(command=BREAKEVEN, axis="latency", high=30_000.0),
            r"a latency of 30000 ms is more than a download waits \(10 s\)",
        ),
        (Options(latency_ms=float("nan")), "--latency-ms nan"),
        (Options(bandwidth_mbit=0.0), "--bandwidth-mbit 0"),
        (Options(margin=0.0), "--margin 0"),
        (Options(seed=-1), "--seed -1"),
        (
            Options(data=("resident",), transports=("inline",)),
            "--data resident keeps payloads in a store, and",
        ),
        (
            Options(data=("resident",), transports=("inline", "files")),
            "--transport inline has none; add --data local, or leave --transport inline out",
        ),
        (
            Options(strategies=("serial", "vectorized"), stages=("decode",)),
            "--strategy vectorized can run no chosen kernel of decode",
        ),
        (Options(strategies=("vectorized",), stages=("download",)), "nothing is left to compare"),
    ],
)
def test_nonsense_is_refused_with_what_is_allowed(options, message):
    with pytest.raises(UsageError, match=message) as caught:
        planned(options)
    assert "\n" not in str(caught.value)


def test_the_default_number_of_slots_is_that_of_an_external_fleet():
    assert planned(Options(), fleet_slots=6).slots == 6
    assert planned(Options(slots=2), fleet_slots=6).slots == 2


def test_auto_rounds_have_a_target_and_a_budget_and_others_have_neither():
    auto = planned(Options(rounds="auto", target=0.1, budget_s=60.0))
    assert (auto.rounds, auto.target, auto.budget_s) == (112, 0.1, 60.0)
    fixed = planned(Options(rounds="9"))
    assert (fixed.rounds, fixed.target, fixed.budget_s) == (9, None, None)


def test_events_on_and_off_make_two_cells_of_celery_alone():
    asked = Options(stages=("decode",), kernels=("asarray",), chunks=(1,), events=("off", "on"))
    cells = [cell for cell in planned(asked).cells if not cell.replica]
    assert [cell.events for cell in cells if cell.strategy == "celery"] == ["on", "off"]
    assert {cell.events for cell in cells if cell.strategy != "celery"} == {None}


def test_events_stay_as_the_fleet_has_them_unless_asked_for():
    assert {cell.events for cell in planned(Options()).cells} == {None}


def test_events_are_on_or_off():
    with pytest.raises(UsageError, match=r"unknown events 'maybe'.*choose from on, off"):
        planned(Options(events=("maybe",)))


@pytest.mark.parametrize(
    ("options", "chunks"),
    [
        (Options(), [4]),
        (Options(slots=4), [2]),
        (Options(slots=100), [1]),
        (Options(profile="notebook"), [5]),
        (Options(images=100), [4]),
        (Options(chunks=(3, 7)), [3, 7]),
    ],
)
def test_processes_take_one_chunk_that_leaves_work_for_every_slot_unless_asked(options, chunks):
    options = replace(options, slots=options.slots or 2) if options.profile == "quick" else options
    cells = [cell for cell in planned(options).cells if cell.stage == "decode" and cell.kernel == "asarray"]
    for transport in ("pickle", "shared-memory"):
        assert [c.chunk for c in cells if (c.strategy, c.transport) == ("processes", transport)] == chunks
    threads = [cell.chunk for cell in cells if cell.strategy == "threads"]
    assert threads == (chunks if options.chunks else [1])


def test_a_strategy_that_has_none_of_the_transports_asked_for_keeps_its_own():
    cells = planned(Options(transports=("files", "pickle"))).cells
    for strategy, transports in {"celery": {"files"}, "processes": {"pickle"}, "threads": {None}}.items():
        assert {cell.transport for cell in cells if cell.strategy == strategy} == transports
    cells = planned(Options(transports=("files",))).cells
    assert {c.transport for c in cells if c.strategy == "processes"} == {"pickle", "shared-memory"}


@pytest.mark.parametrize("kernel", ["held", "released", "waiting"])
def test_a_sweep_of_the_work_by_its_kernel_alone_needs_workers(kernel):
    assert needs_fleet(Options(command=BREAKEVEN, axis="work", kernels=(kernel,)))


def test_strategies_that_run_in_process_alone_need_none():
    assert not needs_fleet(Options(strategies=("serial", "threads")))
