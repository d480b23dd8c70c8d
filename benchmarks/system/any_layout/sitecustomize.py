"""Run by every interpreter that finds it on its path: lays small objects out at random, if it is told to.

The same loop in the same interpreter takes some percent more or less time by where its objects happen to lie, and
after the same allocations they lie alike each time. A comparison of two programs then also compares two layouts; with
a random one for each batch that is noise, which repetition averages out.

One thing that it changes can be counted (`valgrind --tool=callgrind`): the same kernel spends up to 1 % more or fewer
instructions, all in the taking and giving back of small objects. Where the free block that comes next is its pool's
last, Python's allocator takes the pool off its list and back for each object that a loop makes and drops.

`SIGUSR1` has it done anew, for what is left at the start is soon filled up by imports.

Sources: Mytkowicz, Diwan, Hauswirth, Sweeney, "Producing wrong data without doing anything obviously wrong!",
ASPLOS 2009; Curtsinger and Berger, "Stabilizer: statistically sound performance evaluation", ASPLOS 2013, for doing it
anew while a program runs; Objects/obmalloc.c of CPython for classes of size and pools.
"""

import os
import random
import signal

POOL_BYTES = 1 << 14
SIZES = range(16, 513, 16)
"""The classes of size of Python's own allocator, in bytes; blocks of a class come from one pool until that is full."""

chance = random.SystemRandom()
kept: list[object] = []


def of_size(size: int) -> object:
    """A new object that takes a block of just this class."""
    if size == 16:
        return object()
    if size == 32:
        return chance.randrange(1 << 40, 1 << 50)  # an int of two digits
    return bytes(size - 40)  # and 33 of its head


def lay_out(*_: object) -> None:
    """Take up to two pools' blocks of each class, and give some of them back here and there."""
    kept.clear()
    for size in SIZES:
        taken = [of_size(size) for _ in range(chance.randrange(2 * POOL_BYTES // size))]
        del taken[:: chance.randrange(2, 9)]
        kept.extend(taken)


if os.environ.get("BREAKEVEN_ANY_LAYOUT"):
    lay_out()
    signal.signal(signal.SIGUSR1, lay_out)
