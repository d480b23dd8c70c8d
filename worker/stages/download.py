"""Download: a URL to the bytes behind it, with limits on time, size and destination."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from typing import Final
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from worker.redaction import redact, redact_url
from worker.settings import settings
from worker.stages.connections import Adapter, ForeignOriginError, StaleConnectionError, bounded

READ_BYTES: Final = 1 << 18

# Pictures are compressed already. A server that compresses them again is understood, and counted unpacked.
HEADERS: Final = {"Cache-Control": "no-cache", "Accept-Encoding": "identity"}


class DownloadError(OSError):
    """A URL gave no complete body; the message names the URL and the reason."""


class _Session(requests.Session):
    """A session that connects to allowed origins only, and leaves redirects to `_follow`.

    It takes no proxy from the environment, which would be measured in place of the origin and could connect anywhere,
    no password from a .netrc, and no cookie from a server. It reads REQUESTS_CA_BUNDLE.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        self.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
        self.mount("http://", Adapter())
        self.mount("https://", Adapter())

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return none: requests would read a redirect's whole body."""


def connection_each(url: str) -> bytes:
    """Download over a new connection, as in the notebook."""
    with _Session() as session:
        return _fetch(session, url)


def kept_alive(url: str) -> bytes:
    """Download over this thread's connection, kept open between requests."""
    session: requests.Session | None = getattr(_local, "session", None)
    if session is None:
        session = _local.session = _Session()
    return _fetch(session, url)


_local = threading.local()


def _fetch(session: requests.Session, url: str) -> bytes:
    limits = settings()
    deadline = time.monotonic() + limits.download_timeout_s
    try:
        with bounded(deadline, limits.allowed_origins), _follow(session, url, deadline) as response:
            if response.status_code != HTTPStatus.OK:
                raise DownloadError(
                    f"{redact_url(url)} answered {response.status_code} {redact(str(response.reason))}"
                )
            return _read(response, url, limits.download_max_bytes, deadline)
    except (requests.Timeout, urllib3.exceptions.TimeoutError):
        _check_deadline(url, deadline)
        raise DownloadError(f"{redact_url(url)} gave no answer in time") from None
    except requests.ConnectionError as error:
        raise DownloadError(f"{redact_url(url)} cannot be reached: {_root_cause(error)}") from None
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, UnicodeError):
        raise DownloadError(f"{redact_url(url)} is not a valid URL") from None
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise DownloadError(f"{redact_url(url)} broke off: {type(error).__name__}") from None


def _follow(session: requests.Session, url: str, deadline: float, redirects: int = 5) -> requests.Response:
    """Return the first response that is not a redirect; each one must come from an allowed origin."""
    limits = settings()
    address = url
    for _ in range(redirects + 1):
        _check_scheme(address)
        left_s = max(0.001, deadline - time.monotonic())
        ask = partial(
            session.get,
            address,
            stream=True,
            allow_redirects=False,
            timeout=(min(limits.connect_timeout_s, left_s), min(limits.read_timeout_s, left_s)),
            headers=HEADERS,
        )
        try:
            try:
                response = ask()
            except StaleConnectionError:
                response = ask()  # over a new connection
        except ForeignOriginError as foreign:
            allowed = ", ".join(limits.allowed_origins)
            raise DownloadError(
                f"{redact_url(address)} is not an allowed origin ({foreign}); BREAKEVEN_ALLOWED_ORIGINS names {allowed}"
            ) from None
        if not response.is_redirect:
            return response
        response.close()
        _check_deadline(url, deadline)
        address = _joined(address, response.headers["Location"])
    raise DownloadError(f"{redact_url(url)} redirects more than {redirects} times")


def _joined(address: str, location: str) -> str:
    try:
        return urljoin(address, location)
    except ValueError:
        raise DownloadError(
            f"{redact_url(address)} redirects to {redact_url(location)}, which is not a URL"
        ) from None


def _check_scheme(url: str) -> None:
    try:
        scheme = urlsplit(url).scheme
    except ValueError:
        raise DownloadError(f"{redact_url(url)} is not a valid URL") from None
    if scheme not in ("http", "https"):
        raise DownloadError(f"{redact_url(url)} is neither http nor https")


def _check_deadline(url: str, deadline: float) -> None:
    if time.monotonic() >= deadline:
        raise DownloadError(f"{redact_url(url)} was not read to its end in time")


def _read(response: requests.Response, url: str, max_bytes: int, deadline: float) -> bytes:
    """Read the body; check size and time as it arrives, so that it can neither be endless nor trickle.

    `read1` returns what has arrived; `iter_content` would wait for a full chunk, however slowly it comes. Compressed
    bodies are counted unpacked, at most a chunk at a time.
    """
    parts: list[bytes] = []
    size = 0
    while part := response.raw.read1(READ_BYTES, decode_content=True):
        size += len(part)
        if size > max_bytes:
            raise DownloadError(f"{redact_url(url)} is over the limit of {max_bytes} bytes")
        _check_deadline(url, deadline)
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _root_cause(error: BaseException) -> str:
    """Return the operating system's message: that of requests contains an address in memory."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.strerror:
            return seen.strerror
        reason = getattr(seen, "reason", None) or (seen.args[0] if seen.args else None)
        seen = reason if isinstance(reason, BaseException) else (seen.__cause__ or seen.__context__)
    return "connection failed"


reference = connection_each

KERNELS: Final[Mapping[str, Callable[[str], bytes]]] = {"requests": connection_each, "session": kept_alive}
