"""A process of its own with the allocator as the system has it: what a script or a notebook would run in."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

from benchmarks.shared.turns import each, stopwatch


class PlainProcess:
    """Does a function over inputs that it was given once, and says how long that took."""

    def __init__(
        self,
        function: Callable[[Any], object],
        inputs: Sequence[Any],
        check: Callable[[Any, Any], None] | None = None,
    ) -> None:
        """Nothing starts before the context is entered.

        Args:
            function: a module's own.
            inputs: what it is given, one after the other.
            check: is given an input and its output, for each once before the first time it is timed; raises
                if they do not belong together, which ends the process.
        """
        self._work = function, list(inputs), check

    def __enter__(self) -> Self:
        """Start the process and hand it the inputs."""
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
        """Do all inputs once."""
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
