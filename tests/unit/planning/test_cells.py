"""Cells of a strategy, as its entry in the registry has them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.errors import UnavailableError
from orchestrator.planning.cells import cells_of, embedded_workers, pools_of_fleet, repeated
from orchestrator.planning.option_checks import check
from orchestrator.planning.options import Options
from orchestrator.planning.plan import resolve
from orchestrator.strategies import STRATEGIES
from tests.unit.planning.planned import planned


def ways(**options) -> list[tuple]:
    """Return transport, chunk and data of every cell of threads."""
    asked = Options(stages=("decode",), kernels=("asarray",), strategies=("threads",), **options)
    return [(cell.transport, cell.chunk, cell.data) for cell in cells_of(asked, 2)]


@pytest.fixture
def _with_transports(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = replace(STRATEGIES["threads"], chunks=True, transport_registry=f"{__name__}:MADE_UP")
    monkeypatch.setitem(STRATEGIES, "threads", kind)


MADE_UP = {"by-hand": None, "by-post": None}


@pytest.mark.usefixtures("_with_transports")
def test_an_in_process_strategy_has_its_own_transports_and_chunks():
    assert ways(chunks=(4,)) == [("by-hand", 4, None), ("by-post", 4, None)]
    assert ways(chunks=(1, 2), transports=("by-post",)) == [("by-post", 1, None), ("by-post", 2, None)]


@pytest.mark.usefixtures("_with_transports")
def test_a_transport_of_another_strategy_leaves_a_strategy_as_it_is():
    assert ways(chunks=(4,), transports=("redis",)) == ways(chunks=(4,))


def test_other_pools_than_celerys_own_are_compared_only_when_asked_for():
    def pools(*asked: str) -> list[str | None]:
        options = Options(stages=("decode",), kernels=("asarray",), chunks=(1,), pools=asked)
        return [cell.pool for cell in cells_of(options, 2) if cell.distributed]

    assert pools() == ["prefork"]
    assert pools("threads", "prefork") == ["prefork", "threads"]


def test_the_same_cell_is_measured_twice_in_the_first_pool():
    cells = list(cells_of(Options(stages=("decode",), pools=("prefork", "solo")), 2))
    assert repeated(cells).pool == "prefork"


def test_a_pool_of_threads_is_one_worker_for_each_number_of_slots():
    plan = planned(Options("scale", slot_counts=(1, 2, 4), pools=("prefork", "solo", "threads")))
    single, more = embedded_workers(plan)
    assert single == 4
    assert more == [("solo", 1)] * 4 + [("threads", 1), ("threads", 2), ("threads", 4)]


def test_the_pool_of_a_fleet_is_what_its_workers_say():
    assert pools_of_fleet(Options(), {"solo": 2}).pools == ("solo",)
    assert pools_of_fleet(Options(), {"solo": 2, "prefork": 2}).pools == ("prefork",)
    assert pools_of_fleet(Options(pools=("solo",)), {"solo": 2, "prefork": 2}).pools == ("solo",)
    with pytest.raises(
        UnavailableError, match=r"no worker on this broker has pool threads \(they have solo\)"
    ):
        pools_of_fleet(Options(pools=("threads",)), {"solo": 2})


def test_only_an_end_to_end_stage_has_idiomatic_rows_and_none_where_ways_are_asked_for():
    def idiomatic(**asked) -> list[tuple]:
        cells = planned(Options(**asked)).cells
        return [
            (each.stage, each.strategy, each.transport, each.chunk)
            for each in cells
            if each.style == "idiomatic"
        ]

    assert idiomatic() == [("pipeline", "processes", "pickle", 1), ("pipeline", "celery", "inline", 1)]
    assert idiomatic(stages=("decode",)) == idiomatic(chunks=(2,)) == idiomatic(transports=("redis",)) == []
    assert idiomatic(strategies=("serial", "celery")) == [("pipeline", "celery", "inline", 1)]
    assert not any(each.style == "idiomatic" and each.replica for each in planned(Options()).cells)


def test_slow_kernels_of_the_quick_profile_have_small_pictures_unless_they_are_asked_for():
    def sizes(**asked) -> dict[str, tuple]:
        plan = planned(Options(stages=("decode", "grayscale"), **asked))
        return {each.kernel: (each.width, each.height) for each in plan.cells}

    small, usual = (128, 96), (None, None)
    assert sizes() == {"getdata": small, "asarray": usual, "loop": small, "numpy": usual}
    assert sizes(kernels=("loop",)) == {"loop": usual}
    assert sizes(size="64x48") == sizes(profile="notebook") == dict.fromkeys(sizes(), usual)


def test_slow_kernels_are_left_out_of_pictures_that_have_their_own_size(tmp_path):
    (tmp_path / "a.jpg").touch()
    options, notes = Options(source=str(tmp_path)), []
    plan = resolve(options, check(options), None, notes.append)
    assert {each.kernel for each in plan.cells}.isdisjoint({"getdata", "loop"})
    assert "getdata and loop are left out, because a picture may take them seconds" in notes[0]
    assert "--kernel getdata --kernel loop" in notes[0]


def test_what_waits_is_also_compared_on_more_slots_than_processors(monkeypatch):
    def many(**asked) -> list[tuple]:
        cells = planned(Options(**asked)).cells
        return [(each.stage, each.strategy, each.slots, each.chunk) for each in cells if each.slots > 2]

    monkeypatch.setattr("orchestrator.planning.plan.usable_cpus", lambda: 2)
    assert many() == [("pipeline", "threads", 4, 1), ("pipeline", "celery", 4, 1)]
    assert many(slots=2) == many(chunks=(1,)) == []
    assert embedded_workers(planned(Options())) == (2, [("prefork", 2)])
