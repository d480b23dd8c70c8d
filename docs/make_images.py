"""Take the pictures in docs/images from runs made now: `make images`.

Runs `run`, `breakeven` and `scale`, opens their reports in headless Chromium and takes a picture of each; of `run`
also a dark one and both on a phone. Takes about twelve minutes on two cores; needs Debian's chromium.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

IMAGES = Path(__file__).parent / "images"
CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
RUNS = {
    "run": ["run"],
    "breakeven": ["breakeven", "--slots", "2", "--latency-ms", "0"],
    "task-length": ["breakeven", "--axis", "work", "--slots", "2"],
    "scale": ["scale", "--slots", "1,2,3,4", "--stage", "download", "--latency-ms", "100", "--images", "24"],
}


def report_of(arguments: list[str], folder: Path) -> Path:
    """Run a command and return its HTML report."""
    command = [sys.executable, "-m", "orchestrator", *arguments, "--output", str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return next(folder.glob("*.html"))


def draw_map(report: Path) -> None:
    """Draw the map of a run as a picture of its own."""
    command = [
        sys.executable,
        "-m",
        "orchestrator",
        "report",
        str(report.with_suffix(".json")),
        "--format",
        "png",
    ]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([*command, "--output", folder], check=True, stdout=subprocess.DEVNULL)
        shutil.copy(next(Path(folder).glob("map-*.png")), IMAGES / "map.png")


SIZES = {"": (1400, 1120), "-phone": (360, 1120)}  # of the window, which shows the answer


def take(page: Page, report: Path, name: str, size: tuple[int, int]) -> None:
    """Take a picture of the top of a report."""
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.goto(report.as_uri())
    page.wait_for_selector("html[data-drawn]", timeout=20_000)
    page.screenshot(path=IMAGES / f"{name}.png")


def main() -> None:
    """Run the commands and take the pictures."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        reports = {name: report_of(arguments, Path(folder) / name) for name, arguments in RUNS.items()}
        draw_map(reports["run"])
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for scheme in ("light", "dark"):
            page = browser.new_page(color_scheme=scheme)
            for name, report in reports.items():
                for suffix, size in SIZES.items():
                    if name == "run" or (scheme, suffix) == ("light", ""):
                        take(page, report, f"{name}-{scheme}{suffix}", size)
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
