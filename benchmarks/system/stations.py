"""Do formula, bounds and simulation agree, on invented stations with known demands?

    python benchmarks/system/stations.py [--quick] [--update-docs] [--systems 3000] [--seed 3]

Draws systems whose demands span two orders of magnitude. Prints how often the formula is within 10 % of the
simulation and names the same bottleneck, by how far the largest demand exceeds the next. Exits with 1 if a
batch beats its bound, or if fewer than 98 % of the systems with one station at three times the next agree.
"""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from orchestrator.analysis.queueing.makespan_model import makespan_s
from orchestrator.analysis.queueing.simulation import simulate
from orchestrator.analysis.queueing.stations import QueueingNetwork, bottleneck, stations, throughput_per_s

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.page import Page, parser

WITHIN = 0.10
LEAST = 0.98


@dataclass(frozen=True, slots=True)
class Agreement:
    """One system: how far its largest demand exceeds the next, and formula and bound over the simulation."""

    stands_out: float
    error: float
    same_name: bool
    bound_kept: bool


def drawn(rng: random.Random) -> QueueingNetwork:
    """Draw a system: some have a payload path, cores, a network."""

    def within(low: float, high: float) -> float:
        return float(10 ** rng.uniform(low, high))

    system = QueueingNetwork(
        chunk=rng.choice([1, 4]),
        slots=rng.choice([1, 2, 3, 4, 8, 16, 64]),
        publish_s=within(-4, -2),
        collect_s=within(-4, -2),
        slot_s=within(-2.5, 0),
        broker_s=within(-5, -2),
    )
    if rng.random() < 0.3:
        path_s = within(-4, -2)
        system = replace(
            system,
            payload_s=path_s,
            publish_s=system.publish_s + path_s / 2,
            collect_s=system.collect_s + path_s / 2,
            slot_s=system.slot_s + path_s,
        )
    if rng.random() < 0.3:
        cpu_s = system.slot_s * rng.uniform(0, 1)
        system = replace(system, cpu_s=cpu_s, cores=float(rng.choice([1, 2, 4])), shared=rng.random() < 0.5)
    return replace(system, flush_s=within(-4, -2)) if rng.random() < 0.3 else system


def agreement(system: QueueingNetwork, turns: int) -> Agreement:
    """Compare the models of a system, with at least 30 messages."""
    tasks = system.chunk * max(turns * system.slots, 30)
    simulated = simulate(system, tasks)
    shares = sorted((each.demand_s / each.servers for each in stations(system)), reverse=True)
    return Agreement(
        stands_out=shares[0] / shares[1],
        error=abs(makespan_s(system, tasks) / simulated.makespan_s - 1),
        same_name=bottleneck(system).name == simulated.bottleneck,
        bound_kept=simulated.makespan_s
        >= max(tasks / throughput_per_s(system), system.latency_s) * (1 - 1e-9),
    )


def main() -> int:
    """Print the table; return 0 if everything is within limits."""
    arguments = parser(__doc__)
    arguments.add_argument("--systems", type=int, default=3000)
    arguments.add_argument("--seed", type=int, default=3)
    options = arguments.parse_args()
    page = Page(__file__, options)
    rng = random.Random(options.seed)  # noqa: S311 - systems that can be had again, not a secret
    count = 300 if options.quick else options.systems
    found = [agreement(drawn(rng), rng.choice([3, 10])) for _ in range(count)]
    fine = all(each.bound_kept for each in found)
    page.head("largest demand", "systems", "formula within 10 %", "median", "worst", "same bottleneck named")
    for least in (3.0, 2.0, 1.0):
        chosen = [each for each in found if each.stands_out >= least]
        within = sum(each.error <= WITHIN for each in chosen) / len(chosen)
        named = sum(each.same_name for each in chosen) / len(chosen)
        fine &= least < 3 or min(within, named) >= LEAST
        page.row(
            f"at least {least:g} times the next",
            str(len(chosen)),
            f"{within:.1%}",
            f"{median(each.error for each in chosen):.1%}",
            f"{max(each.error for each in chosen):.0%}",
            f"{named:.1%}",
        )
    beaten = sum(not each.bound_kept for each in found)
    return page.verdict(
        fine,
        f"of systems with one station at least 3 times the next, {LEAST:.0%} agree at least; {beaten} of "
        f"{len(found)} simulated batches beat their bound.",
    )


if __name__ == "__main__":
    sys.exit(main())
