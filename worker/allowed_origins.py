"""Origins, scheme://host:port, in a canonical form, so that two are equal exactly if they are the same."""

from __future__ import annotations

import ipaddress
import re
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

from requests import Request, RequestException

DEFAULT_PORTS: Final = {"http": 80, "https": 443}

_ORIGIN: Final = re.compile(
    r"(https?)://(\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9_.-]{0,251}[a-z0-9])?)(?::(\d{1,5}))?/?", re.I
)


def origin(scheme: str, host: str, port: int | None) -> str:
    """Return the canonical form: lower case, with a port, IPv6 addresses in brackets and short form.

    A name stays a name: it is not equal to the address it resolves to, and `host.` is another name than `host`.
    """
    scheme, host = scheme.lower(), host.lower().strip("[]")
    with suppress(ValueError):  # of a name
        address = ipaddress.ip_address(host)
        host = f"[{address.compressed}]" if address.version == 6 else address.compressed
    return f"{scheme}://{host}:{DEFAULT_PORTS[scheme] if port is None else port}"


def parse(text: str) -> str:
    """Return an origin in canonical form; `ValueError` for another scheme, a path, a login or an invalid port."""
    found = _ORIGIN.fullmatch(text)
    if found is None:
        raise ValueError("it is not an origin; write scheme://host or scheme://host:port, with http or https")
    port = None if found[4] is None else int(found[4])
    if port is not None and not 0 < port < 65536:
        raise ValueError(f"port {port} is out of range; it may be 1 to 65535")
    if found[2].startswith("["):
        ipaddress.IPv6Address(found[2].strip("[]"))  # its ValueError names the error
    return origin(found[1], found[2], port)


def of_url(url: str) -> str:
    """Return the origin of a URL, parsed as the download does (non-ASCII names by IDNA), or raise `ValueError`."""
    with suppress(RequestException, ValueError):
        parts = urlsplit(Request("GET", url).prepare().url or "")
        if parts.scheme in DEFAULT_PORTS and parts.hostname:
            return origin(parts.scheme, parts.hostname, parts.port)
    raise ValueError("it is not a valid http or https URL")
