"""Tasks that arrive at a Celery fleet at a given rate: their latency, simulated task by task.

One thread publishes and collects in the order in which work comes; broker, slots and cores serve in order of arrival.
Service times are drawn from those that were measured. docs/explanation/prediction.md lists what this leaves out.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, inf, sqrt
from statistics import median
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from orchestrator.analysis.load import QUANTILES, WARMUP_S
from orchestrator.analysis.queueing.prediction import (
    MODEL_MARGIN,
    HypotheticalFleet,
    MissingDemandsError,
    fleet_network,
    measured_demands,
)
from orchestrator.analysis.queueing.service_demands import CellDemands
from orchestrator.analysis.queueing.service_times import relative_times
from orchestrator.analysis.queueing.stations import QueueingNetwork, Station, bottleneck, throughput_per_s
from orchestrator.analysis.stats.bootstrap import resamples
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import ArrivalProcess, Cell, Objective, Plan, Run

Floats: TypeAlias = NDArray[np.float64]

DEFAULT_TASKS: Final = 5_000  # of a predicted run
REPLICATES: Final = (
    39  # simulated runs: another one lies between the least and the most with 95 % probability
)
FEWEST_REPLICATES: Final = 9
SIMULATED_TASKS: Final = 400_000  # of all replicates together; of longer runs there are fewer
MOST_BUSY: Final = (
    0.7  # of processors that broker and orchestrator share with the slots: docs/measurements/prediction.md
)
MOST_SLOTS: Final = 10_000
MANY_TIMES, MANY_SLOTS = 4, 8  # so many times the slots that are busy, and so many more, hardly ever all are
UNLIMITED: Final = 10**9  # messages in flight
NO_LATENCY: Final[dict[float, Estimate | None]] = dict.fromkeys(QUANTILES)
SEED: Final = 1955


@dataclass(frozen=True, slots=True)
class LatencyPrediction:
    """What tasks would see at an arrival rate on a number of slots."""

    rate_per_s: float
    slots: int
    latency_s: dict[
        float, Estimate | None
    ]  # by quantile; `None` of too few tasks, beyond `breaks_at_per_s`, or if `refused`
    breaks_at_per_s: float  # the rate from which the backlog grows
    limited_by: Station
    publishing_share: float  # of the orchestrator's time
    processors_busy: float | None  # share, if the orchestrator and the broker use those of the slots
    keeps: bool | None  # the promise, at the upper end of the interval; `None` without one, or if `refused`

    @property
    def refused(self) -> bool:
        """Whether the processors would be so busy that many small steps wait for them, which is not modelled."""
        return self.rate_per_s < self.breaks_at_per_s and (self.processors_busy or 0.0) > MOST_BUSY

    @property
    def utilisation(self) -> float:
        """The rate as a share of the largest that is sustained."""
        return self.rate_per_s / self.breaks_at_per_s


@dataclass(frozen=True, slots=True)
class LatencyPredictions:
    """Predictions for one cell: for each rate the fewest slots that keep the promise, and their neighbours."""

    cell: Cell
    fleet: HypotheticalFleet  # its number of slots is that of each row
    measured: CellDemands
    tasks: int
    arrivals: ArrivalProcess
    objective: Objective | None
    fewest: dict[
        float, int | None
    ]  # by rate: the fewest slots that keep the promise; `None` if no number does
    rows: tuple[LatencyPrediction, ...]
    plan: Plan  # of the run that it was predicted from


def latencies_s(network: QueueingNetwork, arrivals_s: Floats, relative: Floats) -> Floats:
    """Simulate tasks that arrive, one a message, and return the latency of each.

    Args:
        network: with a chunk of 1.
        arrivals_s: when the tasks arrive, in ascending order, of shape (tasks,).
        relative: how long each task occupies its slot, relative to the network's `slot_s`, of the same shape.
    """
    publish_s, collect_s = network.publish_s + network.flush_s, network.collect_s
    flight_s = network.flight_s / 2
    slots = [0.0] * min(network.slots, len(arrivals_s))  # when each is free again, as a heap
    limited = network.cores is not None and (network.shared or network.cores < network.slots)
    cores = [0.0] * ceil(network.cores or 0) if limited else []
    speed = 1.0 if not limited or network.cores is None else network.cores / len(cores)
    own_s = network.publish_s + network.collect_s
    others_s = own_s if network.others_cpu_s is None else network.others_cpu_s
    others_share = others_s / own_s / speed if cores and network.shared and own_s else 0.0
    arrived, times = arrivals_s.tolist(), relative.tolist()
    finished: list[tuple[float, int]] = []  # when each result is back, as a heap
    ended = np.empty(len(arrived))
    thread = broker = 0.0  # when each is free again
    task = 0
    while task < len(arrived) or finished:
        if task < len(arrived) and (not finished or arrived[task] <= finished[0][0]):
            begin = max(thread, arrived[task])
            thread = begin + publish_s
            if others_share:
                _serve(cores, begin, network.publish_s * others_share)
            broker = max(broker, thread) + network.broker_s
            begin = max(slots[0], broker + flight_s)
            took_s = network.slot_s * times[task]
            if cores and network.cpu_s:
                cpu_s = network.cpu_s * times[task]
                computing_s = min(took_s, cpu_s)
                _serve(cores, begin, (cpu_s - computing_s) / speed)
                took_s += _serve(cores, begin, computing_s / speed) - computing_s
            heapq.heapreplace(slots, begin + took_s)
            heapq.heappush(finished, (begin + took_s + flight_s, task))
            task += 1
        else:
            came, number = heapq.heappop(finished)
            begin = max(thread, came)
            thread = begin + collect_s
            if others_share:
                _serve(cores, begin, collect_s * others_share)
            ended[number] = thread
    return ended - arrivals_s


def _serve(servers: list[float], at: float, seconds: float) -> float:
    """Serve in order of arrival; return the seconds until the service ends."""
    done = max(at, servers[0]) + seconds
    heapq.heapreplace(servers, done)
    return done - at


class Predictor:
    """Predicts the latency of one cell at any rate on any number of slots, the same way each time.

    Raises:
        MissingDemandsError: the result has no station times or no service times of the cell.
    """

    def __init__(
        self,
        run: Run,
        cell: Cell,
        fleet: HypotheticalFleet,
        tasks: int = DEFAULT_TASKS,
        arrivals: ArrivalProcess = "poisson",
    ) -> None:
        measured = measured_demands(run, cell)
        pool = relative_times(measured.samples)
        if not len(pool):
            raise MissingDemandsError(cell)
        self.measured, self.tasks, self.arrivals = measured, tasks, arrivals
        self.fleet, self.plan, self._run, self._pool = fleet, run.plan, run, pool
        replicates = min(REPLICATES, max(FEWEST_REPLICATES, SIMULATED_TASKS // tasks))
        self._drawn = resamples(measured.rounds, replicates) or [measured.rounds] * replicates
        self._found: dict[tuple[float, int], dict[float, Estimate | None]] = {}

    def predict(self, rate_per_s: float, slots: int, objective: Objective | None) -> LatencyPrediction:
        """Predict the latency of a run that begins with an empty queue, after the warm-up of `load`."""
        network = self._network(slots, self.measured.rounds)
        breaks_at_per_s = throughput_per_s(network)
        busy = _busy(network, rate_per_s)
        if (rate_per_s, slots) not in self._found:
            known = rate_per_s < breaks_at_per_s and (busy or 0.0) <= MOST_BUSY
            self._found[rate_per_s, slots] = self._quantiles(rate_per_s, slots) if known else NO_LATENCY
        latency_s = self._found[rate_per_s, slots]
        keeps = None
        if objective is not None:
            promised = latency_s[objective.quantile]
            keeps = promised is not None and (promised.high or inf) <= objective.latency_s
        station, share = bottleneck(network), network.publishing_share
        made = LatencyPrediction(rate_per_s, slots, latency_s, breaks_at_per_s, station, share, busy, keeps)
        return replace(made, keeps=None) if made.refused else made

    def fewest_slots(self, rate_per_s: float, objective: Objective) -> int | None:
        """Return the fewest slots that keep a promise, by bisection; `None` if no number of slots does."""
        high = 1
        while not self.predict(rate_per_s, high, objective).keeps:
            enough = MANY_TIMES * rate_per_s * self._network(high, self.measured.rounds).slot_s + MANY_SLOTS
            if high > min(enough, MOST_SLOTS):
                return None
            high *= 2
        low = high // 2  # too few, or 0
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.predict(rate_per_s, middle, objective).keeps else (middle, high)
        return high

    def _network(self, slots: int, rounds: Sequence[int]) -> QueueingNetwork:
        fleet = replace(self.fleet, slots=slots)
        demands = self.measured.resampled(rounds)
        network = fleet_network(self._run, self.measured, fleet, demands)
        # Beside other load, the waits for a processor are those that it caused.
        wait_s = demands.wait_s if self.measured.other_load is None else 0.0
        others_cpu_s = (network.others_cpu_s or 0.0) + demands.image_server_cpu_s
        # As many messages may be in flight as have arrived; unequal tasks are drawn here.
        return replace(
            network, slot_s=network.slot_s + wait_s, others_cpu_s=others_cpu_s, window=UNLIMITED, unequal=()
        )

    def _quantiles(self, rate_per_s: float, slots: int) -> dict[float, Estimate | None]:
        rng = np.random.default_rng(SEED)
        count = self.tasks + round(WARMUP_S * rate_per_s)
        drawn: dict[float, list[float]] = {q: [] for q, fewest in QUANTILES.items() if self.tasks >= fewest}
        for rounds in self._drawn:
            network = self._network(slots, rounds)
            gaps_s = rng.exponential(1.0, count) if self.arrivals == "poisson" else np.ones(count)
            held = self.measured.resampled(rounds).held_s / network.slot_s
            relative = 1 + held * (rng.choice(self._pool, count) - 1)
            found = latencies_s(network, np.cumsum(gaps_s) / rate_per_s, relative)[-self.tasks :]
            for quantile, values in drawn.items():
                values.append(float(np.quantile(found, quantile, method="inverted_cdf")))
        wait_s = self._steps_wait_s(rate_per_s, slots)
        return {**NO_LATENCY, **{quantile: _estimate(values, wait_s) for quantile, values in drawn.items()}}

    def _steps_wait_s(self, rate_per_s: float, slots: int) -> float:
        """Return how long a task's small steps wait for shared processors if each of them has to; 0 if none are shared.

        As in an M/M/c queue, which is also what processor sharing takes. Source: Sakasegawa, "An approximation formula
        Lq = a rho^b / (1 - rho)", Ann. Inst. Statist. Math. 29, 1977.
        """
        demands, network = self.measured.typical, self._network(slots, self.measured.rounds)
        busy, cores = _busy(network, rate_per_s), network.cores
        if busy is None or cores is None:
            return 0.0
        steps_s = (network.others_cpu_s or 0.0) + min(network.cpu_s, demands.overhead_s + demands.wait_s)
        queueing: float = busy ** (sqrt(2 * (cores + 1)) - 1) / (cores * (1 - busy))
        return steps_s * queueing


def _busy(network: QueueingNetwork, rate_per_s: float) -> float | None:
    """Return how busy the processors are that the slots share with orchestrator and broker; `None` if they do not."""
    return rate_per_s * network.total_cpu_s / network.cores if network.shared and network.cores else None


def _estimate(values: Sequence[float], wait_s: float) -> Estimate:
    """Return the middle replicate, and the interval within which another run lies with the level's probability.

    Its upper end includes the waits `wait_s`, which the simulation leaves out. Another run is as likely to be in any of
    the n + 1 places between n runs (Wilks, Ann. Math. Statist. 12, 1941).
    """
    level = (len(values) - 1) / (len(values) + 1)
    high = max(values) * (1 + MODEL_MARGIN) + wait_s
    return Estimate(median(values), min(values) / (1 + MODEL_MARGIN), high, level)


def latency_predictions(
    predictor: Predictor, rates: Sequence[float], slots: int | None, objective: Objective | None
) -> LatencyPredictions:
    """Predict each rate on these slots; if `None`, on the fewest that keep the promise and on their neighbours."""
    fewest: dict[float, int | None] = {}
    rows = []
    for rate in rates:
        counts = [slots] if slots is not None else []
        if objective is not None and slots is None:
            fewest[rate] = found = predictor.fewest_slots(rate, objective)
            counts = [] if found is None else [each for each in (found - 1, found, found + 1) if each]
        # If no number of slots keeps the promise, show what so many would do that they are no limit.
        slot_s = predictor.measured.network(1).slot_s
        counts = counts or [ceil(MANY_TIMES * rate * slot_s + MANY_SLOTS)]
        rows += [predictor.predict(rate, each, objective) for each in counts]
    return LatencyPredictions(
        predictor.measured.cell,
        predictor.fleet,
        predictor.measured,
        predictor.tasks,
        predictor.arrivals,
        objective,
        fewest,
        tuple(rows),
        predictor.plan,
    )
