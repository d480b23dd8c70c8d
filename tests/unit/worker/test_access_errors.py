"""What a server says that refuses us, explained with the remedy."""

from __future__ import annotations

import re
import ssl

import pytest
import redis
from kombu.exceptions import OperationalError

from worker.access_errors import access_error
from worker.settings import Settings


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            redis.exceptions.ReadOnlyError("You can't write against a read only replica."),
            "read-only replica; name its",
        ),
        (
            redis.exceptions.MovedError("3999 127.0.0.1:6381"),
            "node of a Redis cluster, which Celery cannot use; ",
        ),
        (
            redis.ResponseError("MISCONF Redis is configured to save RDB snapshots"),
            "MISCONF.*stop-writes-on-bgsave",
        ),
        (redis.ConnectionError("max number of clients reached"), "raise its maxclients"),
        (redis.AuthenticationError("WRONGPASS"), r"give it in the URL: redis://USER:PASSWORD@shop:7777/3$"),
    ],
)
def test_what_a_server_says_is_explained_with_the_remedy(error: redis.RedisError, reason: str) -> None:
    settings = Settings(broker_url="redis://me:secret@shop:7777/3")
    wrapped = OperationalError(str(error))
    wrapped.__cause__ = error
    for raised in (error, wrapped):
        assert re.search(reason, access_error(raised, settings) or ""), access_error(raised, settings)


def test_a_port_without_tls_is_explained_with_the_address_that_was_given() -> None:
    error = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")
    error.reason = "WRONG_VERSION_NUMBER"
    settings = Settings(broker_url="rediss://shop:7777/3")
    assert access_error(error, settings).endswith("or write redis://shop:7777/3 if it has none")
