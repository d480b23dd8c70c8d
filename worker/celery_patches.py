"""What Celery and kombu leave undone, each with its reason: neither has a setting for it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from celery.backends.redis import RedisBackend
from celery.states import PENDING
from celery.worker import state
from celery.worker.consumer import Consumer as CeleryConsumer
from kombu.transport import redis, virtual
from redis import Redis
from redis.client import Pipeline
from redis.exceptions import LockNotOwnedError
from redis.lock import Lock

from worker.envelope import (
    JSON,
    MAX_CONTROL_BYTES,
    MAX_MESSAGE_BYTES,
    MSGPACK,
    Embed,
    Envelope,
    RejectedMessageError,
    ResultMeta,
    TaskHeaders,
    check_body,
    check_json,
    check_msgpack,
    parse_json,
    validate,
)
from worker.redaction import escape_control

log = logging.getLogger(__name__)

UNREADABLE = (
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    RecursionError,
)  # as kombu fails on what is not its own


class Rejections:
    """Counts and logs the messages that this process has rejected."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, error: Exception) -> None:
        """Count a message, and log why it was rejected in one printable line."""
        self.count += 1
        reason = str(error) if isinstance(error, RejectedMessageError) else repr(error)
        log.error("rejected a message: %s", escape_control(reason, longest=300))


rejections = Rejections()


class Message(virtual.Message):  # type: ignore[misc]  # kombu publishes no types
    """Checks a message before kombu uses any of it, and decodes it.

    kombu decompresses whatever a header tells it to: 1.5 kB became 4.8 GB. It parses a body of any depth, and leaves a
    message that it cannot parse to its reader.
    """

    def __init__(self, payload: Any, channel: Any = None, **options: Any) -> None:
        envelope = validate(Envelope, payload, "a message")
        try:
            super().__init__(payload, channel=channel, **options)
            check_body(self.body, envelope.content_type, MAX_MESSAGE_BYTES)
            self.accept = {JSON, MSGPACK}
            self.decode()
        except RejectedMessageError:
            raise
        except Exception as error:  # noqa: BLE001 - decoders raise anything at data that is not theirs
            raise RejectedMessageError(f"a body that cannot be decoded: {type(error).__name__}") from None


class QoS(redis.QoS):  # type: ignore[misc]
    """Repeats what it tells the broker about a message when the connection breaks.

    kombu loses a message that it fetched but could not register. One that it could not acknowledge counts against the
    prefetch limit for good: with a limit of one the worker takes no further task, and looks healthy. Repeating either
    is safe, since both sides identify the message by its tag.
    """

    def append(self, message: Any, delivery_tag: str) -> None:
        """Register at the broker that this worker has the message."""
        self._retry_once(super().append, message, delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        """Acknowledge the message; free its prefetch slot even if that fails."""
        self._settle(super().ack, delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Reject or requeue the message; free its prefetch slot even if that fails."""
        self._settle(super().reject, delivery_tag, requeue)

    def restore_by_tag(self, tag: Any, client: Any = None, leftmost: bool = False) -> None:
        """Requeue a message that was fetched; drop it if it cannot be read.

        kombu fails at the first such entry every time, and never restores the ones behind it.
        """
        try:
            super().restore_by_tag(tag, client, leftmost)
        except UNREADABLE as error:
            rejections.add(error)
            self._remove_from_indices(tag).execute()

    def _settle(self, call: Callable[..., None], delivery_tag: str, *arguments: bool) -> None:
        try:
            self._retry_once(call, delivery_tag, *arguments)
        except self.channel.connection_errors:
            virtual.QoS.ack(self, delivery_tag)
            raise

    def _retry_once(self, call: Callable[..., None], *arguments: Any) -> None:
        try:
            call(*arguments)
        except self.channel.connection_errors as error:
            log.warning("a connection to the broker broke (%s); trying once more on a new one", error)
            self.channel.pool.disconnect()
            call(*arguments)


class ScriptlessLock(Lock):
    """The lock of redis-py, released in a transaction instead of a Lua script.

    kombu locks the queue of unacknowledged messages while it restores them. With scripts every role of the broker would
    need the right to run any script, and one that loops for ever cannot be ended by the others.
    """

    def register_scripts(self) -> None:
        """Register none."""

    def do_release(self, expected_token: Any) -> None:
        """Delete the lock if it still has our token.

        Raises:
            LockNotOwnedError: it expired, and is free or another's.
        """

        def delete(pipe: Pipeline) -> None:
            held: Any = pipe.get(self.name)
            pipe.multi()
            if held == expected_token:
                pipe.delete(self.name)

        if not self.redis.transaction(delete, self.name):
            raise LockNotOwnedError("the lock is no longer ours", lock_name=str(self.name))


class Client(Redis):
    """The client of kombu's channels, with `ScriptlessLock`."""

    def lock(self, *arguments: Any, **options: Any) -> Any:
        """Return a lock that runs no script."""
        return super().lock(*arguments, **{**options, "lock_class": ScriptlessLock})


class Channel(redis.Channel):  # type: ignore[misc]
    """Rejects messages that are too large, nested too deep or not valid, before they are parsed.

    kombu raises the error out of its event loop, which ends the worker: a few bytes in a queue would stop every worker
    that consumes it. A message that is rejected here is registered nowhere yet, so nothing is left to settle.
    """

    QoS = QoS
    Message = Message

    def _create_client(self, asynchronous: bool = False) -> Any:
        client = super()._create_client(asynchronous)
        client.set_response_callback("BRPOP", _check_fetched)
        return client

    def _get_client(self) -> type[Client]:
        super()._get_client()  # refuses a version of redis-py that kombu does not support
        return Client

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str, queue: str) -> None:
        # Without an expiry, which kombu keeps by Lua scripts; a stale binding is one short member of a set.
        expires: dict[str, int] = self._expires  # type: ignore[has-type]
        self._expires = {}
        try:
            super()._queue_bind(exchange, routing_key, pattern, queue)
        finally:
            self._expires = expires

    def maybe_refresh_binding_expiry(self) -> None:
        """Refresh nothing: `_queue_bind` sets no expiry."""

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)
        except UNREADABLE as error:
            rejections.add(error)
            return True

    def _handle_message(self, client: Any, response: Any) -> Any:
        published = super()._handle_message(client, response)
        if isinstance(data := published["data"], bytes):
            parse_json(data, MAX_CONTROL_BYTES)  # kombu would log what it cannot parse, and not count it
        return published

    def _receive_one(self, client: Any) -> Any:
        try:
            return super()._receive_one(client)
        except UNREADABLE as error:
            rejections.add(error)
            return None


