"""Origins, scheme://host:port, each in one spelling, so that two of them are equal exactly if they are the same."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from requests import Request, RequestException

DEFAULT_PORTS = {"http": 80, "https": 443}

_ORIGIN = re.compile(
    r"(https?)://(\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9_.-]{0,251}[a-z0-9])?)(?::(\d{1,5}))?/?", re.I
)


def origin(scheme: str, host: str, port: int | None) -> str:
    """The one spelling: in lower case, the port always named, an IPv6 address in brackets and in short form.

    A name stays a name: that it resolves to an allowed address makes it no allowed origin, nor the other way
    round, and `host.` with the root's dot is another name than `host`.
    """
    scheme, host = scheme.lower(), host.lower().strip("[]")
    try:
        address = ipaddress.ip_address(host)
        host = f"[{address.compressed}]" if address.version == 6 else address.compressed
    except ValueError:
        pass  # a name
    return f"{scheme}://{host}:{DEFAULT_PORTS[scheme] if port is None else port}"


def parsed(text: str) -> str:
    """An origin as a user writes it, in the one spelling.

    Raises:
        ValueError: it is none: another scheme, a path, a login, a port that cannot be.
    """
    found = _ORIGIN.fullmatch(text)
    if found is None:
        raise ValueError("it is no origin; write scheme://host or scheme://host:port, with http or https")
    port = None if found[4] is None else int(found[4])
    if port is not None and not 0 < port < 65536:
        raise ValueError(f"port {port} is out of range; it may be 1 to 65535")
    if found[2].startswith("["):
        ipaddress.IPv6Address(found[2].strip("[]"))  # its ValueError says what is wrong
    return origin(found[1], found[2], port)


def of_url(url: str) -> str:
    """The origin that a URL leads to, read as the download reads it: other letters than ASCII as IDNA has them.

    Raises:
        ValueError: it is no http(s) URL that can be asked for.
    """
    try:
        parts = urlsplit(Request("GET", url).prepare().url or "")
        if parts.scheme in DEFAULT_PORTS and parts.hostname:
            return origin(parts.scheme, parts.hostname, parts.port)
    except (RequestException, ValueError):
        pass
    raise ValueError("it is no http or https URL that can be asked for")
