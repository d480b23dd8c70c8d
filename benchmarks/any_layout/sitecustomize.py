"""Run by every interpreter that finds it on its path: lays its memory out at random, if it is told to.

The same loop in the same interpreter takes some percent more or less time by where its objects happen to lie, and
with the same imports they lie alike each time. A comparison of two programs then also compares two layouts; with a
random one in each process that is noise, which repetition averages out.

Source: Mytkowicz, Diwan, Hauswirth, Sweeney, "Producing wrong data without doing anything obviously wrong!",
ASPLOS 2009.
"""

import os
import random

MOST = 20_000
LARGEST_BYTES = 512
"""What Python's own allocator deals with."""

if os.environ.get("BREAKEVEN_ANY_LAYOUT"):
    chance = random.SystemRandom()
    kept = [bytes(chance.randrange(1, LARGEST_BYTES)) for _ in range(chance.randrange(MOST))]
    del kept[:: chance.randrange(2, 5)]  # holes, which what comes next is put into
