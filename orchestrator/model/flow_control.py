"""How the Celery strategy sends a batch: constants that the strategy uses and the queueing model counts with."""

from __future__ import annotations

from typing import Final

MAX_IN_FLIGHT_MESSAGES: Final = 1000  # enough for any fleet, few enough that memory stays flat for any batch
MAX_IN_FLIGHT_BYTES: Final = 256 << 20  # of payloads; a single message may exceed it, however large it is

BURST_MESSAGES: Final = 50  # messages published in one round trip, once every slot has work
BURST_AFTER_PER_SLOT: Final = 2  # messages in flight for each slot before bursts begin

# Round trips of a slot for one message before it can fetch the next (prefetch 1): BRPOP (kombu's `_brpop_start`);
# ZADD and HSET of the unacknowledged message (`QoS.append`); GET of the result's key, then MULTI with SETEX and
# PUBLISH (Celery's `_store_result`, `_set`); ZREM and HDEL (`QoS.ack`).
ROUND_TRIPS_PER_MESSAGE: Final = 5
