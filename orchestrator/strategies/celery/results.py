"""Collecting Celery results: one pattern subscription for a run, instead of a SUBSCRIBE for every task.

A Celery worker with a Redis backend SETs each result under `celery-task-meta-<id>` and PUBLISHes it on a
channel of that name. `AsyncResult` subscribes to each such channel and leaves it again, which costs the
collecting side two commands a task. All our task ids begin alike, so one PSUBSCRIBE hears them all.

A publication is not kept for a reader that is away, so whatever is still awaited is also looked up: after a
broken connection, and whenever nothing was heard for a while.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from typing import Any

import redis
from celery import Celery
from celery.states import READY_STATES, RETRY

from worker.payloads.redis import ANSWER_S

LOOK_UP_EVERY_S = 1.0
LOOK_UP_AT_ONCE = 500


class Results:
    """The results of one run, as they come. Not for use by two threads."""

    def __init__(self, app: Celery, client: redis.Redis, prefix: str) -> None:
        """Listen, on `client`, for the results of tasks whose ids begin with `prefix`; closes it in the end."""
        self._backend = app.backend
        self._client = client
        self._pattern = f"{self._backend.task_keyprefix.decode()}{prefix}*"
        self._pubsub: Any = None
        self._looked_up_at = time.monotonic()
        self.waited_s = 0.0
        """Seconds that `receive` has waited for something to come, all in all."""
        self.subscribe()

    def receive(
        self,
        awaited: Collection[str],
        timeout_s: float,
        looked_up: Callable[[float, int], None] = lambda began_at, size: None,
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Task ids with their results, at most `timeout_s` after the last one; ends when none is at hand.

        A result of the state RETRY is told as it is heard: the task goes on.

        Args:
            awaited: ids of tasks whose results are still missing, to look up if a publication was missed.
            timeout_s: how long to wait for the first; 0 takes only what has arrived.
            looked_up: is told of every look-up, when it began (seconds, our clock) and how many bytes it brought.

        Raises:
            redis.RedisError: the connection broke; `subscribe` listens again.
        """
        message = self._await(timeout_s)
        while message is not None:
            if message["type"] == "pmessage":
                self._looked_up_at = time.monotonic()
                yield from self._read(message["data"])
                message = self._await(0.0)
            else:
                message = self._await(timeout_s)
        if timeout_s and time.monotonic() - self._looked_up_at > LOOK_UP_EVERY_S:
            yield from self._look_up(awaited, looked_up)

    def forget(self, ids: Collection[str]) -> None:
        """Delete stored results."""
        if ids:
            self._client.unlink(*(self._backend.get_key_for_task(id_) for id_ in ids))

    def close(self) -> None:
        """Stop listening."""
        self._pubsub.close()
        self._client.close()

    def _await(self, timeout_s: float) -> Any:
        """The next message, if one begins to come within `timeout_s`.

        It is read to its end then: with a timeout of its own that short, `get_message` takes a large message
        that is half here for a broken connection.
        """
        started = time.monotonic()
        comes = self._pubsub.connection.can_read(timeout=timeout_s)
        self.waited_s += time.monotonic() - started
        return self._pubsub.get_message(timeout=ANSWER_S) if comes else None

    def subscribe(self) -> None:
        """Listen, on a new connection; what was said meanwhile is looked up soon."""
        self._looked_up_at = 0.0
        if self._pubsub is not None:
            self._pubsub.close()
            self._client.connection_pool.disconnect()  # what else is open may be as dead as the subscription
        self._pubsub = self._client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]  # redis-py's own gap
        self._pubsub.psubscribe(self._pattern)

    def _look_up(
        self, awaited: Collection[str], looked_up: Callable[[float, int], None]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        self._looked_up_at = time.monotonic()
        ids = list(awaited)
        for start in range(0, len(ids), LOOK_UP_AT_ONCE):
            keys = [self._backend.get_key_for_task(id_) for id_ in ids[start : start + LOOK_UP_AT_ONCE]]
            began_at = time.monotonic()
            found = [stored for stored in self._client.mget(keys) if stored is not None]
            looked_up(began_at, sum(map(len, found)))
            for stored in found:
                yield from self._read(stored, ready=True)

    def _read(self, data: Any, ready: bool = False) -> Iterator[tuple[str, dict[str, Any]]]:
        """The result, if it is one; with `ready` only if the task has ended.

        Anybody who reaches the broker can write there. What is no result of Celery's is passed over: the
        task that it stands in for has no answer then, and ends as one without.
        """
        try:
            meta = self._backend.decode_result(data)
            known = meta["status"] in (*READY_STATES, RETRY) and "result" in meta
            id_ = str(meta["task_id"])
        except Exception:  # noqa: BLE001 - decoders raise as they like at what is not theirs
            return
        if known and not (ready and meta["status"] not in READY_STATES):
            yield id_, meta
