"""What runs in a slot process, and what it says to the orchestrator.

This file is a program: `python -P slot_program.py CONTROL INPUTS OUTPUTS`, each a file descriptor. It is
started by its path and imports nothing of `orchestrator`, so a slot loads what `worker` needs and no more.

Payloads lie in two anonymous files, mapped by both sides. Each has one owner, who alone allocates in it and
lets it grow: the orchestrator owns the inputs, the slot the outputs. Little crosses the control socket, several
orders or answers in one message, which is packed and unpacked at once:

    to the slot:    [cells no longer needed, [order, ...], [lane, ...]]
                    an order is [lane, stage, kernel, place], and is there for a lane whose last one was another;
                    the lanes are those of the tasks to be done now
    from the slot:  [CPU share, [answer, ...]]
                    an answer is [compute_s, place], with the failure's type behind it if there is one,
                    or nil for a task that was taken back; the first message has none, and says that the slot is up
                    or, where outputs are small arrays and alike, [CPU share, [compute_s, ...], place of all together]

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
import numpy as np

from worker.allocator import collect_rarely, keep_freed_memory
from worker.arena import NO_FORM, Arena, Place, Window, get, put, put_together
from worker.contract import Payload
from worker.execution import HOLD_S, MOST_HELD, CpuTime, Done, describe, kernel_or_error, timed_kernel

LANES = 2 * MOST_HELD
NO_HURRY = 2 * LANES
HELD_BYTES = 32 << 20
"""Outputs that a slot holds until it tells of them: few where they are large."""
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
        control.sendall(msgpack.packb([1.0, []]))
        work(orders, answers, inputs.mapping)


def work(orders: Orders, answers: Answers, flags: mmap.mmap) -> None:
    """Do what is ordered, and answer.

    Raises:
        EOFError: there will be no more.
    """
    waiting, held = orders.waiting, answers.held
    while True:
        orders.await_one()
        most, held_s = answers.most, 0.0
        while True:
            lane, kernel, payload = waiting.popleft()
            progress = 2 * lane
            flags[progress] = BEGUN
            if flags[progress + 1]:
                held.append(None)
            else:
                done = timed_kernel(kernel, payload)
                held.append(done)
                held_s += done[2]
            flags[progress] = DONE
            if (
                held_s > HOLD_S
                or len(held) >= most
                or (len(waiting) < 2 and orders.are_few(bool(flags[NO_HURRY])))
            ):
                break
        answers.send(held_s)


class Orders:
    """What the orchestrator has sent and this slot has not done.

    Attributes:
        waiting: lane, kernel and payload of each, the next one first.
    """

    def __init__(
        self, control: socket.socket, prepared: Callable[[Sequence[Any]], Iterable[Sequence[Any]]]
    ) -> None:
        """Read from `control`, which nobody else does; the orders of a message wait as `prepared` gives them."""
        self.waiting: deque[Sequence[Any]] = deque()
        self._control = control
        self._heard = select.poll()
        self._heard.register(control, select.POLLIN)
        self._prepared = prepared
        self._unpacker = msgpack.Unpacker(use_list=False)

    def are_few(self, no_hurry: bool) -> bool:
        """Whether the slot will soon have nothing to do unless it says what it has done; if `no_hurry`, has nothing."""
        while len(self.waiting) < 2 and self._heard.poll(0):
            self._receive()
        return len(self.waiting) < (1 if no_hurry else 2)

    def await_one(self) -> None:
        """Wait until there is an order.

        Raises:
            EOFError: there will be none.
        """
        while not self.waiting:
            self._receive()

    def _receive(self) -> None:
        data = self._control.recv(1 << 16)
        if not data:
            raise EOFError
        self._unpacker.feed(data)
        for message in self._unpacker:
            self.waiting.extend(self._prepared(message))


class Answers:
    """Answers on their way, of which a few are kept to be sent together.

    Attributes:
        held: what came of each task; `None` for one that was taken back.
        most: so many are to be held at most.
    """

    def __init__(self, control: socket.socket, outputs: Arena) -> None:
        """Send by `control`; what tasks give, or the message of a failure, lies in `outputs`."""
        self.held: list[Done | None] = []
        self.most = MOST_HELD
        self._control = control
        self._outputs = outputs
        self._packer = msgpack.Packer()
        self._cpu = CpuTime()
        self._form = NO_FORM

    def send(self, compute_s: float) -> None:
        """Send what is held, at least one, of which all kernels together took so many seconds."""
        told = self._told_together() or [[self._told(done) for done in self.held]]
        self._control.sendall(self._packer.pack([self._cpu.share(compute_s), *told]))
        self.held.clear()

    def _told_together(self) -> Sequence[Any] | None:
        """What is held, if its outputs can be put together."""
        seconds = [None if done is None else done[2] for done in self.held]
        outputs = [done[0] for done in self.held if done is not None]
        if not outputs:
            return None
        self.most = _most_like(outputs[0])
        try:
            place = put_together(self._outputs, outputs)
        except (TypeError, OSError, MemoryError):
            return None  # which of them have no room, each says by itself
        return place and (seconds, self._told_place(place))

    def _told(self, done: Done | None) -> Sequence[Any] | None:
        """An answer as it crosses."""
        if done is None:
            return None
        output, failure, compute_s = done
        if failure is None:
            try:
                return compute_s, self._told_place(put(self._outputs, output))  # type: ignore[arg-type]  # no failure
            except (TypeError, OSError, MemoryError) as error:
                failure = describe(error)
        return compute_s, self._told_place(put(self._outputs, failure.message)), failure.type

    def _told_place(self, place: Place) -> Any:
        if place[1] is self._form:
            return place[0]
        self._form = place[1]
        return place


def _most_like(output: Payload | None) -> int:
    """How many outputs like one may be held: they take memory until they are told."""
    nbytes = output.nbytes if isinstance(output, np.ndarray) else len(output or "")
    return max(1, min(MOST_HELD, HELD_BYTES // max(1, nbytes)))


def _end_with(control: socket.socket) -> None:
    """End this process, in the middle of a task too, once the other end of the socket is closed."""
    hangup = select.poll()
    hangup.register(control, 0)  # no event is asked for; a hangup is always told
    hangup.poll()
    os._exit(0)


def _prepared(
    inputs: Window, outputs: Arena, last: dict[int, Sequence[Any]], message: Sequence[Any]
) -> Iterator[Sequence[Any]]:
    """Orders with their payloads: lane, kernel, payload; `last` has those that each lane had last."""
    unneeded, orders, lanes = message
    for offset, nbytes in unneeded:
        outputs.free(offset, nbytes)
    for lane, stage, kernel, place in orders:
        last[lane] = lane, kernel_or_error(stage, kernel), get(inputs, place)
    return map(last.__getitem__, lanes)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
