"""Download: a URL to the bytes behind it, with limits on time, size and destination."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from worker.redaction import redact
from worker.settings import settings
from worker.stages.connections import Adapter, ForeignOriginError, bounded

CHUNK_BYTES = 1 << 18

ASKED = {"Cache-Control": "no-cache", "Accept-Encoding": "identity"}
"""Pictures are packed as they are; whoever packs them again is understood, and counted by what comes of it."""


class DownloadError(OSError):
    """A URL that gave no whole body: the message names the URL and what happened."""


class _Session(requests.Session):
    """A session that asks allowed origins alone, and leaves redirects to `_follow`.

    The environment gives it no proxy, which would be measured in the origin's place and connects to whatever
    it likes, and no password from a .netrc. Of requests' own it reads REQUESTS_CA_BUNDLE.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        self.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
        self.mount("http://", Adapter())
        self.mount("https://", Adapter())

    def get_redirect_target(self, resp: requests.Response) -> None:
        """There is none: requests would read a redirect's whole body."""


def connection_each(url: str) -> bytes:
    """A new connection for every request, as in the notebook."""
    with _Session() as session:
        return _fetch(session, url)


def kept_alive(url: str) -> bytes:
    """One connection a thread, kept open between requests."""
    session: requests.Session | None = getattr(_local, "session", None)
    if session is None:
        session = _local.session = _Session()
    return _fetch(session, url)


_local = threading.local()


def _fetch(session: requests.Session, url: str) -> bytes:
    limits = settings()
    deadline = time.monotonic() + limits.download_timeout_s
    try:
        with (
            bounded(deadline, limits.allowed_origins),
            _follow(session, url, deadline) as response,
        ):
            if response.status_code != HTTPStatus.OK:
                raise DownloadError(
                    f"{redact(url)} answered {response.status_code} {redact(str(response.reason))}"
                )
            return _read(response, url, limits.download_max_bytes, deadline)
    except (requests.Timeout, urllib3.exceptions.TimeoutError):
        _check_deadline(url, deadline)
        raise DownloadError(f"{redact(url)} gave no answer in time") from None
    except requests.ConnectionError as error:
        raise DownloadError(f"{redact(url)} cannot be reached: {_root_cause(error)}") from None
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, UnicodeError):
        raise DownloadError(f"{redact(url)} is not a URL that can be asked for") from None
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise DownloadError(f"{redact(url)} broke off: {type(error).__name__}") from None


def _follow(session: requests.Session, url: str, deadline: float, redirects: int = 5) -> requests.Response:
    """The first answer that is no redirect; every address on the way must be of an allowed origin."""
    limits = settings()
    address = url
    for _ in range(redirects + 1):
        _check_scheme(address)
        left_s = max(0.001, deadline - time.monotonic())
        try:
            response = session.get(
                address,
                stream=True,
                allow_redirects=False,
                timeout=(min(limits.connect_timeout_s, left_s), min(limits.read_timeout_s, left_s)),
                headers=ASKED,
            )
        except ForeignOriginError as foreign:
            allowed = ", ".join(limits.allowed_origins)
            raise DownloadError(
                f"{redact(address)} is no allowed origin ({foreign}); BREAKEVEN_ALLOWED_ORIGINS names {allowed}"
            ) from None
        if not response.is_redirect:
            return response
        response.close()
        _check_deadline(url, deadline)
        address = _joined(address, response.headers["Location"])
    raise DownloadError(f"{redact(url)} redirects more than {redirects} times")


def _joined(address: str, location: str) -> str:
    try:
        return urljoin(address, location)
    except ValueError:
        raise DownloadError(
            f"{redact(address)} redirects to {redact(location)}, which is not a URL"
        ) from None


def _check_scheme(url: str) -> None:
    try:
        scheme = urlsplit(url).scheme
    except ValueError:
        raise DownloadError(f"{redact(url)} is not a URL that can be asked for") from None
    if scheme not in ("http", "https"):
        raise DownloadError(f"{redact(url)} is neither http nor https")


def _check_deadline(url: str, deadline: float) -> None:
    if time.monotonic() >= deadline:
        raise DownloadError(f"{redact(url)} was not read to its end in time")


def _read(response: requests.Response, url: str, max_bytes: int, deadline: float) -> bytes:
    """The body, counted and timed as it comes, so that neither an endless nor a trickling one holds us up.

    `read1` gives what has arrived; `iter_content` would wait for a whole chunk, however slowly it drips in.
    What was packed once more is counted unpacked, no more than a chunk of it at a time.
    """
    parts: list[bytes] = []
    size = 0
    while part := response.raw.read1(CHUNK_BYTES, decode_content=True):
        size += len(part)
        if size > max_bytes:
            raise DownloadError(f"{redact(url)} is over the limit of {max_bytes} bytes")
        _check_deadline(url, deadline)
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
