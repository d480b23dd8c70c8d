"""How payload bytes travel: a file a transport.

`TRANSPORTS` is the registry: a new transport is one new file and one line here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from worker.payloads.files import Files
from worker.payloads.inline import Inline
from worker.payloads.redis import Redis
from worker.payloads.transport import Transport

TRANSPORTS: Final[Mapping[str, type[Transport]]] = {"inline": Inline, "redis": Redis, "files": Files}
