"""How long a batch takes to pass the stations: a formula, fast enough for a thousand resamples.

It adds to the asymptotic bounds what a batch has and a bound leaves out: an end (the last message still has its way
to go when its station is free of all others) and turns (M messages on s slots take ceil(M / s) whole turns, if each
takes about as long). `simulation` checks it: docs/explanation/prediction.md.
"""

from __future__ import annotations

from math import sqrt
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from orchestrator.analysis.queueing.service_times import turns
from orchestrator.analysis.queueing.stations import QueueingNetwork
from orchestrator.model.flow_control import BURST_AFTER_PER_SLOT, BURST_MESSAGES

Floats: TypeAlias = NDArray[np.float64]
SlotCounts: TypeAlias = NDArray[np.int64]

TINY_S: Final = 1e-12  # replaces a time of 0 in a denominator


def makespan_s(network: QueueingNetwork, tasks: int) -> float:
    """Return the makespan of a batch on the network's own slots."""
    return float(makespans_s(network, tasks, np.array([network.slots]))[0])


def makespans_s(network: QueueingNetwork, tasks: int, slots: SlotCounts) -> Floats:
    """Compute the makespan of a batch on each of several numbers of slots, ignoring the network's own.

    The slots: T = p + (k - 1) max(p, c) + w S + c, with w = ceil(M / s) turns of a message's slot time S, and
    k = (M - 1) mod s + 1 messages in the last turn, spaced by the time to publish or collect one. The orchestrator:
    M p + (M - m) c + S + c, with 1 <= m = S / (p + c) <= min(M, s) messages in flight when it publishes the last;
    or, if it waits for the first result, p + S + M c. Any other station i: M D_i / m_i and the rest of a message's
    way. The slowest of them gives the makespan.
    """
    messages = network.messages(tasks)
    serving = np.minimum(slots, min(network.window, messages)).astype(np.float64)
    slowdown = _orchestrator_slowdown(network)
    publish_s, collect_s = slowdown * network.publish_s, slowdown * network.collect_s
    last_turn = (messages - 1) % serving + 1
    between_s = network.slot_s + network.broker_s + network.flight_s
    # With more slots than the window, the next message waits for the result of the last one.
    turn_s = np.where(slots > network.window, network.latency_s, network.slot_s)
    # Equal messages end their turns together; a long one may keep its slot busy when all other slots are free.
    uneven_s = (turns(network.unequal, messages, serving) - np.ceil(messages / serving)) * network.slot_s
    flushes = _flushes(network, messages, slots, between_s)
    lag = np.clip(between_s / max(publish_s + collect_s, TINY_S), 1.0, serving)
    published_s = messages * publish_s + flushes * network.flush_s
    first_s = network.publish_s + network.flush_s
    alone_s = network.latency_s
    times = [
        first_s
        + (last_turn - 1) * max(first_s, network.collect_s)
        + (np.ceil(messages / serving) - 1) * turn_s
        + uneven_s
        + between_s
        + network.collect_s,
        published_s + (messages - lag) * collect_s + between_s + collect_s,
        np.full(len(slots), first_s + between_s + messages * collect_s),
        np.full(len(slots), (messages - 1) * network.broker_s + alone_s),
        np.full(len(slots), (messages - 1) * network.payload_s + alone_s),
    ]
    if network.cores is not None:
        rest_s = max(0.0, alone_s - network.total_cpu_s)
        times.append(np.full(len(slots), messages * network.total_cpu_s / network.cores + rest_s))
    slowest: Floats = np.max(np.stack(times), axis=0)
    return slowest


def _flushes(network: QueueingNetwork, messages: int, slots: SlotCounts, between_s: float) -> Floats:
    """Count the orchestrator's flushes: one a message at first, one a burst from then on if there are bursts.

    Bursts begin once two messages for every slot are in flight. That happens before the first result comes back,
    or because the slots are slower than the orchestrator.
    """
    single_s = network.publish_s + network.flush_s
    first = BURST_AFTER_PER_SLOT * slots
    bursts = ((first - 1) * single_s < between_s) | (slots * (single_s + network.collect_s) < between_s)
    alone = np.minimum(messages, first)
    flushes = np.where(bursts, alone + (messages - alone) / BURST_MESSAGES, messages)
    return flushes.astype(np.float64)


def _orchestrator_slowdown(network: QueueingNetwork) -> float:
    """Return how many times as long the orchestrator takes because workers use the payload path too.

    Half of each direction's load is the workers', so of D + u P / 2 seconds, P the path's and u the share of
    it that they keep busy, u = (P / 2) / D_eff: D_eff = (D + sqrt(D^2 + P^2)) / 2.
    """
    own_s = network.publish_s + network.collect_s
    return (1 + sqrt(1 + (2 * network.orchestrator_transfer_s / own_s) ** 2)) / 2 if own_s else 1.0


def fewest_slots(network: QueueingNetwork, tasks: int, within_s: float, most: int) -> int | None:
    """Return the fewest of 1 to `most` slots whose makespan is below `within_s`, or `None`."""
    counts = useful_slots(network, tasks, most)
    enough = makespans_s(network, tasks, counts) < within_s
    return int(counts[int(np.argmax(enough))]) if enough.any() else None


def useful_slots(network: QueueingNetwork, tasks: int, most: int) -> SlotCounts:
    """Return the numbers of slots up to `most` for which the batch has messages."""
    return np.arange(1, min(most, network.messages(tasks)) + 1)
