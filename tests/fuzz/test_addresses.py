"""Misleading URLs, invalid settings, and text with secrets and control characters."""

from __future__ import annotations

import socket
import string
from typing import Any

import pytest
from hypothesis import strategies as st

from tests.fuzz.cases import fuzz
from tests.fuzz.values import HOSTILE_TEXT
from worker import allowed_origins as origins
from worker.contract import Failure
from worker.redaction import MAX_CHARACTERS, escape_control, redact
from worker.settings import Settings, SettingsError, read_settings
from worker.stages import connections, download
from worker.stages.download import DownloadError

PARTS = st.sampled_from(
    [
        *("http://", "https://", "HTTP://", "http:", "http:\\\\", "//", "file://", "ftp://", "javascript:"),
        *(
            "allowed",
            "ALLOWED",
            "allowed.",
            ".allowed",
            "evil",
            "127.0.0.1",
            "2130706433",
            "0x7f.1",
            "localhost",
        ),
        *(
            "[::1]",
            "[::ffff:7f00:1]",
            "[fe80::1%25eth0]",
            "\uff41llowed",
            "\u0430llowed",
            "allowed\u3002evil",
            "169.254.169.254",
        ),
        *(
            "@",
            ":",
            "/",
            "\\",
            "?",
            "#",
            "%",
            "%2f",
            "%40",
            "%00",
            "%2e",
            "\t",
            "\n",
            "\r",
            " ",
            "\0",
            ";",
            "&",
            ".",
            "..",
        ),
        *(
            ":80",
            ":8080",
            ":0",
            ":99999",
            ":-1",
            ":٣",
            ":80@",
            "user:pass@",
            "allowed:80@",
            "@allowed",
            "#@allowed/",
        ),
        *("\u2100", "\u00ad", "\u200b", "\u202e", "\ud800", "{i}", "[", "]", "x" * 300),
    ]
)
URLS = st.one_of(
    st.lists(PARTS, min_size=1, max_size=7).map("".join),
    st.lists(PARTS, max_size=6).map(lambda parts: "http://" + "".join(parts)),
    st.text(alphabet=string.printable, max_size=30).map(lambda text: f"http://{text}@allowed/x"),
    st.text(max_size=20).map(lambda text: f"http://allowed{text}/x"),
)


class TriedError(OSError):
    """In place of a connection."""


@pytest.fixture(scope="module", params=["requests", "session"])
def kernel(request: pytest.FixtureRequest) -> Any:
    return download.KERNELS[request.param]


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Record where connections would be made, with http://allowed as the only allowed origin."""
    addresses: list[tuple[str, int]] = []

    def create_connection(address: tuple[str, int], *_: Any, **__: Any) -> Any:
        addresses.append(address)
        raise TriedError(111, "Connection refused")

    monkeypatch.setattr(connections, "create_connection", create_connection)
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, port, **_: [(0, 0, 0, "", (host, port))])
    monkeypatch.setattr(download, "settings", lambda: Settings(allowed_origins=("http://allowed",)))
    return addresses


@fuzz(150, url=URLS)
def test_no_url_leads_anywhere_but_to_the_allowed_origin(
    url: str, kernel: Any, tried: list[tuple[str, int]]
) -> None:
    tried.clear()
    with pytest.raises(DownloadError) as error:
        kernel(url)
    assert set(tried) <= {("allowed", 80)}
    assert str(error.value).isprintable()
    assert "://user:pass@" not in str(error.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://allowed@evil/",
        "http://allowed:80@evil/",
        "http://evil\\@allowed/",
        "http://evil#@allowed/",
        "http://evil?@allowed/",
        "http://allowed.evil/",
        "http://allowed:8080/",
        "http://allowed./",
        "https://allowed/",
        "http://evil%2f@allowed:81/",
    ],
)
def test_a_misleading_url_is_refused_by_the_name_it_leads_to(
    url: str, kernel: Any, tried: list[tuple[str, int]]
) -> None:
    with pytest.raises(
        DownloadError, match=r"is not an allowed origin \(https?://[^)]+\)|is not a valid URL"
    ):
        kernel(url)
    assert tried == []


