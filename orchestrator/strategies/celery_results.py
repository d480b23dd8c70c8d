"""Collecting Celery results: one pattern subscription for a run, instead of a SUBSCRIBE for every task.

A Celery worker with a Redis backend SETs each result under `celery-task-meta-<id>` and PUBLISHes it on a
channel of that name. `AsyncResult` subscribes to each such channel and leaves it again, which costs the
collecting side two commands a task. All our task ids begin alike, so one PSUBSCRIBE hears them all.

A publication is not kept for a reader that is away, so whatever is still awaited is also looked up: after a
broken connection, and whenever nothing was heard for a while.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from typing import Any

import redis
from celery import Celery
from celery.states import READY_STATES

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
        self._subscribe()

    def receive(self, awaited: Collection[str], timeout_s: float) -> Iterator[tuple[str, dict[str, Any]]]:
        """Task ids with their results, at most `timeout_s` after the last one; ends when none is at hand.

        Args:
            awaited: ids of tasks whose results are still missing, to look up if a publication was missed.
            timeout_s: how long to wait for the first; 0 takes only what has arrived.
        """
        try:
            message = self._await(timeout_s)
            while message is not None:
                if message["type"] == "pmessage":
                    self._looked_up_at = time.monotonic()
                    yield from self._if_ready(message["data"])
                    message = self._pubsub.get_message(timeout=0)
                else:
                    message = self._await(timeout_s)
        except (redis.ConnectionError, redis.TimeoutError, OSError):
            self._subscribe()
            yield from self._look_up(awaited)
            return
        if timeout_s and time.monotonic() - self._looked_up_at > LOOK_UP_EVERY_S:
            yield from self._look_up(awaited)

    def forget(self, ids: Collection[str]) -> None:
        """Delete stored results."""
        if ids:
            self._client.unlink(*(self._backend.get_key_for_task(id_) for id_ in ids))

    def close(self) -> None:
        """Stop listening."""
        self._pubsub.close()
        self._client.close()

    def _await(self, timeout_s: float) -> Any:
        started = time.monotonic()
        message = self._pubsub.get_message(timeout=timeout_s)
        self.waited_s += time.monotonic() - started
        return message

    def _subscribe(self) -> None:
        if self._pubsub is not None:
            self._pubsub.close()
        self._pubsub = self._client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]  # redis-py's own gap
        self._pubsub.psubscribe(self._pattern)

    def _look_up(self, awaited: Collection[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        self._looked_up_at = time.monotonic()
        ids = list(awaited)
        for start in range(0, len(ids), LOOK_UP_AT_ONCE):
            keys = [self._backend.get_key_for_task(id_) for id_ in ids[start : start + LOOK_UP_AT_ONCE]]
            for stored in self._client.mget(keys):
                if stored is not None:
                    yield from self._if_ready(stored)

    def _if_ready(self, data: Any) -> Iterator[tuple[str, dict[str, Any]]]:
        """The result, unless it only tells that the task goes on, as after a retry."""
        meta = self._backend.decode_result(data)
        if meta["status"] in READY_STATES:
            yield str(meta["task_id"]), meta
