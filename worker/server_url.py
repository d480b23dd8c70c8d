"""The URL of a Redis, in the one form that Celery, kombu and redis-py read alike."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl, urlsplit

from worker.redaction import escape_control, mask_credentials
from worker.tls import CERTIFICATE_FILES

SCHEMES: Final = ("redis", "rediss", "redis+socket")
SOCKET_SCHEMES: Final = ("redis+socket", "unix")  # kombu's and redis-py's for a unix socket
DATABASE: Final = ("db", "virtual_host")  # redis-py's and kombu's parameter for the number of the database


def canonical_url(url: str) -> str:
    """Return the URL as Celery, kombu and redis-py all read it: `redis://HOST:PORT/DB`, `redis+socket:///PATH`.

    redis-py takes `?db=1`, kombu `?virtual_host=1` where the URL is that of a socket; further parameters are options of
    one client, which the others refuse. What is no URL of a Redis is returned as it is.

    Raises:
        ValueError: the query has other parameters, or the database is not a number.
    """
    url = url.strip()
    try:
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
    except ValueError:
        return url
    is_socket = parts.scheme in SOCKET_SCHEMES
    if not is_socket and parts.scheme not in SCHEMES:
        return url
    shown = escape_control(mask_credentials(url))
    if not is_socket and "@" in f"{parts.path}{parts.query}{parts.fragment}":
        raise ValueError(
            f"{shown} has /, ?, # or @ in its user or password; write them as %2F, %3F, %23 and %40"
        )
    tls = [name for name in query if name.startswith("ssl")]
    if tls:
        raise ValueError(
            f"{shown} has {', '.join(tls)} in its query; certificates and host names are always verified: "
            f"remove it, and name files with {CERTIFICATE_FILES}"
        )
    others = [name for name in query if name not in DATABASE]
    if others:
        raise ValueError(
            f"{shown} has {', '.join(others)} in its query; remove it: Breakeven sets its own timeouts"
        )
    given = [query[name] for name in DATABASE if name in query]
    database = given[0] if given else "" if is_socket else parts.path.strip("/")
    if database and not (database.isascii() and database.isdigit()):
        raise ValueError(
            f"{shown} has the database {database!r}; write its number, as in redis://host:6379/0"
        )
    if is_socket:
        number = f"?virtual_host={database}" if database not in ("", "0") else ""
        return f"redis+socket://{parts.netloc}{parts.path}{number}"
    return f"{parts.scheme}://{parts.netloc}{f'/{database}' if given else parts.path}"


def is_redis_url(url: str) -> bool:
    """Return whether `url` is the URL of a Redis."""
    try:
        parts = urlsplit(url)
        return parts.scheme in SCHEMES and bool(parts.hostname or parts.path) and (parts.port or 1) > 0
    except ValueError:
        return False
