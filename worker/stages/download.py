"""Download: a URL to the bytes behind it, with limits on time, size and destination."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from urllib.parse import urlsplit

import requests

from worker.settings import settings

CHUNK_BYTES = 1 << 18


class DownloadError(OSError):
    """A URL that gave no whole body: the message names the URL and what happened."""


def connection_each(url: str) -> bytes:
    """A new connection for every request, as in the notebook."""
    with requests.Session() as session:
        return _fetch(session, url)


def kept_alive(url: str) -> bytes:
    """One connection a thread, kept open between requests."""
    session: requests.Session | None = getattr(_local, "session", None)
    if session is None:
        session = _local.session = requests.Session()
    return _fetch(session, url)


_local = threading.local()


def _fetch(session: requests.Session, url: str) -> bytes:
    limits = settings()
    deadline = time.monotonic() + limits.download_timeout_s
    try:
        response = _follow(session, url)
        with response:
            if response.status_code != HTTPStatus.OK:
                raise DownloadError(f"{url} answered {response.status_code} {response.reason}")
            return _read(response, url, limits.download_max_bytes, deadline)
    except requests.Timeout:
        raise DownloadError(f"{url} gave no answer in time") from None
    except requests.ConnectionError as error:
        raise DownloadError(f"{url} cannot be reached: {_root_cause(error)}") from None
    except requests.RequestException as error:
        raise DownloadError(f"{url} broke off: {type(error).__name__}") from None


def _follow(session: requests.Session, url: str, redirects: int = 5) -> requests.Response:
    """The first answer that is no redirect; every address on the way must be an allowed origin."""
    limits = settings()
    for _ in range(redirects + 1):
        _check_origin(url, limits.allowed_origins)
        response = session.get(
            url,
            stream=True,
            allow_redirects=False,
            timeout=(limits.connect_timeout_s, limits.read_timeout_s),
            headers={"Cache-Control": "no-cache"},
        )
        if not response.is_redirect:
            return response
        url = requests.compat.urljoin(url, response.headers["Location"])
        response.close()
    raise DownloadError(f"{url} redirects more than {redirects} times")


def _check_origin(url: str, allowed: tuple[str, ...]) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise DownloadError(f"{url} is neither http nor https")
    if allowed and f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" not in allowed:
        raise DownloadError(f"{url} is no allowed origin; BREAKEVEN_ALLOWED_ORIGINS names {', '.join(allowed)}")


def _read(response: requests.Response, url: str, max_bytes: int, deadline: float) -> bytes:
    """The body, counted while it comes, so that an endless one ends here."""
    parts: list[bytes] = []
    size = 0
    for part in response.iter_content(CHUNK_BYTES):
        size += len(part)
        if size > max_bytes:
            raise DownloadError(f"{url} is over the limit of {max_bytes} bytes")
        if time.monotonic() > deadline:
            raise DownloadError(f"{url} was not read to its end in time")
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _root_cause(error: BaseException) -> str:
    """The operating system's word for it: requests' own message holds an address in memory."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.strerror:
            return seen.strerror
        reason = getattr(seen, "reason", None) or (seen.args[0] if seen.args else None)
        seen = reason if isinstance(reason, BaseException) else (seen.__cause__ or seen.__context__)
    return "connection failed"


reference = connection_each

KERNELS: Mapping[str, Callable[[str], bytes]] = {"requests": connection_each, "session": kept_alive}
