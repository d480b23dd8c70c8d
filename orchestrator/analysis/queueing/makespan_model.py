"""How long a batch takes to pass the stations: a formula, quick enough for a thousand resamples.

It is the asymptotic bound with two things that a bound leaves out and a batch has: an end (the last message
still has its way to go when its station is free of all others) and waves (M messages on s slots take whole
turns, ceil(M / s) of them, where each takes about as long). The simulation checks it: docs/explanation/scaling.md.
"""

from __future__ import annotations

from math import sqrt
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from orchestrator.analysis.queueing.stations import QueueingNetwork
from orchestrator.model.flow_control import BURST_MESSAGES

Floats: TypeAlias = NDArray[np.float64]
SlotCounts: TypeAlias = NDArray[np.int64]

TINY_S: Final = 1e-12
"""Stands for a time of nothing where it divides."""


def makespan_s(system: QueueingNetwork, tasks: int) -> float:
    """Seconds that a batch of `tasks` tasks takes on the system's slots."""
    return float(makespans_s(system, tasks, np.array([system.slots]))[0])


def makespans_s(system: QueueingNetwork, tasks: int, slots: SlotCounts) -> Floats:
    """Seconds that a batch of `tasks` tasks takes on each number of slots; the system's own is not regarded.

    The slots: T = p + (k - 1) max(p, c) + w S + c, with w = ceil(M / s) turns of a message's slot time S, and
    k = (M - 1) mod s + 1 messages in the last turn, apart by what publishing or collecting one takes. The
    orchestrator: M p + (M - m) c + S + c, with 1 <= m = S / (p + c) <= min(M, s) messages under way when it
    publishes the last; or, where it waits for the first answer, p + S + M c. Any other station i: M D_i / m_i
    and the rest of a message's way. The batch takes as long as the slowest of them.
    """
    messages = system.messages(tasks)
    serving = np.minimum(slots, min(system.window, messages)).astype(np.float64)
    slower = _orchestrator_slower(system)
    publish_s, collect_s = slower * system.publish_s, slower * system.collect_s
    turns = (messages - 1) % serving + 1
    between_s = system.slot_s + system.broker_s + system.flight_s
    # With more slots than may be under way, the next message waits for the last one's answer.
    turn_s = np.where(slots > system.window, system.latency_s, system.slot_s)
    flushes = _flushes(system, messages, slots, between_s)
    lag = np.clip(between_s / max(publish_s + collect_s, TINY_S), 1.0, serving)
    published_s = messages * publish_s + flushes * system.flush_s
    first_s = system.publish_s + system.flush_s
    way_s = system.latency_s
    times = [
        first_s
        + (turns - 1) * max(first_s, system.collect_s)
        + (np.ceil(messages / serving) - 1) * turn_s
        + between_s
        + system.collect_s,
        published_s + (messages - lag) * collect_s + between_s + collect_s,
        np.full(len(slots), first_s + between_s + messages * collect_s),
        np.full(len(slots), (messages - 1) * system.broker_s + way_s),
        np.full(len(slots), (messages - 1) * system.payload_s + way_s),
    ]
    if system.cores is not None:
        rest_s = max(0.0, way_s - system.all_cpu_s)
        times.append(np.full(len(slots), messages * system.all_cpu_s / system.cores + rest_s))
    found: Floats = np.max(np.stack(times), axis=0)
    return found


def _flushes(system: QueueingNetwork, messages: int, slots: SlotCounts, between_s: float) -> Floats:
    """How often the orchestrator flushes: twice for every slot, then once a burst; or, without bursts, always.

    Bursts begin once two messages for every slot are under way. That comes about before the first answer,
    or as the slots are slower than the orchestrator.
    """
    single_s = system.publish_s + system.flush_s
    bursts = ((2 * slots - 1) * single_s < between_s) | (slots * (single_s + system.collect_s) < between_s)
    alone = np.minimum(messages, 2 * slots)
    found: Floats = np.where(bursts, alone + (messages - alone) / BURST_MESSAGES, messages).astype(np.float64)
    return found


def _orchestrator_slower(system: QueueingNetwork) -> float:
    """How many times as long the orchestrator takes for its waits behind the workers on the payload path.

    Half of each direction's load is the workers', so of D + u P / 2 seconds, P the path's and u the share of
    it that they keep busy, u = (P / 2) / D_eff: D_eff = (D + sqrt(D^2 + P^2)) / 2.
    """
    own_s = system.publish_s + system.collect_s
    return (1 + sqrt(1 + (2 * system.own_leg_s / own_s) ** 2)) / 2 if own_s else 1.0


def fewest_slots(system: QueueingNetwork, tasks: int, within_s: float, most: int) -> int | None:
    """The fewest slots, of 1 to `most`, with which a batch takes less than `within_s`; `None` if none do."""
    counts = useful_slots(system, tasks, most)
    enough = makespans_s(system, tasks, counts) < within_s
    return int(counts[int(np.argmax(enough))]) if enough.any() else None


def useful_slots(system: QueueingNetwork, tasks: int, most: int) -> SlotCounts:
    """Numbers of slots from 1 to `most`, as far as a batch has messages for them."""
    return np.arange(1, min(most, system.messages(tasks)) + 1)
