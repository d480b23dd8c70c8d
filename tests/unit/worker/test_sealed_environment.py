"""Variables and files of the user's own projects do not reach our processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from worker import sealed_environment
from worker.sealed_environment import minimal, sealed
from worker.settings import Settings

ROOT = str(Path(__file__).parents[3])
FOREIGN = {
    "CELERY_BROKER_URL": "redis://shop:6379/0",
    "CELERY_WORKER_AUTOSCALE": "4,3",
    "BROKER_URL": "redis://shop:6379/0",
    "LOADER": "shop.loader",
    "FLOWER_PORT": "1",
    "DJANGO_SETTINGS_MODULE": "shop.settings",
    "PICKLE_PROTOCOL": "nonsense",
    "PYTHONOPTIMIZE": "2",
    "PYTHONPATH": "shop",
    "REDIS_URL": "redis://shop:6379/0",
}


@pytest.mark.parametrize("name", sorted(FOREIGN))
def test_a_variable_of_another_program_is_left_out(name: str) -> None:
    assert sealed({name: FOREIGN[name]}).get(name) in (None, ROOT)


def test_variables_of_the_user_s_and_of_breakeven_stay() -> None:
    kept = {
        "BREAKEVEN_DOWNLOAD_TIMEOUT_S": "3",
        "SHOP_NAME": "corner",
        "HTTPS_PROXY": "http://proxy",
        "HOME": "/h",
    }
    assert kept.items() <= sealed(kept).items()


def test_sealing_twice_changes_nothing() -> None:
    once = sealed(FOREIGN)
    assert sealed(once) == once


def test_a_program_that_is_no_worker_gets_only_what_any_program_needs() -> None:
    given = {
        **FOREIGN,
        "PATH": "/bin",
        "LC_ALL": "C",
        "SHOP_NAME": "corner",
        "BREAKEVEN_PAYLOAD_URL": "redis://x/0",
    }
    assert set(minimal(given)) <= {"PATH", "LC_ALL", "PYTHONSAFEPATH", "PYTHONPATH"}


def test_a_file_that_a_variable_of_ours_names_is_found_from_another_folder(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert sealed({"BREAKEVEN_TLS_CA": "ca.pem"})["BREAKEVEN_TLS_CA"] == str(tmp_path / "ca.pem")


def test_the_folders_of_functions_are_found_from_another_folder(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    folders = f"{tmp_path / 'src'}:/srv/jobs"
    assert sealed({"BREAKEVEN_FUNCTION_PATH": "src::/srv/jobs"})["BREAKEVEN_FUNCTION_PATH"] == folders
    assert Settings(function_path="src:/srv/jobs").function_folders == (str(tmp_path / "src"), "/srv/jobs")


def test_a_user_without_home_and_password_entry_gets_a_home(monkeypatch) -> None:
    assert "HOME" not in sealed({})
    monkeypatch.setattr(sealed_environment.os, "getuid", lambda: 54321)
    assert sealed({})["HOME"] == "/"
    assert sealed({"HOME": "/h"})["HOME"] == "/h"


def test_modules_in_the_current_folder_and_in_python_path_are_not_imported(tmp_path: Path) -> None:
    for name in ("redis", "celery", "typer"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported the module of the user')\n")
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator", "--version"],
        cwd=tmp_path,
        env={**os.environ, **FOREIGN, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout[:10]) == (0, "breakeven "), done.stderr
