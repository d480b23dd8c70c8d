"""One place for: no secret and no control character in what people read."""

from __future__ import annotations

import re
from typing import Final

MAX_CHARACTERS: Final = 2000  # of a message; a longer one ends in an ellipsis
MASK: Final = "***"

# Where the next URL of a text begins. All patterns look at each character a bounded number of times.
NEXT_URL: Final = re.compile(r"(?<=[\s'\"(])(?=[a-z][a-z0-9+.-]{0,20}://)", re.IGNORECASE)
LOGIN_PARAMETER: Final = re.compile(r"([?&;](?:username|password|ssl_password)=)[^&;]*", re.IGNORECASE)

# The value of a parameter in a query or fragment, except a plain number (or `{i}`, where one goes), perhaps with a
# picture's suffix: plain numbers tell pictures apart. The ellipsis of a text that was cut is no part of a value.
VALUE: Final = re.compile(
    r"([?&;#][^=&;#?\s]*=)(?!(?:\d{1,9}|\{i\})(?:\.(?:\d{1,3}|jpe?g|png|webp|gif|bmp))?(?:[&;#\s]|…?$))"
    r"(?:(?!…$)[^&;#\s])*",
    re.IGNORECASE,
)


def redact(text: str) -> str:
    """Return text fit for a result, report or log: without secrets, printable, not too long."""
    if len(text) > MAX_CHARACTERS:
        # An @ that is cut off still ends a login.
        text = text[:MAX_CHARACTERS] + ("@…" if "@" in text[MAX_CHARACTERS:] else "…")
    # Escape first: what a control character turns into may become a part of the URL behind it.
    escaped = "".join(map(_escape, text))
    return escape_control("".join(map(_mask_url, NEXT_URL.split(escaped))))


def redact_url(word: str) -> str:
    """Return one URL, or a word of the command line, without secrets; spaces are a part of it."""
    masked = mask_credentials(word)
    return redact(masked.replace(" ", "%20") if "://" in masked else masked)


def escape_control(text: str, longest: int = MAX_CHARACTERS) -> str:
    r"""Return the text in one line, with escapes such as `\x1b` for unprintable characters.

    A terminal obeys control characters, direction marks mislead a reader, a line break forges a line, and half of a
    surrogate pair cannot be encoded. Printable text stays as it is, so applying this twice changes nothing.
    """
    if len(text) <= longest and text.isprintable():
        return text
    shown = "".join(map(_escape, text[: longest + 1]))
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"


def mask_credentials(word: str) -> str:
    """Mask user and password of a broker's URL, or of a command line's word that contains one.

    Everything between the scheme, if there is one, and the last @ is masked, so that a password with / or @ in it,
    which makes the URL invalid, does not appear in the complaint about that URL. redis-py and kombu also read logins
    from the query.
    """
    head, at, tail = word.rpartition("@")
    if at:
        scheme, separator, _ = head.partition("://")
        if not separator:
            scheme, separator, _ = head.partition("=") if head.startswith("--") else ("", "", "")
        word = f"{scheme}{separator}{MASK}@{tail}"
    return LOGIN_PARAMETER.sub(rf"\g<1>{MASK}", word)


def _mask_url(text: str) -> str:
    """Mask the secrets of the URL that a text contains; all but a scheme before its last @ may be a login."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        return text
    if not scheme.lower().endswith(("http", "https")):
        return mask_credentials(text)
    _, at, shown = rest.rpartition("@")
    return VALUE.sub(rf"\g<1>{MASK}", f"{scheme}://{MASK if at else ''}{at}{shown}")


def _escape(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
