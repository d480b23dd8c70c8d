"""Why a Redis turned us away, where waiting does not help: certificates, passwords, rights."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from typing import Final

import redis

from worker.settings import Settings

CERTIFICATE_EXPIRED: Final = 10
CERTIFICATE_NOT_YET_VALID: Final = 9
OTHER_NAME: Final = (62, 64)
"""OpenSSL's numbers (x509_vfy.h): wrong time, host name, IP address."""

NOT_TLS: Final = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST")
WANTS_CERTIFICATE: Final = ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "SSLV3_ALERT_HANDSHAKE_FAILURE")

WANTED: Final = "it wants a certificate of ours; name one with BREAKEVEN_TLS_CERT and BREAKEVEN_TLS_KEY"

COMMAND: Final = re.compile(r"permissions to run the '([^']+)' command")


def refusal(error: BaseException, settings: Settings) -> str | None:
    """What the server found wrong with us, or we with it, then `; ` and what to do; `None` for any other error."""
    for cause in _chain(error):
        match cause:
            case ssl.SSLCertVerificationError():
                return _certificate(cause, settings)
            case ssl.SSLError():
                return _by_reason(cause.reason or str(cause), settings)
            case redis.exceptions.NoPermissionError():
                return _right(str(cause))
            case redis.AuthenticationError():
                return "it refused the password; give it in the URL: rediss://USER:PASSWORD@host:6380/0"
    alert = _alert(str(error))
    return None if alert is None else _by_reason(alert, settings)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what led to it: redis-py and kombu put errors of their own around it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _certificate(error: ssl.SSLCertVerificationError, settings: Settings) -> str:
    if error.verify_code == CERTIFICATE_EXPIRED:
        return "its certificate has expired; make it a new one, or set this machine's clock right"
    if error.verify_code == CERTIFICATE_NOT_YET_VALID:
        return "its certificate is not valid yet; set the clocks of both machines right"
    if error.verify_code in OTHER_NAME:
        why = error.verify_message.removesuffix(".")
        return (
            f"its certificate is for another name ({why}); use a name that stands in it, or make one for this"
        )
    now = "not set" if settings.tls_ca is None else settings.tls_ca
    return (
        f"its certificate is signed by nobody that is trusted here ({error.verify_message}); name the file of "
        f"its authority's certificate with BREAKEVEN_TLS_CA (now {now})"
    )


def _alert(message: str) -> str | None:
    """The TLS alert in the text of an error; redis-py keeps no more of one that comes after the handshake."""
    found = re.search(r"\[SSL: (\w+)\]", message)
    return None if found is None else found[1]


def _by_reason(reason: str, settings: Settings) -> str | None:
    if reason in NOT_TLS:
        return "it does not speak TLS there; name its TLS port, or write redis:// if it has none"
    if "EOF" in reason:
        # It hung up. Its alert may have been lost on the way, so the likeliest one is taken as given.
        return None if settings.tls_cert else WANTED
    if reason in WANTS_CERTIFICATE:
        return WANTED
    if "ALERT" in reason:
        said = reason.rpartition("ALERT_")[2].replace("_", " ").lower()
        return (
            f"it does not accept our certificate ({said}); name one that its authority signed with "
            "BREAKEVEN_TLS_CERT and BREAKEVEN_TLS_KEY"
        )
    return f"no TLS connection came about ({reason.replace('_', ' ').lower()}); see the server's log"


def _right(message: str) -> str:
    command = COMMAND.search(message)
    lacks = f"run {command[1]!r}" if command else "use one of our keys or channels"
    return (
        f"its user may not {lacks} ({message}); give it the rights of its role in docker/redis/users.acl "
        "('ACL LOG' on the server names what was denied)"
    )
