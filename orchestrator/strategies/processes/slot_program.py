"""What runs in a slot process, and what it says to the orchestrator.

This file is a program: `python -P slot_program.py CONTROL INPUTS OUTPUTS`, each a file descriptor. It is
started by its path and imports nothing of `orchestrator`, so a slot loads what `worker` needs and no more.

Payloads lie in two anonymous files, mapped by both sides. Each has one owner, who alone allocates in it and
lets it grow: the orchestrator owns the inputs, the slot the outputs. Little crosses the control socket, several
orders or answers in one message, which is packed and unpacked at once:

    to the slot:    [cells no longer needed, order, ...]
                    an order is [lane, stage, kernel, place], or a lane alone: like the last one there
    from the slot:  [CPU share, answer, ...]
                    an answer is [compute_s, place], with the failure's type behind it if there is one,
                    or [] for a task that was taken back; the first message has none, and says that the slot is up

where a place is `worker.arena`'s, or its offset alone: its form is that of the last answer. A lane is one of the few
tasks that a slot may have at a time, with a cell of the inputs for its payload; tasks are done in the order in which
they are ordered, and answered in it. The first bytes of the inputs hold two flags for each lane, by which a task that
waits behind another can be given to a slot that is free: how far the slot is with it, and whether it was taken back.
Then comes a flag for all: that there is no hurry to say what is done, for nothing waits for a slot any more.

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
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import msgpack

from worker.arena import NO_FORM, Arena, Window, get, put
from worker.execution import HOLD_S, MOST_HELD, CpuTime, Done, describe, timed
from worker.memory import collect_rarely, keep_freed_memory

LANES = 2 * MOST_HELD
NO_HURRY = 2 * LANES
BEGUN, DONE = 1, 2
"""How far a slot is with a task: at it, or through with it and about to tell."""


def main(control_fd: int, inputs_fd: int, outputs_fd: int) -> None:
    """Answer until the orchestrator closes its end of the control socket."""
    keep_freed_memory()
    collect_rarely()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the orchestrator's, which then ends its slots
    control = socket.socket(fileno=control_fd)
    threading.Thread(target=_end_with, args=(control,), daemon=True).start()
    inputs, outputs = Window(inputs_fd), Arena(outputs_fd)
    orders = Orders(control, partial(_prepared, inputs, outputs, {}))
    answers = Answers(control, outputs)
    # An orchestrator that closes its end in the middle of something has had enough: no reason for a traceback.
    with suppress(ConnectionResetError, BrokenPipeError, EOFError):
        control.sendall(msgpack.packb([1.0]))
        work(orders, answers, inputs.mapping)


def work(orders: Orders, answers: Answers, flags: mmap.mmap) -> None:
    """Do what is ordered, and answer.

    Raises:
        EOFError: there will be no more.
    """
    held, held_s = answers.held, 0.0
    while True:
        if orders.are_few(bool(flags[NO_HURRY])) or len(held) >= MOST_HELD:
            answers.send(held_s)
            held_s = 0.0
        for lane, stage, kernel, payload in orders.row(MOST_HELD - len(held)):
            progress = 2 * lane
            flags[progress] = BEGUN
            if flags[progress + 1]:
                held.append(None)
            else:
                done = timed(stage, kernel, payload)
                held.append(done)
                held_s += done[2]
            flags[progress] = DONE
            if held_s > HOLD_S:
                answers.send(held_s)
                held_s = 0.0


class Orders:
    """What the orchestrator has sent and this slot has not done."""

    def __init__(
        self, control: socket.socket, prepared: Callable[[Sequence[Any]], Iterable[Sequence[Any]]]
    ) -> None:
        """Read from `control`, which nobody else does; the orders of a message wait as `prepared` gives them."""
        self._control = control
        self._prepared = prepared
        self._unpacker = msgpack.Unpacker(use_list=False)
        self._waiting: deque[Sequence[Any]] = deque()

    def are_few(self, no_hurry: bool) -> bool:
        """Whether the slot will soon have nothing to do unless it says what it has done; if `no_hurry`, has nothing."""
        with suppress(BlockingIOError):
            while len(self._waiting) < 2:
                self._receive(socket.MSG_DONTWAIT)
        return len(self._waiting) < (1 if no_hurry else 2)

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
        for message in self._unpacker:
            self._waiting.extend(self._prepared(message))


class Answers:
    """Answers on their way, of which a few are kept to be sent together."""

    def __init__(self, control: socket.socket, outputs: Arena) -> None:
        """Send by `control`; what tasks give, or the message of a failure, lies in `outputs`."""
        self._control = control
        self._outputs = outputs
        self._packer = msgpack.Packer()
        self._cpu = CpuTime()
        self._form = NO_FORM
        self.held: list[Done | None] = []
        """What came of each task; `None` for one that was taken back."""

    def send(self, compute_s: float) -> None:
        """Send what is held, of which all kernels together took so many seconds."""
        if self.held:
            share = self._cpu.share(compute_s)
            self._control.sendall(self._packer.pack([share, *map(self._told, self.held)]))
            self.held.clear()

    def _told(self, done: Done | None) -> Sequence[Any]:
        """An answer as it crosses."""
        if done is None:
            return ()
        output, failure, compute_s = done
        if failure is None:
            try:
                return compute_s, self._place(output)
            except (TypeError, OSError, MemoryError) as error:
                failure = describe(error)
        return compute_s, self._place(failure.message), failure.type

    def _place(self, payload: Any) -> Any:
        place = put(self._outputs, payload)
        if place[1] is self._form:
            return place[0]
        self._form = place[1]
        return place


def _end_with(control: socket.socket) -> None:
    """End this process, in the middle of a task too, once the other end of the socket is closed."""
    hangup = select.poll()
    hangup.register(control, 0)  # no event is asked for; a hangup is always told
    hangup.poll()
    os._exit(0)


def _prepared(
    inputs: Window, outputs: Arena, last: dict[int, Sequence[Any]], message: Sequence[Any]
) -> Iterator[Sequence[Any]]:
    """Orders with their payloads: lane, stage, kernel, payload; `last` has those that each lane had last."""
    unneeded, *orders = message
    for offset, nbytes in unneeded:
        outputs.free(offset, nbytes)
    for order in orders:
        if isinstance(order, int):
            yield last[order]
        else:
            lane, stage, kernel, place = order
            last[lane] = lane, sys.intern(stage), sys.intern(kernel), get(inputs, place)
            yield last[lane]


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
