"""What does bad input do? The tests of tests/fuzz at scale 20, counted.

    python benchmarks/system/fuzz.py [--quick] [--update-docs] [--scale 20]

Made-up pictures, messages, results, addresses and command lines, most of them broken. Goal: every test passes, so
each case was refused in one line or done rightly, in bounded time and memory. Takes 15 minutes, with --quick two.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.page import ROOT, Page, parser

SCALE, QUICK_SCALE = 20, 1
COUNTED = re.compile(r"^fuzz: ([\d,]+) cases .*\((.*)\)$", re.MULTILINE)  # as tests/fuzz/conftest.py has it


def main() -> int:
    """Run the tests; return 1 if one fails."""
    arguments = parser(__doc__)
    arguments.add_argument("--scale", type=int, default=SCALE, help="how many times the cases of `make test`")
    options = arguments.parse_args()
    page = Page(__file__, options)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/fuzz", "--timeout", "1800", "--quiet"],
        cwd=ROOT,
        env={**os.environ, "FUZZ_SCALE": str(QUICK_SCALE if options.quick else options.scale)},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    counted = COUNTED.search(done.stdout)
    if counted is None:
        sys.exit(f"{done.stdout}\npytest ended with {done.returncode} and counted no cases")
    page.head("kind", "cases")
    for part in counted[2].split(", "):
        page.row(*part.rsplit(" ", 1))
    failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    if done.returncode:
        return page.verdict(
            False, f"not as it should be, of {counted[1]} cases: {', '.join(failed) or 'see above'}."
        )
    return page.verdict(True, f"{counted[1]} cases, each refused in a line or done rightly.")


if __name__ == "__main__":
    sys.exit(main())
