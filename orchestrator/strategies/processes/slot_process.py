"""A slot process as the orchestrator sees it: started, given tasks, heard, ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

import msgpack
import numpy as np

from orchestrator.strategies.processes.lease import Lease
from orchestrator.strategies.processes.slot_program import BEGUN, LANES
from orchestrator.strategies.processes.starting import anonymous_file, started
from worker.arena import FIRST_BYTES, Arena, Window, get, put
from worker.contract import LOST, Failure, Hops, Outcome, Pixels, Task

UNNEEDED_AT_ONCE = 256
"""Cells given back with one message, so that no message ever fills the socket."""

AHEAD_BYTES = 1 << 20
"""Payloads that a slot may have before its third task: small tasks are sent many at a time, pictures are not."""

END_S = 2.0
"""By then a slot whose socket was closed is gone, or is killed."""


@dataclass(slots=True)
class _Flight:
    """A task that a slot has; without the task once nobody waits for its outcome."""

    lane: int
    place: Sequence[Any]
    task: Task | None


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
                self._outputs = Window(outputs)
                self._process = started(theirs.fileno(), inputs, outputs)
            undo.pop_all()
        self.pid = self._process.pid
        self.ready = False
        self.since = time.monotonic()
        self._name = f"{socket.gethostname()}:{self.pid}"
        self._packer, self._messages = msgpack.Packer(), msgpack.Unpacker(use_list=False)
        self._unsent: list[Sequence[Any]] = []
        self._ahead_bytes = 0
        self._lanes = list(range(LANES))
        self._flying: deque[_Flight] = deque()
        self._unneeded: deque[tuple[int, int]] = deque()
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
        """Copy the payload into shared memory and queue the task; it leaves at once if the slot has no other.

        A slot that is gone shows when it is heard.

        Raises:
            TypeError: the payload cannot be shared.
            OSError: there is no memory left for it.
        """
        place = put(self._inputs, task.payload)
        lane = self._lanes.pop()
        self._inputs.mapping[2 * lane : 2 * lane + 2] = b"\0\0"
        idle = not self._flying
        self._flying.append(_Flight(lane, place, task))
        self._ahead_bytes += place[2]
        self._unsent.append((lane, task.stage, task.kernel, place, self._given_back()))
        if idle:
            self.since = time.monotonic()
            self.flush()

    def _given_back(self) -> list[tuple[int, int]]:
        """Cells of the outputs that nobody holds any more."""
        unneeded = self._unneeded
        return [unneeded.popleft() for _ in range(min(len(unneeded), UNNEEDED_AT_ONCE))] if unneeded else []

    def flush(self) -> None:
        """Send what is queued."""
        if self._unsent:
            with suppress(BrokenPipeError, ConnectionResetError):
                self._control.sendall(self._packer.pack(self._unsent))
            self._unsent.clear()

    def take_back(self) -> Task | None:
        """The last task it was given, if it has not begun it: it never will."""
        for flight in reversed(self._flying):
            if flight.task is not None:
                flags, progress = self._inputs.mapping, 2 * flight.lane
                flags[progress + 1] = 1
                if flags[progress]:
                    return None
                task, flight.task = flight.task, None
                return task
        return None

    def forget(self) -> None:
        """Take no more notice of the tasks it has; those that it has not begun are not done."""
        for flight in self._flying:
            self._inputs.mapping[2 * flight.lane + 1] = 1
            flight.task = None

    def receive(self) -> list[Outcome]:
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
        outcomes: list[Outcome | None] = []
        for answers in self._messages:
            self.ready = True
            outcomes += map(self._heard, answers)
        return [outcome for outcome in outcomes if outcome is not None]

    def _heard(self, message: Sequence[Any]) -> Outcome | None:
        flight = self._flying.popleft()
        self._inputs.free(flight.place[1], flight.place[2])
        self._ahead_bytes -= flight.place[2]
        self._lanes.append(flight.lane)
        if len(message) == 1:
            if flight.task is not None:  # it was begun just when it was asked for, so nobody else has it
                self.send(flight.task)
                self.flush()
            return None
        _, place, failure, compute_s, compute_cpu_s = message
        if flight.task is None:
            self._unneeded.append((place[1], place[2]))
            return None
        hops = Hops(compute_s, compute_cpu_s)
        if place[0] == "array":
            return Outcome(flight.task.id, self._leased(place), None, hops, self._name)
        value = get(self._outputs, place)
        self._unneeded.append((place[1], place[2]))
        if failure:
            return Outcome(flight.task.id, None, Failure(failure, str(value)), hops, self._name)
        return Outcome(flight.task.id, value, None, hops, self._name)

    def _leased(self, place: Sequence[Any]) -> Pixels:
        _, offset, nbytes, shape, dtype, size = place
        mapping = self._outputs.grown_to(size)
        interface = {
            "version": 3,
            "shape": shape,
            "typestr": dtype,
            "data": (self._outputs.address + offset, False),
        }
        return np.asarray(Lease(interface, mapping, (offset, nbytes), self._unneeded))

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

    def bury(self) -> tuple[list[Outcome], list[Task]]:
        """End a process that is gone: the lost outcome of what it was at, and the tasks to be done by another.

        Those are the ones that it had not begun, and those that it had done and not said so.
        """
        self.end()
        lost, left = [], []
        for flight in self._flying:
            if flight.task is None:
                continue
            if self._inputs.mapping[2 * flight.lane] == BEGUN:
                message = f"slot process {self.pid} {self.fate} in the middle of this task"
                lost.append(Outcome(flight.task.id, None, Failure(LOST, message), None, self._name))
            else:
                left.append(flight.task)
        return lost, left

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
