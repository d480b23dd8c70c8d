"""What runs in a slot process, and what it says to the orchestrator.

This file is a program: `python -P slot_program.py CONTROL INPUTS OUTPUTS`, each a file descriptor. It is
started by its path and imports nothing of `orchestrator`, so a slot loads what `worker` needs and no more.

Payloads lie in two anonymous files, mapped by both sides. Each has one owner, who alone allocates in it and
lets it grow: the orchestrator owns the inputs, the slot the outputs. Little crosses the control socket, several
orders or answers in one message, which is packed and unpacked at once:

    to the slot:    [[lane, stage, kernel, place, cells no longer needed], ...]
    from the slot:  [[lane, place, failure type, compute_s, compute_cpu_s], ...]
                    [[lane], ...]                                                   the task was taken back
                    []                                                              first of all: it is up

where a place is `worker.arena`'s. A lane is one of the few tasks that a slot may have at a time; the first bytes of the
inputs hold two flags for each, by which a task that waits behind another can be given to a slot that is free: how far
the slot is with it, and whether it was taken back.

Each answer that wakes the orchestrator takes time from the slots, so a slot that has more to do keeps a few; and it
reads orders and copies outputs several in a row, not one between two kernels, for what `worker/execution.py` says.
For that reason `work` does a row of tasks in one loop, and reads no more than clocks and flags between two kernels.
"""

from __future__ import annotations

import mmap
import os
import select
import signal
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import msgpack

from worker.arena import Arena, Window, get, put
from worker.execution import HOLD_S, MOST_HELD, describe, timed
from worker.memory import collect_rarely, keep_freed_memory

LANES = 2 * MOST_HELD
BEGUN, DONE = 1, 2
"""How far a slot is with a task: at it, or through with it and the answer made."""


def main(control_fd: int, inputs_fd: int, outputs_fd: int) -> None:
    """Answer until the orchestrator closes its end of the control socket."""
    keep_freed_memory()
    collect_rarely()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the orchestrator's, which then ends its slots
    control = socket.socket(fileno=control_fd)
    threading.Thread(target=_end_with, args=(control,), daemon=True).start()
    inputs, outputs = Window(inputs_fd), Arena(outputs_fd)
    orders = Orders(control, partial(_prepared, inputs, outputs))
    answers = Answers(control, partial(_told, outputs))
    # An orchestrator that closes its end in the middle of something has had enough: no reason for a traceback.
    with suppress(ConnectionResetError, BrokenPipeError, EOFError):
        control.sendall(msgpack.packb([]))
        work(orders, answers, inputs.mapping)


def work(orders: Orders, answers: Answers, flags: mmap.mmap) -> None:
    """Do what is ordered, and answer.

    Raises:
        EOFError: there will be no more.
    """
    now = time.monotonic
    while True:
        if orders.are_few():
            answers.send()
        held, send_at = answers.held, answers.sent_at + HOLD_S
        for lane, stage, kernel, payload in orders.row(MOST_HELD - len(held)):
            progress = 2 * lane
            flags[progress] = BEGUN
            held.append((lane,) if flags[progress + 1] else (lane, *timed(stage, kernel, payload)))
            flags[progress] = DONE
            if now() > send_at:
                answers.send()
                send_at = answers.sent_at + HOLD_S
        if len(held) >= MOST_HELD:
            answers.send()


class Orders:
    """What the orchestrator has sent and this slot has not done."""

    def __init__(self, control: socket.socket, prepared: Callable[[Sequence[Any]], Sequence[Any]]) -> None:
        """Read from `control`, which nobody else does; each order waits as `prepared` gives it."""
        self._control = control
        self._prepared = prepared
        self._unpacker = msgpack.Unpacker(use_list=False)
        self._waiting: deque[Sequence[Any]] = deque()

    def are_few(self) -> bool:
        """Whether the slot will soon have nothing to do, unless it says that it has done something."""
        if len(self._waiting) == 1:  # with none left, answers leave before anything is read
            with suppress(BlockingIOError):
                while len(self._waiting) == 1:
                    self._receive(socket.MSG_DONTWAIT)
        return len(self._waiting) < 2

    def row(self, most: int) -> list[Sequence[Any]]:
        """Orders to be done before anybody need look whether there are few; one at least, as soon as there is one.

        Raises:
            EOFError: there will be none.
        """
        waiting = self._waiting
        while not waiting:
            self._receive(0)
        return [waiting.popleft() for _ in range(max(1, min(most, len(waiting) - 1)))]

    def _receive(self, flags: int) -> None:
        data = self._control.recv(1 << 16, flags)
        if not data:
            raise EOFError
        self._unpacker.feed(data)
        for row in self._unpacker:
            self._waiting.extend(map(self._prepared, row))


class Answers:
    """Answers on their way, of which a few are kept to be sent together."""

    def __init__(self, control: socket.socket, told: Callable[[Sequence[Any]], Sequence[Any]]) -> None:
        """Send by `control`; each answer goes as `told` gives it."""
        self._control = control
        self._told = told
        self._packer = msgpack.Packer()
        self.held: list[Sequence[Any]] = []
        self.sent_at = 0.0

    def send(self) -> None:
        """Send what is held."""
        if self.held:
            self._control.sendall(self._packer.pack([self._told(answer) for answer in self.held]))
            self.held.clear()
            self.sent_at = time.monotonic()


def _end_with(control: socket.socket) -> None:
    """End this process, in the middle of a task too, once the other end of the socket is closed."""
    hangup = select.poll()
    hangup.register(control, 0)  # no event is asked for; a hangup is always told
    hangup.poll()
    os._exit(0)


def _prepared(inputs: Window, outputs: Arena, message: Sequence[Any]) -> Sequence[Any]:
    """An order with its payload: lane, stage, kernel, payload."""
    lane, stage, kernel, place, unneeded = message
    for offset, nbytes in unneeded:
        outputs.free(offset, nbytes)
    return lane, sys.intern(stage), sys.intern(kernel), get(inputs, place)


def _told(outputs: Arena, answer: Sequence[Any]) -> Sequence[Any]:
    """An answer as it crosses: its output, or its failure's message, lies in shared memory."""
    if len(answer) == 1:
        return answer
    lane, output, failure, compute_s, compute_cpu_s = answer
    if failure is None:
        try:
            return lane, put(outputs, output), "", compute_s, compute_cpu_s
        except (TypeError, OSError, MemoryError) as error:
            failure = describe(error)
    return lane, put(outputs, failure.message), failure.type, compute_s, compute_cpu_s


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
