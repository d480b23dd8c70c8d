"""What a worker is called: its slots, and the host that they are on."""

from __future__ import annotations

import ipaddress
import re
import secrets
import socket
import struct
from pathlib import Path

DOCKER_DNS = "127.0.0.11"
"""Docker's own name server, in every container on a network that was made for it. No other is asked."""

POINTER, INTERNET = 12, 1
"""Type and class of a DNS record that leads from an address to a name (RFC 1035, 3.2)."""

SAID_BEFORE = 0xC0
"""From here on a length is none, but leads to an earlier place in the message (RFC 1035, 4.1.4)."""

PATIENCE_S = 1.0
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


def node_name(slots: int) -> str:
    """A worker's name: `slot1@host`, or `slots1-4@host` for one that has four.

    The host is the container as `docker ps` shows it, with the beginning of its id, since other machines may
    have a container of the same name; outside of Docker, and wherever that fails, it is the host's name.
    """
    host = socket.gethostname()
    container = _container_name(host)
    return f"slot{'1' if slots == 1 else f's1-{slots}'}@{f'{container}.{host[:4]}' if container else host}"


def _container_name(host: str) -> str | None:
    try:
        if f"nameserver {DOCKER_DNS}\n" not in Path("/etc/resolv.conf").read_text(encoding="utf-8"):
            return None
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(PATIENCE_S)
            asking.connect((DOCKER_DNS, 53))
            query = pointer_query(socket.gethostbyname(host), secrets.randbits(16))
            asking.send(query)
            return first_label(query, asking.recv(512))
    except OSError:
        return None


def pointer_query(address: str, number: int) -> bytes:
    """The question what an IP address is called, as it goes over the wire (RFC 1035, 4.1)."""
    labels = ipaddress.ip_address(address).reverse_pointer.split(".")
    name = b"".join(struct.pack("B", len(label)) + label.encode() for label in labels) + b"\0"
    wants_recursion = 0x0100
    return (
        struct.pack(">6H", number, wants_recursion, 1, 0, 0, 0) + name + struct.pack(">2H", POINTER, INTERNET)
    )


def first_label(query: bytes, answer: bytes) -> str | None:
    """The first part of the name in the answer to `query`: the container's; `None` where there is none in it."""
    try:
        flags, _, answers = struct.unpack_from(">3H", answer, 2)
        # The question is repeated; then come the name, type, class, time to live, and the length of what follows.
        start = _after_name(answer, len(query))
        kind, _, _, length = struct.unpack_from(">2HLH", answer, start)
        data = answer[start + 10 :][:length]
        label = data[1 : 1 + data[0]].decode("ascii")
    except (struct.error, IndexError, UnicodeDecodeError):
        return None
    is_answer, failed = flags & 0x8000, flags & 0x000F
    if answer[:2] != query[:2] or not is_answer or failed or answers < 1 or kind != POINTER:
        return None
    return label if NAME.fullmatch(label) else None


def _after_name(message: bytes, start: int) -> int:
    """Where a name ends: with an empty label, or with two bytes that lead to where it was said before."""
    while message[start] and message[start] < SAID_BEFORE:
        start += 1 + message[start]
    return start + (2 if message[start] else 1)