@pytest.mark.parametrize(
    "url",
    [
        "http://allowed/x",
        "HTTP://ALLOWED/x",
        "http://allowed:80/x",
        "http://user:pw@allowed/x",
        "http://allowed?x",
    ],
)
def test_every_spelling_of_the_allowed_origin_is_allowed(
    url: str, kernel: Any, tried: list[tuple[str, int]]
) -> None:
    with pytest.raises(DownloadError, match="cannot be reached"):
        kernel(url)
    assert set(tried) == {("allowed", 80)}


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("HTTP://Origin", "http://origin:80"),
        ("https://origin/", "https://origin:443"),
        ("http://[0:0:0:0:0:0:0:1]:8000", "http://[::1]:8000"),
        ("http://10.0.0.1:80", "http://10.0.0.1:80"),
    ],
)
def test_an_origin_has_one_canonical_form(text: str, spelled: str) -> None:
    assert origins.parse(text) == spelled
    assert origins.of_url(f"{text.rstrip('/')}/images/0.jpg") == spelled


@fuzz(100, text=st.one_of(st.lists(PARTS, max_size=5).map("".join), st.text(max_size=30)))
def test_a_canonical_origin_stays_the_same_or_the_text_is_refused(text: str) -> None:
    try:
        once = origins.parse(text)
    except ValueError:
        return
    assert origins.parse(once) == once


VALUES = st.one_of(
    URLS,
    HOSTILE_TEXT,
    st.integers().map(str),
    st.floats().map(str),
    st.text(max_size=20),
    st.sampled_from(["true", "null", "[]", "{}", "1e400", "9" * 5000, " 5 ", "5,6", "http://a,http://b"]),
)


@fuzz(150, given=st.dictionaries(st.sampled_from(sorted(Settings.model_fields)), VALUES, max_size=3))
def test_settings_are_in_their_ranges_or_refused_by_name(given: dict[str, str]) -> None:
    try:
        settings = read_settings(**given)
    except SettingsError as error:
        said = str(error)
        assert "BREAKEVEN_" in said or "://" in said
        assert "://user:pass@" not in said
        return
    for name in ("download_timeout_s", "connect_timeout_s", "read_timeout_s", "task_time_limit_s"):
        assert 0 < getattr(settings, name) <= 86_400
    assert all(origins.parse(each) == each for each in settings.allowed_origins)


@fuzz(100, text=st.one_of(HOSTILE_TEXT, URLS, st.text(), st.text().map(lambda text: text * 500)))
def test_redacted_text_is_one_printable_line_and_stays_the_same_when_redacted_again(text: str) -> None:
    shown = redact(text)
    assert shown.isprintable()
    assert len(shown) <= MAX_CHARACTERS
    assert redact(shown) == shown
    shown.encode("utf-8")
    failure = Failure("Error", text)
    assert Failure("Error", failure.message) == failure


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://user:pw@host/x.jpg answered 404", "http://***@host/x.jpg answered 404"),
        ("http://user:p/w@host/x.jpg", "http://***@host/x.jpg"),
        ("http://user:pa ss@host/x.jpg answered 404", "http://***@host/x.jpg answered 404"),
        ("http://host/x#access_token=abc", "http://host/x#access_token=***"),
        ("http://host/x?key=12345678.abcdef&i=1.jpg", "http://host/x?key=***&i=1.jpg"),
        ("http://host/x answered (see http://u:p@h)", "http://host/x answered (see http://***@h)"),
        ("https://host/x?X-Amz-Signature=abc&n=7&w=0.5", "https://host/x?X-Amz-Signature=***&n=7&w=0.5"),
        ("--broker=redis://:p@ss/w@host:6379/0", "--broker=redis://***@host:6379/0"),
        ("redis://host/0?password=secret", "redis://host/0?password=***"),
        ("\x1b[31mred\x1b[0m\r\n", r"\x1b[31mred\x1b[0m\r\n"),
        ("\x1fHTTP:///@", r"\x1fHTTP://***@"),
        ("abc\u202egpj.exe", r"abc\u202egpj.exe"),
        ("half \ud83d of a pair", r"half \ud83d of a pair"),
        ("größer als 800×600 µs", "größer als 800×600 µs"),
    ],
)
def test_secrets_and_control_characters_are_not_shown(text: str, shown: str) -> None:
    assert redact(text) == shown


def test_a_long_text_is_cut() -> None:
    assert escape_control("x" * 3000) == "x" * (MAX_CHARACTERS - 1) + "…"
