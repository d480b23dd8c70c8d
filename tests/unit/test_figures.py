"""`make figures`, with scripts of a few lines in a repository of its own."""

from __future__ import annotations

import subprocess

import pytest

from benchmarks import figures
from benchmarks.figures import Script
from benchmarks.shared.claims import claims

MET = "print('Met: 1 of 1.')"
COUNTS = "import pathlib; print('Met: fine.'); pathlib.Path('build/runs').open('a').write('x')"


@pytest.fixture
def repository(tmp_path):
    """A commit with the folders that figures depend on, and an empty list of figures."""
    for folder in ("worker", "orchestrator", "benchmarks/some", "docs/measurements"):
        (tmp_path / folder).mkdir(parents=True)
    for folder in ("worker", "orchestrator"):
        (tmp_path / folder / "code.py").touch()
    (tmp_path / ".gitignore").write_text("/build/\n")
    page = "<!-- figures of all -->\n<!-- end of figures of all -->\n"
    (tmp_path / "docs" / "measurements" / "README.md").write_text(page)
    git(tmp_path, "init", "--quiet")
    return tmp_path


def git(repository, *arguments):
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["git", *identity, *arguments], cwd=repository, check=True)  # noqa: S607 - the user's own


@pytest.fixture
def run(repository, capfd):
    """Commit these scripts, run them, and return the exit code and what was printed."""

    def run_them(*arguments, deadline_s=30, **bodies):
        for name, body in bodies.items():
            (repository / "benchmarks" / "some" / f"{name}.py").write_text(body)
        git(repository, "add", ".")
        git(repository, "commit", "--quiet", "--allow-empty", "--message", "x")
        names = [path.stem for path in sorted((repository / "benchmarks").glob("*/*.py"))]
        scripts = [Script(name, deadline_s) for name in names]
        code = figures.main(arguments, repository, scripts)
        printed = capfd.readouterr()
        return code, printed.out + printed.err

    return run_them


def runs(repository) -> int:
    return len((repository / "build" / "runs").read_text())


def test_a_script_that_has_ended_is_not_run_again(run, repository):
    assert run(one=COUNTS)[0] == 0
    code, printed = run()
    assert (code, runs(repository)) == (0, 1)
    assert "1 of 1 have ended before" in printed
    assert "1 met" in printed


def test_committing_tables_changes_nothing(run, repository):
    run(one=COUNTS)
    (repository / "docs" / "measurements" / "hops.md").write_text("figures")
    run()
    assert runs(repository) == 1


def test_another_orchestrator_is_measured_again(run, repository):
    run(one=COUNTS)
    (repository / "orchestrator" / "code.py").write_text("changed = True")
    run()
    assert runs(repository) == 2


def test_a_script_that_is_named_is_run_again_alone(run, repository):
    run(one=COUNTS, two=COUNTS)
    _, printed = run("--only", "two")
    assert runs(repository) == 3
    assert "1 of 1 two" in printed


def test_quick_runs_are_kept_apart_and_update_nothing(run):
    code, printed = run("--quick", one="import sys; assert sys.argv[1:] == ['--quick']; print('Met: it.')")
    assert (code, "1 met" in printed) == (0, True)
    code, printed = run()
    assert (code, "AssertionError" in printed) == (1, True)


def test_a_missed_goal_is_a_finding(run):
    code, printed = run(one="print('**Missed**: 3 of 4.'); raise SystemExit(1)")
    assert code == 0
    assert "missed: one: 3 of 4." in printed


def test_a_script_that_fails_does_not_stop_the_others_and_is_run_again(run):
    code, printed = run(a="raise ValueError('no broker')", b=MET)
    assert code == 1
    assert "failed: a: ended with 1: ValueError: no broker" in printed
    assert "1 met" in printed
    assert run(a=MET)[0] == 0


def test_a_script_is_ended_at_its_deadline(run):
    code, printed = run(deadline_s=0.5, one="import time; time.sleep(600)")
    assert code == 1
    assert "one: took longer than 0.5 s" in printed


def test_ctrl_c_ends_the_running_script_and_goes_on_later(run, repository):
    stops = "import os, signal, time; os.kill(os.getppid(), signal.SIGINT); time.sleep(600)"
    code, printed = run(a=COUNTS, b=stops, c=COUNTS)
    assert (code, runs(repository)) == (130, 1)
    assert "Interrupted: 1 of 3 have ended" in printed


def test_uncommitted_changes_are_refused(run, repository):
    run(one=MET)
    (repository / "worker" / "code.py").write_text("changed = True")
    assert figures.main([], repository, [Script("one", 1)]) == 2


def test_every_script_that_writes_figures_is_in_the_list():
    named = {claim.script for claim in claims(figures.ROOT)}
    assert named == {script.name for script in figures.SCRIPTS}
