"""What people may read of a URL: everything but who logs in, and with which password."""

from __future__ import annotations

import re

MASK = "***"

LOGIN_PARAMETER = re.compile(r"([?&;](?:username|password|ssl_password)=)[^&;]*", re.IGNORECASE)
"""redis-py and kombu take these as query parameters, too."""


def mask_credentials(word: str) -> str:
    """A URL, or a word of a command line that holds one, without its user and password.

    Whatever stands between the scheme and the last @ is left out, so that a password with / or @ in it,
    which makes no valid URL, is not shown either when that is complained about.
    """
    head, at, tail = word.rpartition("@")
    scheme, separator, _ = head.partition("://")
    if at and separator:
        word = f"{scheme}://{MASK}@{tail}"
    return LOGIN_PARAMETER.sub(rf"\g<1>{MASK}", word)
