"""`asyncio`: coroutines that take turns in one thread; gains where they wait."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Coroutine, Generator, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeAlias

from orchestrator.errors import UsageError
from orchestrator.strategies.base import Strategy
from worker.contract import Failure, Outcome, Task
from worker.execution import describe
from worker.functions import allowed

CoroutineFunction: TypeAlias = Callable[[Any], Coroutine[Any, Any, Any]]


class Asyncio(Strategy):
    """Runs up to `slots` coroutines at a time, on an event loop that stays from batch to batch."""

    def __enter__(self) -> Self:
        """Make the event loop."""
        self._runner = asyncio.Runner()
        self._loop = self._runner.get_loop()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cancel what still runs, and close the loop."""
        self._runner.close()

    def run(self, tasks: Sequence[Task]) -> Generator[Outcome, None, None]:
        """Do the batch; closing the generator cancels the coroutines that run."""
        coroutines = {task.kernel: _coroutine_of(task.kernel) for task in tasks}
        ended: asyncio.Queue[Outcome] = asyncio.Queue()
        waiting = iter(tasks)
        host = f"{socket.gethostname()}:{os.getpid()}:coroutine"
        slots = [
            self._loop.create_task(_slot(waiting, coroutines, f"{host}_{number}", ended))
            for number in range(min(self.slots, len(tasks)))
        ]
        try:
            for _ in tasks:
                yield self._loop.run_until_complete(ended.get())
        finally:
            for slot in slots:
                slot.cancel()
            self._loop.run_until_complete(asyncio.gather(*slots, return_exceptions=True))


async def _slot(
    waiting: Iterator[Task],
    coroutines: Mapping[str, CoroutineFunction],
    name: str,
    ended: asyncio.Queue[Outcome],
) -> None:
    """Do one task after the other until none is waiting."""
    for task in waiting:
        ended.put_nowait(await _execute(task, coroutines[task.kernel], name))


async def _execute(task: Task, coroutine: CoroutineFunction, slot: str) -> Outcome:
    """Run one task's coroutine; it has no hops, because coroutines share the thread and its processor time."""
    output = None
    failure: Failure | None = None
    try:
        output = await coroutine(task.payload)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it raises is that task's failure
        failure = describe(error)
    return Outcome(task.id, output, failure, None, slot)


def _coroutine_of(name: str) -> CoroutineFunction:
    function = allowed(name)
    if function.coroutine is None:
        raise UsageError(f"{name} is no coroutine, so asyncio cannot run it; choose another --strategy")
    return function.coroutine
