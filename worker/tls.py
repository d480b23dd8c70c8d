"""TLS for `rediss://`: one set of options for kombu, Celery's result backend and redis-py."""

from __future__ import annotations

import ssl
from typing import Any, Final

from worker.redaction import escape_control

CERTIFICATE_FILES: Final = "BREAKEVEN_TLS_CA, BREAKEVEN_TLS_CERT and BREAKEVEN_TLS_KEY"


def tls_options(ca: str | None, cert: str | None, key: str | None) -> dict[str, Any]:
    """Return the options of a connection: the certificate and its host name are always verified.

    Each of the three clients reads a URL's query differently, and kombu verifies nothing for a `rediss://` URL without
    options; so these options are always given, and never taken from the URL.
    """
    files = {"ssl_ca_certs": ca, "ssl_certfile": cert, "ssl_keyfile": key}
    return {
        "ssl_cert_reqs": ssl.CERT_REQUIRED,
        "ssl_check_hostname": True,
        **{name: file for name, file in files.items() if file is not None},
    }


def check_files(ca: str | None, cert: str | None, key: str | None) -> None:
    """Raise `ValueError`, with the remedy, for a file that cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca is not None:
        try:
            context.load_verify_locations(cafile=ca)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise ValueError(
                f"BREAKEVEN_TLS_CA={escape_control(ca)} cannot be used ({_why(error)}); name a PEM file "
                "with the certificate of the authority that signed the server's"
            ) from None
    if (cert is None) != (key is None):
        raise ValueError("BREAKEVEN_TLS_CERT and BREAKEVEN_TLS_KEY must both be set or both be unset")
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
    match error:
        case ssl.SSLError():
            return (error.reason or "not in PEM form").replace("_", " ").lower()
        case OSError():
            return error.strerror or type(error).__name__
    return "it is not a valid file name"
