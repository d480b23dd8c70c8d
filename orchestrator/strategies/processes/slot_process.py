"""A slot process as the orchestrator sees it: started, given tasks, heard, ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections import deque
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

import msgpack

from orchestrator.strategies.base import Row
from orchestrator.strategies.processes.answers import read
from orchestrator.strategies.processes.outputs import Outputs
from orchestrator.strategies.processes.slot_program import BEGUN, DONE, LANES, NO_HURRY
from orchestrator.strategies.processes.starting import anonymous_file, started
from worker.arena import FIRST_BYTES, Arena, Place, put
from worker.contract import LOST, Failure, Outcome, Task

UNNEEDED_AT_ONCE = 256
"""Cells given back with one message, so that no message ever fills the socket."""

UNSENT = 32
"""Orders that wait for each other; putting as many into shared memory takes less than a task of a millisecond."""

AHEAD_BYTES = 1 << 20
"""Payloads that a slot may have before its third task: small tasks are sent many at a time, pictures are not."""

END_S = 2.0
"""By then a slot whose socket was closed is gone, or is killed."""


@dataclass(slots=True)
class _Lane:
    """Room for a task that a slot has, with what was last ordered there.

    Without the task once nobody waits for its outcome.
    """

    number: int
    stage: str = ""
    kernel: str = ""
    place: Place | None = None
    nbytes: int = 0
    task: Task | None = None


class SlotProcess:
    """One slot process with its control socket and its two shared files; it starts at once.

    It takes a few tasks and does them in order; `ready` tells whether it has answered at all.
    """

    def __init__(self) -> None:
        """Start the process, without waiting for it.

        Raises:
            OSError: there are no processes, files or memory left.
        """
        with ExitStack() as undo:
            self._control, theirs = socket.socketpair()
            undo.callback(self._control.close)
            with theirs:
                inputs, outputs = (anonymous_file(undo) for _ in range(2))
                self._inputs = Arena(inputs)
                os.ftruncate(outputs, FIRST_BYTES)
                self._outputs = Outputs(outputs)
                self._process = started(theirs.fileno(), inputs, outputs)
            undo.pop_all()
        self.pid = self._process.pid
        self.ready = False
        self.since = time.monotonic()
        self._name = f"{socket.gethostname()}:{self.pid}"
        self._packer, self._messages = msgpack.Packer(), msgpack.Unpacker(use_list=False)
        self._unsent: list[int] = []
        """Lanes whose tasks are to be sent."""
        self._news: list[Any] = []
        """An order for each of them whose last one was another."""
        self._ahead_bytes = 0
        self._lanes = [_Lane(number) for number in range(LANES)]
        self._flying: deque[_Lane] = deque()
        self._reason: str | None = None
        self.is_given_up = False

    def fileno(self) -> int:
        """The control socket's descriptor, readable when there is something to `receive`."""
        return self._control.fileno()

    def __len__(self) -> int:
        """How many tasks it has, those that were taken back included until it has said so."""
        return len(self._flying)

    @property
    def has_room(self) -> bool:
        """Whether it may be given another task: it always has one behind the one that it does."""
        return len(self._flying) < 2 or (bool(self._lanes) and self._ahead_bytes < AHEAD_BYTES)

    @property
    def is_hungry(self) -> bool:
        """Whether it is time for new tasks: small ones are sent once half of them are done."""
        return self.ready and self.has_room and len(self._flying) <= LANES // 2

    def send(self, task: Task) -> None:
        """Copy the payload into shared memory and queue the task.

        It leaves at once if the slot has no other, and with others when a few are queued, so that the slot goes on.

        A slot that is gone shows when it is heard.

        Raises:
            TypeError: the payload cannot be shared.
            OSError: there is no memory left for it.
        """
        lane = self._lanes[-1]  # which stays there if its payload is refused
        place = put(self._inputs, task.payload, lane.place)
        self._lanes.pop()
        number = lane.number
        self._inputs.mapping[2 * number : 2 * number + 2] = b"\0\0"
        idle = not self._flying
        # First of all, so that an interrupt in between leaves a slot that is seen not to be free.
        self._flying.append(lane)
        lane.task = task
        if place is not lane.place or task.kernel != lane.kernel or task.stage != lane.stage:
            self._news.append((number, task.stage, task.kernel, place))
            lane.stage, lane.kernel, lane.place, lane.nbytes = task.stage, task.kernel, place, place[1][1]
        self._unsent.append(number)
        self._ahead_bytes += lane.nbytes
        if idle:
            self.since = time.monotonic()
        if idle or len(self._unsent) >= UNSENT:
            self.flush()

    def flush(self, no_hurry: bool = False) -> None:
        """Send what is queued, and with it which cells of the outputs nobody holds any more.

        With `no_hurry` the slot keeps its last answers until it has nothing more to do.
        """
        self._inputs.mapping[NO_HURRY] = no_hurry
        if self._unsent:
            unneeded = self._outputs.unneeded
            cells = [unneeded.popleft() for _ in range(min(len(unneeded), UNNEEDED_AT_ONCE))]
            message = self._packer.pack([cells, self._news, self._unsent])
            self._news.clear()
            self._unsent.clear()  # an interrupt within the next line must not leave them to be sent once more
            with suppress(BrokenPipeError, ConnectionResetError):
                self._control.sendall(message)

    def take_back(self) -> list[Task]:
        """Of the tasks that it has not begun the later half, at least one if there is any: it never will."""
        flags, taken = self._inputs.mapping, []
        waiting = [lane for lane in self._flying if lane.task is not None and not flags[2 * lane.number]]
        for lane in reversed(waiting[len(waiting) // 2 :]):
            flags[2 * lane.number + 1] = 1
            if not flags[2 * lane.number] and lane.task is not None:
                taken.append(lane.task)
                lane.task = None
        return taken[::-1]

    def forget(self) -> None:
        """Take no more notice of the tasks it has; those that it has not begun are not done."""
        for lane in self._flying:
            self._inputs.mapping[2 * lane.number + 1] = 1
            lane.task = None

    def receive(self) -> list[Row]:
        """What has come, once the socket is readable.

        Raises:
            EOFError: the process is gone, and all that it said before was received.
        """
        try:
            data = self._control.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        if not data:
            raise EOFError(f"slot process {self.pid} closed its socket")
        self.since = time.monotonic()
        self._messages.feed(data)
        rows = []
        for cpu_share, answers, *at in self._messages:
            self.ready = True
            row, undone = read(self._outputs, self._name, self._freed(len(answers)), cpu_share, answers, *at)
            if len(row):
                rows.append(row)
            for task in undone:  # it was begun just when it was asked for, so nobody else has it
                self.send(task)
                self.flush()
        return rows

    def _freed(self, count: int) -> list[Task | None]:
        """The tasks that were ordered first, whose lanes are free from now on; `None` where nobody waits for one."""
        flying, free, tasks = self._flying, self._lanes, []
        for _ in range(count):
            lane = flying.popleft()
            free.append(lane)
            tasks.append(lane.task)
            lane.task = None
            self._ahead_bytes -= lane.nbytes
        return tasks

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def give_up(self) -> None:
        """Kill the process, which is at tasks that nobody waits for any more."""
        self.is_given_up = True
        self.condemn("was given up")

    def condemn(self, reason: str) -> None:
        """Kill the process; `reason` is what its task's failure will say."""
        self._reason = reason
        self._process.kill()

    @property
    def fate(self) -> str:
        """How the process ended, for people."""
        status = self._process.returncode
        if self._reason:
            return self._reason
        return (
            f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with exit code {status}"
        )

    def bury(self) -> tuple[list[Outcome], list[Task], list[Task]]:
        """End a process that is gone.

        Returns:
            The lost outcome of what it was at, the tasks that it had not begun, and those done that it had not told of.
        """
        self.end()
        lost: list[Outcome] = []
        left: list[Task] = []
        unsaid: list[Task] = []
        for lane in self._flying:
            if lane.task is None:
                continue
            progress = self._inputs.mapping[2 * lane.number]
            if progress == BEGUN:
                lost.append(self.lost(lane.task, "in the middle of this task"))
            else:
                (unsaid if progress == DONE else left).append(lane.task)
        return lost, left, unsaid

    def lost(self, task: Task, when: str) -> Outcome:
        """The outcome of a task that went with this process, which is gone."""
        failure = Failure(LOST, f"slot process {self.pid} {self.fate} {when}")
        return Outcome(task.id, None, failure, None, self._name)

    def hang_up(self) -> None:
        """Close the socket, on which the process ends by itself; one that is still starting is killed."""
        self._control.close()
        if not self.ready:
            self._process.kill()

    def end(self) -> None:
        """Wait until the process is gone and give its memory back; once only."""
        self.hang_up()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._inputs.fd)
        os.close(self._outputs.fd)
