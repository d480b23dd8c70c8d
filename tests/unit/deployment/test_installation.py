"""What a plain installation gives, and what `make` does where Python or pip are set up oddly."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PIN = re.compile(r"^([a-z0-9._-]+)(?:\[[a-z,]+\])?==([^ ;\\]+)", re.MULTILINE | re.IGNORECASE)


def pins(name: str) -> dict[str, str]:
    text = (ROOT / name).read_text()
    return {match[1].lower().replace("_", "-"): match[2] for match in PIN.finditer(text)}


def named(name: str) -> set[str]:
    lines = (ROOT / "requirements" / name).read_text().splitlines()
    return {re.split(r"[\[>=]", line)[0] for line in lines if line and not line.startswith("#")}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel, unpacked into a folder of its own as an installer would."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for part in ("pyproject.toml", "README.md", "requirements", "worker", "orchestrator"):
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        (source / part).parent.mkdir(parents=True, exist_ok=True)
        copy(ROOT / part, source / part)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--no-build-isolation", "--wheel-dir", str(folder), str(source)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    (wheel,) = folder.glob("breakeven-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_a_plain_installation_brings_all_that_the_command_needs(installed: Path) -> None:
    (metadata,) = installed.glob("*.dist-info/METADATA")
    required = set(re.findall(r"^Requires-Dist: ([a-zA-Z0-9_-]+)(?!.*extra ==)", metadata.read_text(), re.M))
    assert required == named("worker.txt") | named("orchestrator.txt")


def test_the_installed_command_answers_away_from_the_checkout(installed: Path, tmp_path: Path) -> None:
    (entry_points,) = installed.glob("*.dist-info/entry_points.txt")
    assert "orchestrator = orchestrator.__main__:main" in entry_points.read_text()
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator", "list"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_installed_package_has_the_templates_of_the_page(installed: Path) -> None:
    templates = Path("orchestrator/reports/templates")
    assert {path.name for path in (installed / templates).iterdir()} == {
        path.name for path in (ROOT / templates).iterdir()
    }


@pytest.mark.parametrize("name", ["worker", "orchestrator"])
def test_the_images_install_what_the_requirements_name_pinned_as_everywhere_and_with_hashes(
    name: str,
) -> None:
    text = (ROOT / "requirements" / f"{name}.lock").read_text()
    locked, constraints = pins(f"requirements/{name}.lock"), pins("constraints.txt")
    assert named(f"{name}.txt") <= locked.keys()
    assert {package: constraints.get(package, version) for package, version in locked.items()} == locked
    assert text.count("--hash=sha256:") >= len(locked)
    assert "://" not in text


def test_the_orchestrators_image_has_the_workers_packages_in_the_same_versions() -> None:
    worker, orchestrator = pins("requirements/worker.lock"), pins("requirements/orchestrator.lock")
    assert worker.items() <= orchestrator.items()


def test_the_build_backend_is_pinned_alike_in_the_images() -> None:
    assert (
        f'requires = ["setuptools=={pins("requirements/build.lock")["setuptools"]}"]'
        in (ROOT / "pyproject.toml").read_text()
    )


def test_a_checkout_that_converts_line_ends_keeps_those_of_scripts() -> None:
    """A carriage return at the end of `set -eu` stops the stack with "Illegal option -"."""
    listed = subprocess.run(
        [
            shutil.which("git") or "git",
            "check-attr",
            "eol",
            "--",
            "docker/setup",
            "docker/redis.conf",
            "worker/Dockerfile",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert [line.split(": ")[-1] for line in listed.stdout.splitlines()] == ["lf", "lf", "lf"]


PYTHON = """#!/bin/sh
# Stands in for a Python: notes how it is called and with which settings of pip, and makes .venv on demand.
echo "$* PIP_USER=$PIP_USER PIP_TARGET=$PIP_TARGET" >>"$NOTES"
case "$1 $2" in
  "-m venv") [ -z "$NO_VENV" ] || { echo "ensurepip is not available" >&2; exit 1; }
             mkdir -p .venv/bin && cp "$0" .venv/bin/python && rm -f .venv/half ;;
  "-m pip") [ ! -e .venv/half ] || exit 1 ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for part in ("Makefile", "pyproject.toml", "constraints.txt", "requirements"):
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, tmp_path / part)
    (tmp_path / "python").write_text(PYTHON)
    (tmp_path / "python").chmod(0o755)
    return tmp_path


def make(checkout: Path, **settings: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    done = subprocess.run(
        [
            shutil.which("make") or "make",
            "--no-print-directory",
            f"PYTHON={checkout / 'python'}",
            ".venv/.installed",
        ],
        cwd=checkout,
        env={"PATH": os.environ["PATH"], "NOTES": str(checkout / "notes"), **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done, (checkout / "notes").read_text().splitlines()


def test_pip_installs_into_the_virtual_environment_whatever_the_user_set(checkout: Path) -> None:
    done, calls = make(checkout, PIP_USER="1", PIP_TARGET="/elsewhere")
    assert done.returncode == 0
    (install,) = (call for call in calls if "install" in call)
    assert install.endswith("--editable . PIP_USER=0 PIP_TARGET=")


def test_running_installs_no_tools_for_tests_and_says_that_it_installs(checkout: Path) -> None:
    done, calls = make(checkout)
    assert not any("dev" in call for call in calls)
    assert done.stderr.count("Installing") == 1


def test_a_half_made_virtual_environment_is_made_again(checkout: Path) -> None:
    (checkout / ".venv" / "bin").mkdir(parents=True)
    shutil.copy(checkout / "python", checkout / ".venv" / "bin" / "python")
    (checkout / ".venv" / "half").touch()
    done, calls = make(checkout)
    assert done.returncode == 0
    assert any(call.startswith("-m venv --clear .venv") for call in calls)


def test_a_python_without_its_venv_module_is_named_in_one_line_with_the_remedy(checkout: Path) -> None:
    done, _ = make(checkout, NO_VENV="1")
    said = [line for line in done.stderr.splitlines() if not line.startswith("make:")]
    assert done.returncode != 0
    assert len(said) == 1
    assert "apt-get install python3-venv" in said[0]
