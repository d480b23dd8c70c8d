"""TLS for `rediss://`: one set of options that kombu, Celery's result backend and redis-py all understand."""

from __future__ import annotations

import ssl
from typing import Any

from worker.redaction import escape_control

CERTIFICATE_FILES = "BREAKEVEN_TLS_CA, BREAKEVEN_TLS_CERT and BREAKEVEN_TLS_KEY"


def tls_options(ca: str | None, cert: str | None, key: str | None) -> dict[str, Any]:
    """What a `rediss://` connection is made with: the certificate and the host name in it are always verified.

    Each of the three reads a URL's query in a way of its own, and kombu verifies nothing for a `rediss://`
    URL that comes without options; so these are always given, and never taken from the URL.

    Args:
        ca: file of the authorities to trust beside the system's own.
        cert: file of our own certificate, for a server that asks for one.
        key: file of its private key.
    """
    files = {"ssl_ca_certs": ca, "ssl_certfile": cert, "ssl_keyfile": key}
    return {
        "ssl_cert_reqs": ssl.CERT_REQUIRED,
        "ssl_check_hostname": True,
        **{name: file for name, file in files.items() if file is not None},
    }


def check_files(ca: str | None, cert: str | None, key: str | None) -> None:
    """Prove that the files can be used, now rather than at the first connection.

    Raises:
        ValueError: one of them cannot; says which, and what to do.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca is not None:
        try:
            context.load_verify_locations(cafile=ca)
        except (OSError, ValueError) as error:  # ssl.SSLError is the one, a name that cannot be the other
            raise ValueError(
                f"BREAKEVEN_TLS_CA={escape_control(ca)} cannot be used ({_why(error)}); name a PEM file "
                "with the certificate of the authority that signed the server's"
            ) from None
    if (cert is None) != (key is None):
        raise ValueError(
            "BREAKEVEN_TLS_CERT and BREAKEVEN_TLS_KEY belong together, and only one is set; set both or neither"
        )
    if cert is not None:
        try:
            context.load_cert_chain(cert, key, password="")
        except (OSError, ValueError) as error:
            raise ValueError(
                f"BREAKEVEN_TLS_CERT={escape_control(cert)} and BREAKEVEN_TLS_KEY={escape_control(str(key))} "
                f"cannot be used ({_why(error)}); name PEM files of a certificate and of its own private key, "
                "without a passphrase"
            ) from None


def _why(error: OSError | ValueError) -> str:
    if isinstance(error, ValueError) and not isinstance(error, OSError):
        return "no file can have that name"
    if isinstance(error, ssl.SSLError):
        return (error.reason or "not in PEM form").replace("_", " ").lower()
    return error.strerror or type(error).__name__
