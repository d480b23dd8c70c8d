"""One place for: no secret and no control character in what people read."""

from __future__ import annotations

import re
from typing import Final

MAX_CHARACTERS: Final = 2000  # of a message; a longer one ends in an ellipsis
MASK: Final = "***"

ADDRESS: Final = re.compile(r"[a-z][a-z0-9+.-]{0,20}://\S+", re.IGNORECASE)
HTTP: Final = re.compile(r"https?://", re.IGNORECASE)
LOGIN: Final = re.compile(r"(?<=://)[^/?#\\]*@")  # all that precedes the last @ of a URL's authority
LOGIN_PARAMETER: Final = re.compile(r"([?&;](?:username|password|ssl_password)=)[^&;]*", re.IGNORECASE)

# The value of a query parameter, except a plain number (or `{i}`, where one goes), perhaps with a suffix: plain
# numbers tell pictures apart.
VALUE: Final = re.compile(
    r"([?&;][^=&;#]*=)(?!(?:\d{1,9}|\{i\})(?:\.[a-z0-9]{1,9})?(?:[&;#]|$))[^&;#]*", re.IGNORECASE
)


def redact(text: str) -> str:
    """Return text fit for a result, report or log: without secrets, printable, not too long."""
    if "://" not in text:
        return escape_control(text)
    # Escape first: what a control character turns into may become a part of the address behind it.
    return escape_control(mask_secrets("".join(map(_escape, text))))


def escape_control(text: str, longest: int = MAX_CHARACTERS) -> str:
    r"""Return the text in one line, with escapes such as `\x1b` for unprintable characters.

    A terminal obeys control characters, direction marks mislead a reader, a line break forges a line, and half of a
    surrogate pair cannot be encoded. Printable text stays as it is, so applying this twice changes nothing.
    """
    if len(text) <= longest and text.isprintable():
        return text
    shown = "".join(map(_escape, text[: longest + 1]))
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"


def mask_secrets(text: str) -> str:
    """Mask the login and the query values of every URL in a text; signed URLs carry secrets there."""
    return ADDRESS.sub(lambda found: _mask_address(found[0]), text)


def mask_credentials(word: str) -> str:
    """Mask user and password of a broker's URL, or of a command line's word that contains one.

    Everything between the scheme and the last @ is masked, so that a password with / or @ in it, which makes the URL
    invalid, does not appear in the complaint about that URL. redis-py and kombu also read logins from the query.
    """
    head, at, tail = word.rpartition("@")
    scheme, separator, _ = head.partition("://")
    if at and separator:
        word = f"{scheme}://{MASK}@{tail}"
    return LOGIN_PARAMETER.sub(rf"\g<1>{MASK}", word)


def _mask_address(address: str) -> str:
    if HTTP.match(address) is None:
        return mask_credentials(address)
    return VALUE.sub(rf"\g<1>{MASK}", LOGIN.sub(f"{MASK}@", address))


def _escape(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
