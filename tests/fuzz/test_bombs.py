"""Small files that claim to be large are refused, in a process with little memory and time."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.fuzz.corrupt_pictures import WHOLE, claiming, encoded

ROOT = Path(__file__).parents[2]

# Decodes every file of a folder with 1 GiB of memory beyond its own and a minute of CPU time; prints its growth in MiB.
CHILD = """
import json, resource, sys
from pathlib import Path
from worker.execution import execute
from worker.contract import Task

def grown():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10

vms = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (vms + (1 << 30),) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
before = grown()
for file in sorted(Path(sys.argv[1]).iterdir()):
    bomb = file.read_bytes()
    said = {}
    for kernel in ("asarray", "getdata"):
        outcome = execute(Task(1, "decode", kernel, bomb))
        said[kernel] = outcome.failure.message if outcome.failure else str(outcome.output.shape)
    print(json.dumps([file.name, said, grown() - before, len(bomb) >> 20]))
"""


def scans() -> bytes:
    """A JPEG that repeats its last scan 20,000 times: 0.8 ms of work for every 12 bytes."""
    file = io.BytesIO()
    Image.fromarray(np.zeros((800, 800, 3), np.uint8)).save(file, "JPEG", progressive=True)
    content = file.getvalue()
    return content[:-2] + content[content.rindex(b"\xff\xda") : -2] * 20_000 + content[-2:]


def sequential_scans() -> bytes:
    """The same in a sequential JPEG, with one colour a scan."""
    content = WHOLE["jpeg"]
    sos = content.index(b"\xff\xda")
    one = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" + content[sos + 14 : -2]
    return content[:sos] + one * 20_000 + content[-2:]


def chunk(name: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + name + content + zlib.crc32(name + content).to_bytes(4, "big")


def texts() -> bytes:
    """A PNG with comments that unpack to 400 MB."""
    text = chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(1 << 20)))
    return WHOLE["png"][:33] + text * 400 + WHOLE["png"][33:]


def profile() -> bytes:
    """A PNG with a colour profile that unpacks to 512 MiB."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(512)) + packer.flush()
    return WHOLE["png"][:33] + chunk(b"iCCP", b"k\0\0" + packed) + WHOLE["png"][33:]


def frames() -> bytes:
    """A GIF of 20,000 frames, of which one is decoded."""
    content = encoded("GIF", "P")
    frame = content[content.index(b"\x2c", 13 + 3 * 256) : -1]
    return content[:-1] + frame * 20_000 + b";"


def pixels() -> bytes:
    """A PNG of 0.2 MB that truly unpacks to more pixels than the limit."""
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes((1 + 8193 // 8 + 1) * 64)) for _ in range(129)) + packer.flush()
    head = chunk(b"IHDR", (8193).to_bytes(4, "big") * 2 + b"\x01\0\0\0\0")
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


OVER = "is over the limit of 64000000 pixels"
BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "png that is too large": (pixels, OVER),
    "png that claims all there is": (lambda: claiming(WHOLE["png"], 2**31 - 1, 2**31 - 1), OVER),
    "gif that claims all there is": (lambda: claiming(WHOLE["gif"], 65_535, 65_535), OVER),
    "bmp that claims all there is": (lambda: claiming(WHOLE["bmp"], 2**31 - 1, 2**31 - 1), OVER),
    "jpeg that claims all there is": (lambda: claiming(WHOLE["jpeg"], 65_535, 65_535), OVER),
    "webp that claims all there is": (lambda: claiming(WHOLE["webp"], 16_383, 16_383), OVER),
    "webp that claims a huge canvas": (lambda: claiming(WHOLE["webp animated"], 1 << 24, 1 << 24), OVER),
    "jpeg of too many scans": (scans, "JPEG is over the limit of 200 scans"),
    "sequential jpeg of too many scans": (sequential_scans, "JPEG is over the limit of 200 scans"),
    "png whose comments unpack": (texts, "broken picture: Too much memory used in text chunks"),
    "png whose colour profile unpacks": (profile, "broken picture: Decompressed data too large"),
    "gif of very many frames": (frames, "(20, 31, 3)"),
}


@pytest.fixture(scope="module")
def defused(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The result of each bomb, and how much the process that decoded it had grown by then."""
    folder = tmp_path_factory.mktemp("bombs")
    for kind, (make, _) in BOMBS.items():
        (folder / kind).write_bytes(make())
    command = [sys.executable, "-c", CHILD, str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return {name: rest for name, *rest in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_is_refused_in_little_memory_and_time(kind: str, defused: dict[str, Any]) -> None:
    said, grown_mib, size_mib = defused[kind]
    assert BOMBS[kind][1] in said["asarray"]
    assert said["asarray"] == said["getdata"]
    assert size_mib < 20
    assert grown_mib < 300


def test_pillow_s_warning_of_a_bomb_is_an_error_wherever_the_decoder_is_loaded(tmp_path: Path) -> None:
    file = tmp_path / "bomb.png"
    file.write_bytes(claiming(WHOLE["png"], 8200, 8200))
    program = "import sys, worker.stages.decode; from PIL import Image; Image.open(sys.argv[1])"
    command = [sys.executable, "-c", program, str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    last = done.stderr.splitlines()[-1]
    assert "DecompressionBombWarning: Image size (67240000 pixels) exceeds limit of 64000000 pixels" in last
    assert done.returncode == 1
