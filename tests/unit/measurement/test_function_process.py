from __future__ import annotations

import signal
from multiprocessing import Pipe
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from orchestrator import signals
from orchestrator.fleet.child_processes import ChildProcesses
from orchestrator.measurement.function_process import FunctionProcess
from worker.values import decode, encode


@pytest.mark.parametrize("deferred", [True, False])
def test_an_interrupt_while_progress_is_shown_leaves_what_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deferred: bool
) -> None:
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(signals, "_requested", False)
    if deferred:  # as on the command line; in a notebook it is Python's own handler
        signal.signal(signal.SIGINT, signals._request)
    ours, theirs = Pipe()
    process = FunctionProcess(
        cast(ChildProcesses, SimpleNamespace(folder=tmp_path, pids={})), "jobs:job", "[1]"
    )
    process._connection = ours
    theirs.send_bytes(encode({"progress": [1.0, 0.1, 0]}))
    if not deferred:
        theirs.send_bytes(encode({"progress": [1.5, 0.1, 0]}))
    shown: list[tuple[Any, ...]] = []

    def show(*progress: Any) -> None:
        shown.append(progress)
        theirs.send_bytes(encode({"value": "the sample"}))
        signal.raise_signal(signal.SIGINT)

    try:
        assert process.ask("open_loop", 5.0, show) == "the sample"
    finally:
        signal.signal(signal.SIGINT, before)
    assert decode(theirs.recv_bytes())["do"] == "open_loop"
    assert shown == [(1.0, 0.1, 0)]
