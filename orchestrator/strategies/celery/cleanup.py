"""What a Celery batch leaves behind, and how it is cleared away: inputs, results, answers that nobody awaits."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Collection, Iterable
from contextlib import suppress
from typing import Any

from celery.states import READY_STATES, SUCCESS

from orchestrator.strategies.celery.outcomes import InFlightMessage, answer_of
from orchestrator.strategies.celery.results import Results
from worker.messages import ForeignMessageError, TaskReply
from worker.payloads.transport import Reference, Transport

WITHDRAW_S = 5.0
"""How long a batch that is given up waits for what the workers have begun, so that it can be cleaned away."""

MOST_KEPT = 1000
"""So much that has served may lie about before it is deleted, lest a long batch fills the broker."""

MOST_HEARD = 4000
"""So many answers are remembered, to be known when they are heard again: more than can be under way at once."""


class Cleanup:
    """Keeps account of what has to be deleted, and of answers that come when nobody awaits them."""

    def __init__(self, transport: Transport, results: Results) -> None:
        """Delete payloads by `transport`, and results by `results`."""
        self._transport = transport
        self._results = results
        self._payloads: list[Reference] = []
        self._ids: list[str] = []
        self._given_up: set[str] = set()
        self._heard: OrderedDict[str, tuple[str, float] | None] = OrderedDict()
        self.duplicated = 0
        """Answers of this strategy's messages that came a second time, since the last batch began."""

    def begin(self) -> None:
        """Another batch begins."""
        self.duplicated = 0

    def answered(self, id_: str, shipment: InFlightMessage, answer: TaskReply | None) -> None:
        """A message was answered: its inputs and its result have served; `clear_some` deletes them."""
        self._ids.append(id_)
        self._payloads.extend(shipment.references)
        self._heard[id_] = _execution(answer)
        if len(self._heard) > MOST_HEARD:
            self._heard.popitem(last=False)

    def give_up(self, id_: str, shipment: InFlightMessage) -> None:
        """Nobody waits for this message's answer any more; should it come, it is the first."""
        self._given_up.add(id_)
        self._payloads.extend(shipment.references)

    def unawaited(self, id_: str, meta: dict[str, Any], keep: bool) -> str | None:
        """Throw away an answer that nobody awaits, and count it if the message was done a second time.

        An answer may be heard twice and is one all the same: looked up and then published, or published again by a
        worker that did not hear that the first was. Celery tells of a slot process that it ended twice: first of the
        time limit, then of the process. Only another answer of a task that was done counts.

        Args:
            id_: the message's.
            meta: the answer.
            keep: leave the outputs that it names, for the first answer names the same.

        Returns:
            What it tells of the batch; `None` for nothing.
        """
        if meta["status"] not in READY_STATES:
            return None
        if id_ in self._given_up:
            self._given_up.remove(id_)
            self._discard(id_, meta, keep)
            return "a worker was still busy with an earlier batch"
        if self._is_heard(id_, meta):
            return None
        self._discard(id_, meta, keep)
        if meta["status"] != SUCCESS:
            return None
        self.duplicated += 1
        return "a task was done twice"

    def _is_heard(self, id_: str, meta: dict[str, Any]) -> bool:
        """Whether this is the answer that ended the message."""
        with suppress(ForeignMessageError):
            execution = _execution(answer_of(meta))
            return execution is not None and self._heard.get(id_) == execution
        return False

    def withdraw(self, under_way: dict[str, InFlightMessage], recalled: Collection[str]) -> None:
        """After an early end: forget the messages that were taken back, and wait a while for the others."""
        for id_, shipment in under_way.items():
            self._payloads.extend(shipment.references)
            self._given_up.add(id_)
        for id_ in recalled:
            under_way.pop(id_, None)
            self._given_up.discard(id_)
        deadline = time.monotonic() + WITHDRAW_S
        while under_way and time.monotonic() < deadline:
            for id_, meta in self._results.receive(under_way, 0.1):
                if under_way.pop(id_, None) is not None:
                    self.unawaited(id_, meta, keep=False)
        under_way.clear()

    def clear_some(self) -> None:
        """Delete all that has served, once it is much."""
        if len(self._ids) >= MOST_KEPT:
            self.clear()

    def end(self) -> None:
        """A batch has ended: delete its payloads, and results once they are many enough to fall into the next one."""
        if len(self._ids) >= MOST_KEPT // 2:
            self.clear()
        else:
            self._clear_payloads()

    def clear(self) -> None:
        """Delete all that has served.

        A worker whose slot process died looks there whether it had answered, and has the message done again if it
        finds no result: so workers are to look after their slots first, as they do when asked who is there.
        """
        self._clear_payloads()
        self._results.forget(self._ids)
        self._ids.clear()

    def _clear_payloads(self) -> None:
        self._transport.delete(self._payloads)
        self._payloads.clear()

    def _discard(self, id_: str, meta: dict[str, Any], keep: bool) -> None:
        """Have an answer that nobody waits for deleted, with the outputs it names."""
        self._ids.append(id_)
        with suppress(ForeignMessageError):
            if not keep:
                self._payloads.extend(_outputs(meta))


def _outputs(meta: dict[str, Any]) -> Iterable[Reference]:
    return [entry.output for entry in answer_of(meta).entries if entry.output is not None]


def _execution(answer: TaskReply | None) -> tuple[str, float] | None:
    """What tells one doing of a message from another: the slot, and when it began on that slot's clock."""
    return (answer.slot, answer.entries[0].started_at) if answer and answer.entries else None
