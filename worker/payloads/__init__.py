"""How payload bytes travel: a file a transport.

`TRANSPORTS` is the registry: a new transport is one new file and one line here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from worker.payloads.files import Files
from worker.payloads.inline import Inline
from worker.payloads.redis import Redis
from worker.payloads.transport import Transport
from worker.settings import Settings

TRANSPORTS: Mapping[str, Callable[[Settings], Transport]] = {
    "inline": Inline.from_settings,
    "redis": Redis.from_settings,
    "files": Files.from_settings,
}
