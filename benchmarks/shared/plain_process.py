"""A process with the system's allocator, as a script or a notebook would have it."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

from benchmarks.shared.turns import each, stopwatch


class PlainProcess:
    """Runs a function over inputs in another process, and returns how long that took."""

    def __init__(
        self,
        function: Callable[[Any], object],
        inputs: Sequence[Any],
        check: Callable[[Any, Any], None] | None = None,
    ) -> None:
        """Args:
        function: of a module, so that it can be pickled.
        inputs: passed to it one by one.
        check: called once with each input and its output before anything is timed; raises if they do not match.
        """
        self._work = function, list(inputs), check

    def __enter__(self) -> Self:
        """Start the process and send it the inputs."""
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        self._connection.send(self._work)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process by closing its pipe."""
        self._connection.close()
        self._process.join()

    def seconds(self) -> float:
        """Do all inputs once and return the seconds."""
        self._connection.send_bytes(b"go")
        return float(self._connection.recv())


def _serve(connection: Connection) -> None:
    try:
        function, inputs, check = connection.recv()
        for one in inputs if check else ():
            check(one, function(one))
        seconds = stopwatch(each(function, inputs))
        while connection.recv_bytes():
            connection.send(seconds())
    except EOFError:
        return
