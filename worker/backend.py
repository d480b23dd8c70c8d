"""Celery's Redis result backend, which also tells of a result that comes a second time."""

from __future__ import annotations

from typing import Any

from celery.backends.redis import RedisBackend


class TellingBackend(RedisBackend):  # type: ignore[misc]  # Celery publishes no types
    """As Celery's own, with the same commands for every result that comes once.

    Celery keeps a success and drops whatever the same task gives afterwards, without a word: a task that was
    done twice looks like one that was done once. Here the later result is published too, and still not
    stored; whoever listens can count it.
    """

    _kept = False

    def _store_result(
        self, task_id: str, result: Any, state: str, traceback: Any = None, request: Any = None, **more: Any
    ) -> Any:
        self._kept = False
        given = super()._store_result(task_id, result, state, traceback=traceback, request=request, **more)
        if not self._kept:
            meta = self._get_result_meta(result=result, state=state, traceback=traceback, request=request)
            meta["task_id"] = task_id
            self.client.publish(self.get_key_for_task(task_id), self.encode(meta))
        return given

    def _set_with_state(self, key: Any, value: Any, state: str) -> Any:
        self._kept = True
        return super()._set_with_state(key, value, state)
