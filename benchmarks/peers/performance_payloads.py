"""How fast does a picture get to a Celery worker and its gray one back, by each transport?

    python benchmarks/peers/performance_payloads.py [--quick] [--update-docs]

1.92 MB there and 0.64 MB back for each of 40 tasks (grayscale `numpy`, 800x800), one embedded broker, two
slots; 21 rounds in a fresh order. Bytes per second are 2.56 MB over a task's share of the makespan, with the
kernel's half millisecond.

- `redis` and `inline` are our strategy with one picture per message; `redis` also with four, as in `quick`.
- Raw is redis-py on the same broker: SET and GET of both pictures, one command after the other, without messages.
- base64 in JSON is `idiomatic_celery.py`, with workers that have our settings of delivery.

Takes a minute and a half, with --quick half a minute.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import redis

from orchestrator.fleet.child_processes import ChildProcesses
from orchestrator.fleet.fleet import Fleet
from orchestrator.inputs.synthetic import photograph
from orchestrator.phrases.numbers import rate
from worker.contract import Pixels

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.celery_sides import measured, one_broker, ours, script
from benchmarks.shared.idiomatic_celery import check_grays, grays
from benchmarks.shared.page import parser
from benchmarks.shared.real_rounds import batch
from benchmarks.shared.rows import Goal, Row, finish, progress, rounds_of
from benchmarks.shared.turns import Side, stopwatch, turns, typical, versus

SLOTS = 2
CHUNK = 4
TASKS, PICTURES, SIDE = 40, 8, 800
MOVED_BYTES = SIDE * SIDE * 4  # per task: three bytes per pixel there, one back

Found = Mapping[str, Mapping[int, float]]


def raw(client: redis.Redis, pictures: list[Pixels]) -> None:
    """Move the same bytes there and back, and do nothing else."""
    for number, picture in enumerate(pictures):
        there, back = f"raw:{number}:there", f"raw:{number}:back"
        client.set(there, picture.data.cast("B"))
        assert len(client.get(there)) == picture.size  # type: ignore[arg-type]  # not the asynchronous client
        client.set(back, picture.data.cast("B")[: picture.size // 3])
        assert len(client.get(back)) == picture.size // 3  # type: ignore[arg-type]


def sides(
    stack: ExitStack, processes: ChildProcesses, fleet: Fleet, pictures: list[Pixels]
) -> dict[str, Side]:
    """Return every transport as a side."""
    work = batch("grayscale", "numpy", pictures)
    socket = fleet.settings.broker_url.removeprefix("redis+socket://")
    client = stack.enter_context(redis.Redis(unix_socket_path=socket))
    return {
        "redis": measured(ours(stack, fleet, SLOTS, "redis", 1), work),
        "redis, four": measured(ours(stack, fleet, SLOTS, "redis", CHUNK), work),
        "inline": measured(ours(stack, fleet, SLOTS, "inline", 1), work),
        "raw": stopwatch(lambda: raw(client, pictures)),
        **script(stack, processes, fleet, SLOTS, "ours", {"base64": (grays, pictures, check_grays)}),
    }


def rows(found: Found) -> Iterator[Row]:
    """Return the rows, in bytes per second."""

    def speed(name: str) -> str:
        return rate(TASKS * MOVED_BYTES / typical(found[name]))

    peers = (
        ("raw SET and GET by redis-py", "raw", "of the bytes a second", Goal("at least", 0.7)),
        ("transport `inline`", "inline", "times the bytes a second", Goal("at least", 5)),
        ("base64 in JSON", "base64", "times the bytes a second", Goal("at least", 10)),
    )
    for ours_, a_message in (("redis", "one picture"), ("redis, four", "four pictures")):
        for against, name, unit, goal in peers:
            yield Row(
                f"1.9 MB there and 0.64 MB back, transport `redis`, {a_message} a message",
                against,
                speed(ours_),
                speed(name),
                versus(found[name], found[ours_]),
                unit,
                goal,
            )


def main() -> int:
    """Print the rows; return 1 if a goal was missed."""
    options = parser(__doc__).parse_args()
    some = [photograph(1, number, SIDE, SIDE) for number in range(PICTURES)]
    pictures = [some[number % PICTURES] for number in range(TASKS)]
    with one_broker(SLOTS) as (processes, fleet), ExitStack() as stack:
        progress("payloads")
        found = turns(sides(stack, processes, fleet, pictures), rounds_of(options))
    return finish(rows(found), options, __file__)


if __name__ == "__main__":
    sys.exit(main())
