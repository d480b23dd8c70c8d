"""Cells of a strategy, as its entry in the registry has them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.planning.cells import cells_of
from orchestrator.planning.options import Options
from orchestrator.strategies import STRATEGIES


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
