"""URLs of a Redis in every form that redis-py and kombu know."""

from __future__ import annotations

import pytest

from worker.server_url import canonical_url


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("redis://host:6379/0", "redis://host:6379/0"),
        ("redis://host", "redis://host"),
        (" redis://host:6379/0\n", "redis://host:6379/0"),
        ("redis://host:6379?db=3", "redis://host:6379/3"),
        ("redis://host:6379/1?db=3", "redis://host:6379/3"),
        ("rediss://user:p%40ss@host:6380?virtual_host=2", "rediss://user:p%40ss@host:6380/2"),
        ("redis://[::1]:6379/4", "redis://[::1]:6379/4"),
        ("redis+socket:///run/redis.sock", "redis+socket:///run/redis.sock"),
        ("redis+socket:///run/redis.sock?virtual_host=1", "redis+socket:///run/redis.sock?virtual_host=1"),
        ("unix:///run/redis.sock?db=1", "redis+socket:///run/redis.sock?virtual_host=1"),
        ("unix://user:pass@/run/redis.sock", "redis+socket://user:pass@/run/redis.sock"),
        ("nonsense", "nonsense"),
        ("amqp://host?x=1", "amqp://host?x=1"),
    ],
)
def test_every_form_is_read_and_what_is_no_redis_is_left_as_it_is(given: str, read: str) -> None:
    assert canonical_url(given) == read
    assert canonical_url(read) == read


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis://host:6379/abc", "database 'abc'; write its number"),
        ("redis://host:6379/0/1", "database '0/1'"),
        ("redis://host?db=x", "database 'x'"),
        (
            "redis://:secret@host/0?socket_timeout=5",
            "redis://.*@host/0.* has socket_timeout in its query; remove it",
        ),
        ("rediss://host/0?ssl_cert_reqs=none", "has ssl_cert_reqs in its query; .*BREAKEVEN_TLS_CA"),
    ],
)
def test_what_only_one_client_understands_is_refused_without_the_password(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        canonical_url(url)
    assert "secret" not in str(caught.value)
