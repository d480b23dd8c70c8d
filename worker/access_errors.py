"""What a server means that refuses us, and the remedy: certificates, passwords, rights, replicas, clusters.

Waiting does not help against any of these.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from typing import Final

import redis

from worker.payloads.redis import connect
from worker.redaction import mask_credentials
from worker.settings import Settings

# OpenSSL's numbers (x509_vfy.h)
CERTIFICATE_NOT_YET_VALID: Final = 9
CERTIFICATE_EXPIRED: Final = 10
NAME_MISMATCH: Final = (62, 64)  # host name, IP address

NOT_TLS: Final = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST")
CLIENT_CERTIFICATE_ALERTS: Final = ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "SSLV3_ALERT_HANDSHAKE_FAILURE")
CERTIFICATE_SETTINGS: Final = "BREAKEVEN_TLS_CERT and BREAKEVEN_TLS_KEY"
NEEDS_CLIENT_CERTIFICATE: Final = f"it requires a client certificate; name one with {CERTIFICATE_SETTINGS}"
READ_ONLY: Final = "it is a read-only replica; name its primary"
CLUSTER: Final = (
    "it is a node of a Redis cluster, which Celery cannot use; name a Redis that is in no cluster"
)
# What a server says in the text of an error, and what that means.
REFUSALS: Final = {
    "READONLY": READ_ONLY,
    "MOVED ": CLUSTER,
    "CLUSTERDOWN": CLUSTER,
    "CROSSSLOT": CLUSTER,
    "don't hash to the same slot": CLUSTER,  # as redis-py words it
    "MISCONF": "it could not save its data and refuses to write (MISCONF); see its log, make room on its disk, or run "
    "'CONFIG SET stop-writes-on-bgsave-error no' on it",
    "max number of clients reached": "it has as many clients as it may have; raise its maxclients, or close others",
    "MASTERDOWN": "it is a replica that has lost its primary; name the primary",
}
COMMAND: Final = re.compile(r"permissions to run the '([^']+)' command")


def find_access_error(settings: Settings) -> str | None:
    """Return which server denies a worker access, why, and the remedy; `None` if none does.

    A server that cannot be reached is not counted: Celery keeps trying to reach it.
    """
    servers = {settings.payload_store_url: "payload store", settings.broker_url: "broker"}
    for url, what in servers.items():
        try:
            with connect(url, timeout_s=5.0, tls=settings.tls) as client:
                client.ping()
        except (redis.RedisError, OSError) as error:
            reason = access_error(error, settings, url)
            if reason is not None:
                return f"the {what} {mask_credentials(url)} denied access: {reason}"
    return None


def access_error(error: BaseException, settings: Settings, url: str | None = None) -> str | None:
    """Return why access to `url` (by default the broker's) failed and the remedy; `None` for any other error."""
    url = url or settings.broker_url
    for cause in _causes(error):
        said = next((meaning for words, meaning in REFUSALS.items() if words in str(cause)), None)
        if said is not None:
            return said
        match cause:
            case ssl.SSLCertVerificationError():
                return _certificate_error(cause, settings)
            case ssl.SSLError():
                return _tls_error(cause.reason or str(cause), settings, url)
            case redis.exceptions.ReadOnlyError():
                return READ_ONLY
            # MOVED is an AskError.
            case (
                redis.exceptions.AskError()
                | redis.exceptions.ClusterCrossSlotError()
                | redis.exceptions.ClusterDownError()
            ):
                return CLUSTER
            case redis.exceptions.NoPermissionError():
                command = COMMAND.search(str(cause))
                lacks = f"run {command[1]!r}" if command else "use one of our keys or channels"
                return (
                    f"its user may not {lacks} ({cause}); give it the rights of its role in "
                    "docker/redis/users.acl.template ('ACL LOG' on the server names what was denied)"
                )
            case redis.AuthenticationError():
                scheme, _, rest = url.partition("://")
                place = f"{scheme}://USER:PASSWORD@{rest.rpartition('@')[2]}"
                return f"it rejected the password; give it in the URL: {place}"
    # Of an alert that comes after the handshake, redis-py keeps only the text.
    alert = re.search(r"\[SSL: (\w+)\]", str(error))
    return None if alert is None else _tls_error(alert[1], settings, url)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the error and what it wraps: redis-py and kombu raise their own errors from others."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _certificate_error(error: ssl.SSLCertVerificationError, settings: Settings) -> str:
    if error.verify_code == CERTIFICATE_EXPIRED:
        return "its certificate has expired; renew it, or correct this machine's clock"
    if error.verify_code == CERTIFICATE_NOT_YET_VALID:
        return "its certificate is not valid yet; correct the clocks of both machines"
    if error.verify_code in NAME_MISMATCH:
        why = error.verify_message.removesuffix(".")
        return f"its certificate is for another name ({why}); use a name in the certificate, or reissue it"
    now = "not set" if settings.tls_ca is None else settings.tls_ca
    return (
        f"its certificate is signed by an authority that is not trusted here ({error.verify_message}); name the file "
        f"of that authority's certificate with BREAKEVEN_TLS_CA (now {now})"
    )


def _tls_error(reason: str, settings: Settings, url: str) -> str | None:
    if reason in NOT_TLS:
        plain = mask_credentials(url).replace("rediss://", "redis://", 1)
        return f"that port does not speak TLS; use its TLS port, or write {plain} if it has none"
    if "EOF" in reason:
        # The server hung up, and its alert may have been lost: assume the likeliest one.
        return None if settings.tls_cert else NEEDS_CLIENT_CERTIFICATE
    if reason in CLIENT_CERTIFICATE_ALERTS:
        return NEEDS_CLIENT_CERTIFICATE
    if "ALERT" in reason:
        alert = reason.rpartition("ALERT_")[2].replace("_", " ").lower()
        return f"it rejected our certificate ({alert}); name one that its authority signed with {CERTIFICATE_SETTINGS}"
    return f"the TLS handshake failed ({reason.replace('_', ' ').lower()}); see the server's log"
