"""Deletes what Celery batches leave at the broker and in the payload store, and recognises unexpected replies."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from celery.states import READY_STATES, SUCCESS

from orchestrator.strategies.celery.connection import ResultSubscription
from orchestrator.strategies.celery.outcomes import InFlightMessage, reply_of
from worker.messages import ForeignMessageError, TaskReply
from worker.payloads.transport import Reference, Transport

WITHDRAW_WAIT_S: Final = 5.0  # seconds to wait for tasks that workers have begun, after a batch was stopped
MAX_PENDING: Final = 1000  # answered messages whose payloads and results wait for deletion
MAX_REMEMBERED: Final = 4000  # replies remembered to recognise duplicates: more than can be in flight


class Cleanup:
    """Collects what is to be deleted, and judges replies that nothing waits for.

    `duplicated` counts messages that were executed a second time since the last batch began.
    """

    def __init__(self, transport: Transport, results: ResultSubscription) -> None:
        self._transport = transport
        self._results = results
        self._payloads: list[Reference] = []
        self._ids: list[str] = []
        self._given_up: set[str] = set()
        self._answered: OrderedDict[str, tuple[str, float] | None] = OrderedDict()
        self.duplicated = 0

    def answered(self, id_: str, references: Sequence[Reference], reply: TaskReply | None) -> None:
        """Mark a message's inputs and result as no longer needed."""
        self._ids.append(id_)
        self._payloads.extend(references)
        self._answered[id_] = _execution(reply)
        if len(self._answered) > MAX_REMEMBERED:
            self._answered.popitem(last=False)

    def give_up(self, id_: str, references: Sequence[Reference]) -> None:
        """Stop waiting for a message; a reply that comes later is its first, not a duplicate."""
        self._given_up.add(id_)
        self._payloads.extend(references)

    def unexpected(self, id_: str, meta: dict[str, Any], keep_outputs: bool) -> str | None:
        """Discard a reply that nothing waits for; count it if the message was executed twice.

        One reply can arrive twice: looked up and then published, or published again by a worker that did not learn
        that the first publication succeeded. Celery also reports the end of a slot process twice: its time limit,
        then its exit. Only another reply of a successful task is a duplicate.

        Args:
            id_: the message's id.
            meta: its Celery result.
            keep_outputs: keep the outputs it names, which are those of the first reply.

        Returns:
            The disturbance that it shows; `None` for none.
        """
        if meta["status"] not in READY_STATES:
            return None
        if id_ in self._given_up:
            self._given_up.remove(id_)
            self._discard(id_, meta, keep_outputs)
            return "a worker was still busy with an earlier batch"
        with suppress(ForeignMessageError):
            execution = _execution(reply_of(meta))
            if execution is not None and execution == self._answered.get(id_):
                return None  # the reply that the message was finished with
        self._discard(id_, meta, keep_outputs)
        if meta["status"] != SUCCESS:
            return None
        self.duplicated += 1
        return "a task was executed twice"

    def withdraw(self, in_flight: Mapping[str, InFlightMessage], purged: Collection[str]) -> None:
        """Clean up after a batch that was stopped early.

        Args:
            in_flight: messages without a reply.
            purged: ids of those that were still in the queue and are deleted; the others are waited for.
        """
        for message in in_flight.values():
            self._payloads.extend(message.references)
        waiting = set(in_flight).difference(purged)
        self._given_up |= waiting
        deadline = time.monotonic() + WITHDRAW_WAIT_S
        while waiting and time.monotonic() < deadline:
            for id_, meta in self._results.receive(waiting, 0.1):
                if id_ in waiting:
                    waiting.remove(id_)
                    self.unexpected(id_, meta, keep_outputs=False)

    def delete_if_many(self) -> None:
        """Delete once `MAX_PENDING` messages are pending, so that a long batch cannot fill the broker."""
        if len(self._ids) >= MAX_PENDING:
            self.delete()

    def end_batch(self) -> None:
        """Delete the batch's payloads, and results if they would soon have to be deleted within a batch."""
        if len(self._ids) >= MAX_PENDING // 2:
            self.delete()
        else:
            self._delete_payloads()

    def delete(self) -> None:
        """Delete every payload and result that is no longer needed.

        Call it only after the workers have checked their slot processes, as `breakeven_present` makes them do: when
        a slot process dies, its worker looks for the result and repeats the message if there is none.
        """
        self._delete_payloads()
        self._results.discard(self._ids)
        self._ids.clear()

    def _delete_payloads(self) -> None:
        self._transport.delete(self._payloads)
        self._payloads.clear()

    def _discard(self, id_: str, meta: dict[str, Any], keep_outputs: bool) -> None:
        self._ids.append(id_)
        with suppress(ForeignMessageError):
            if not keep_outputs:
                self._payloads.extend(
                    each.output for each in reply_of(meta).results if each.output is not None
                )


def _execution(reply: TaskReply | None) -> tuple[str, float] | None:
    """Return what distinguishes two executions of a message: the slot, and when it started."""
    return (reply.slot, reply.results[0].started_at) if reply and reply.results else None
