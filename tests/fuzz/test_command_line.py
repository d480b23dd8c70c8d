"""Every command with any options: a documented exit code, no traceback, and a line with what is wrong.

Everything runs except measuring and serving: options, plans, sources, broker URLs, result files, reports.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import typer.main
from hypothesis import strategies as st

from orchestrator import cli, results
from orchestrator.errors import UnavailableError
from orchestrator.fleet.external import check_url, settings_for
from orchestrator.inputs import image_server
from orchestrator.measurement import doctor, session
from orchestrator.model.runs import Run
from orchestrator.planning.option_checks import choices
from orchestrator.planning.plan import resolve
from tests.examples import example_run
from tests.fuzz.cases import fuzz

COMMANDS: dict[str, Any] = typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]
NAMES = [name for group in choices().values() for name in group]

WORDS = st.one_of(
    st.sampled_from(
        [*NAMES, "origin", "auto", "on", "off", "local", "resident", "size", "latency", "chunk", "slots"]
    ),
    st.sampled_from(
        ["1", "2", "0", "-1", "7", "1,2,4", "64x48", "0.05", "100", "quick", "notebook", "embedded"]
    ),
    st.sampled_from(
        ["", " ", "-", "--", "nan", "inf", "-inf", "1e400", "9" * 400, "0x10", "1_000", "٣", "½", "1e-9"]
    ),
    st.sampled_from(["terminal", "markdown", "html", "csv", "svg", "json", "pdf"]),
    st.sampled_from(
        [
            "{i}",
            "http://h/{i}",
            "http://h:99999/{i}",
            "http://[::1/{i}",
            "ftp://h/{i}",
            "//{i}",
            "http:///{i}",
        ]
    ),
    st.sampled_from(
        ["http://u:p@h/{i}?token=x", "http://h{i}.example/", "file:///etc/{i}", "http://h/{i}{j}"]
    ),
    st.sampled_from(
        ["redis://:secret@127.0.0.1:1/0", "redis://h:port/0", "rediss://h", "redis+socket:///x", "amqp://h"]
    ),
    st.sampled_from(["redis://h/0?ssl_cert_reqs=none", "redis://[::1", "unix:///x", "redis://:a/b@h:1"]),
    st.sampled_from(
        [
            "good.json",
            "corrupt.json",
            "empty.json",
            "none.json",
            "folder",
            "pictures",
            "/dev/null",
            "a\x1b[31m",
        ]
    ),
    st.sampled_from(["127.0.0.1", "0.0.0.0", "::1", "256.0.0.1", "no such host"]),  # noqa: S104 - nothing is bound
    st.text(max_size=12).filter(lambda text: "/" not in text and "\0" not in text and ".." not in text),
    st.integers(-10, 100_000).map(str),
    st.floats().map(str),
)
PLAIN = st.one_of(
    st.sampled_from([*NAMES, "1", "2", "3", "8", "0.5", "32x24", "auto", "redis", "local"]), WORDS
)


@st.composite
def command_lines(draw: st.DrawFn) -> list[str]:
    """Draw a command and options of it, with valid and invalid values, and sometimes other words."""
    name = draw(st.sampled_from([*COMMANDS, *COMMANDS, "fly", ""]))
    words = [name] if name else []
    command = COMMANDS.get(name)
    for parameter in (
        draw(st.lists(st.sampled_from(command.params), max_size=6)) if command and command.params else []
    ):
        if parameter.param_type_name == "argument":
            words.append(draw(st.sampled_from(["good.json", "corrupt.json", "good.json", draw(WORDS)])))
        elif parameter.is_flag:
            words.append(parameter.opts[0])
        else:
            joined = draw(st.booleans())
            value = draw(PLAIN)
            words += [f"{parameter.opts[0]}={value}"] if joined else [parameter.opts[0], value]
    return words + draw(st.lists(WORDS, max_size=1))


@contextmanager
def measured(options: Any, source: Any, watcher: Any, save: Any) -> Iterator[Run]:
    """In place of a measurement, check everything that is checked before one begins."""
    plan = resolve(options, source, None, watcher.note)
    if options.broker is not None:
        check_url(settings_for(options.broker).broker_url)
    source.urls("http://127.0.0.1:8000", min(plan.images, 10))
    save(example_run())
    yield example_run()


def nothing(*_: Any, **__: Any) -> Any:
    raise UnavailableError("nothing is started here; \x1b[31mit is a test")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder to run in, with a result, a corrupt one, and pictures; nothing is measured, bound or started."""
    here = tmp_path_factory.mktemp("here")
    text = results.dumps(example_run())
    (here / "good.json").write_text(text)
    (here / "corrupt.json").write_text(text[: len(text) // 2])
    (here / "empty.json").touch()
    (here / "folder").mkdir()
    (here / "pictures").mkdir()
    (here / "pictures" / "0.jpg").write_bytes(b"picture")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        patch.setattr(session, "measured", measured)
        patch.setattr(doctor, "embedded_fleet", nothing)
        patch.setattr(doctor, "external_fleet", nothing)
        patch.setattr(doctor, "_flower", lambda url, _: doctor.Check("flower", None, url))
        patch.setattr(image_server, "serve", nothing)
        for name in ("BREAKEVEN_BROKER_URL", "BREAKEVEN_ORIGIN_URL"):
            patch.delenv(name, raising=False)
        yield here


@fuzz(150, words=command_lines())
def test_no_command_line_ends_in_a_traceback(
    words: list[str], folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["orchestrator", *words])
    code = cli._run(words)
    said, complaint = capsys.readouterr()
    assert code in (0, 1, 2, 3)
    assert "Traceback" not in complaint
    assert [each for each in complaint if not each.isprintable() and each != "\n"] == []
    assert "secret" not in complaint
    assert code in (0, 1) or complaint or said
    assert len(complaint) < 10_000


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli._run([command, "--help"]) == 0
    assert "Usage: orchestrator" in capsys.readouterr().out


def test_a_secret_in_an_option_is_not_kept_in_the_result(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[tuple[str, ...]] = []

    @contextmanager
    def keeping(options: Any, source: Any, watcher: Any, save: Any) -> Iterator[Run]:
        kept.append(resolve(options, source).arguments)
        yield example_run()

    monkeypatch.setattr(session, "measured", keeping)
    words = [
        "run",
        "--broker",
        "redis://:p@ss/word@host:6379/0",
        "--source=https://user:pw@host/{i}.jpg?sig=abc&n=3",
    ]
    monkeypatch.setattr(sys, "argv", ["orchestrator", *words])
    assert cli._run(words) == 0
    assert kept == [
        ("run", "--broker", "redis://***@host:6379/0", "--source=https://***@host/{i}.jpg?sig=***&n=3")
    ]


@pytest.mark.usefixtures("folder")
def test_control_characters_in_a_folder_s_name_are_escaped(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli._run(["run", "--output", "odd\x1b[2J"]) == 0
    assert "result: odd\\x1b[2J/" in capsys.readouterr().err