def _check_fetched(reply: list[bytes] | None, **_: Any) -> tuple[bytes, bytes] | None:
    """Check what BRPOP returned: a task message, or a reply to a control message."""
    if not reply:
        return None
    queue, message = reply
    check_json(message, MAX_CONTROL_BYTES if b".pidbox" in queue else MAX_MESSAGE_BYTES)
    return queue, message


class Consumer(CeleryConsumer):  # type: ignore[misc]
    """Runs only this application's tasks, and settles every message whatever happens to it.

    Celery leaves a message unsettled when a header is not what it expects: it counts against the prefetch limit for
    good. It follows the sender's time limits, ETA, expiry and links to other tasks, and serves its own tasks, which
    call any other.
    """

    def create_task_handler(self, *arguments: Any) -> Callable[[Any], None]:
        """Return the function that is called with each task message."""
        handle = super().create_task_handler(*arguments)

        def on_task_received(message: Any) -> None:
            try:
                message.headers = self._check(message)
            except RejectedMessageError as error:
                return self._reject(message, error)
            try:
                handle(message)
            except self.connection_errors:
                raise
            except Exception as error:  # noqa: BLE001 - an unsettled message would keep its prefetch slot
                self._reject(message, error)
                if (request := state.requests.get(message.headers["id"])) is not None:
                    state.task_ready(request)

        return on_task_received

    def _check(self, message: Any) -> dict[str, Any]:
        """Return the headers that Celery may see."""
        headers = validate(TaskHeaders, message.headers, "a task message's headers")
        if headers.task not in self.strategies:
            raise RejectedMessageError(
                f"a task message for {headers.task}, which is not a task of this worker"
            )
        body = message.payload
        if not (isinstance(body, list) and len(body) == 3 and body[0] == []):
            raise RejectedMessageError("a task message whose body is not keyword arguments")
        validate(dict[str, Any], body[1], "a task message's arguments")
        validate(Embed, body[2], "a task message's links")
        return headers.model_dump()

    def _reject(self, message: Any, error: Exception) -> None:
        rejections.add(error)
        if not message.acknowledged:
            message.reject_log_error(log, self.connection_errors)


class Backend(RedisBackend):  # type: ignore[misc]
    """Validates results that it reads, and publishes the result of a task that was already done.

    Celery keeps the first success and silently drops later results of the same task, so a task that was done twice
    looks like one that was done once. The later result is still not stored. First results take Celery's own commands.
    """

    _thread = threading.local()  # a pool of threads shares one backend

    def decode_result(self, payload: Any) -> dict[str, Any]:
        """Return a stored or published result; an exception stays the names that it was stored as.

        Raises:
            RejectedMessageError: it is too large, has too many values, or is not a result.
        """
        if not isinstance(payload, bytes):
            raise RejectedMessageError("a result that is not bytes")
        check_msgpack(payload, MAX_MESSAGE_BYTES)
        try:
            content = self.decode(payload)
        except Exception as error:  # noqa: BLE001 - decoders raise anything at data that is not theirs
            raise RejectedMessageError(f"a result that cannot be decoded: {type(error).__name__}") from None
        return validate(ResultMeta, content, "a result").model_dump()

    def _get_task_meta_for(self, task_id: str) -> dict[str, Any]:
        try:
            meta: dict[str, Any] = super()._get_task_meta_for(task_id)
        except RejectedMessageError as error:
            rejections.add(error)
            return {"status": PENDING, "result": None}
        return meta

    def _store_result(
        self, task_id: str, result: Any, state: str, traceback: Any = None, request: Any = None, **more: Any
    ) -> Any:
        self._thread.stored = False
        returned = super()._store_result(task_id, result, state, traceback=traceback, request=request, **more)
        if not self._thread.stored:
            meta = self._get_result_meta(result=result, state=state, traceback=traceback, request=request)
            meta["task_id"] = task_id
            self.client.publish(self.get_key_for_task(task_id), self.encode(meta))
        return returned

    def _set_with_state(self, key: Any, value: Any, state: str) -> Any:
        self._thread.stored = True
        return super()._set_with_state(key, value, state)


def install() -> None:
    """Use `Channel` for every connection of this process."""
    redis.Transport.Channel = Channel
