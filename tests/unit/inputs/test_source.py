"""What `--source` may name."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import UnavailableError, UsageError
from orchestrator.inputs.catalogue import from_directory
from orchestrator.inputs.source import Source, parse

BASE = "http://127.0.0.1:8000"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for name in ("b.png", "a.jpg", "c"):
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def test_origin_serves_the_synthetic_photographs() -> None:
    source = parse("origin")
    assert Source("origin", "origin") == source
    assert source.served
    assert source.directory is None
    assert (f"{BASE}/images/0.jpg", f"{BASE}/images/1.jpg") == source.urls(BASE, 2)


def test_directory_is_served_in_name_order(pictures: Path) -> None:
    source = parse(str(pictures))
    assert Source("directory", str(pictures), ("a.jpg", "b.png", "c")) == source
    assert source.served
    assert pictures == source.directory
    assert (f"{BASE}/images/0.jpg", f"{BASE}/images/1.png") == source.urls(BASE, 2)


def test_directory_with_fewer_files_than_asked_for_gives_what_it_has(pictures: Path) -> None:
    source = parse(str(pictures))
    assert (source.count(20), source.count(2)) == (3, 2)
    assert (f"{BASE}/images/0.jpg", f"{BASE}/images/1.png", f"{BASE}/images/2") == source.urls(BASE, 20)


def test_files_that_have_no_part_in_a_run_are_named(pictures: Path) -> None:
    source = parse(str(pictures))
    said = f"source {pictures}: %s; --images 3 takes all"
    assert source.left_out(1) == said % "2 of its 3 files left out (b.png to c)"
    assert source.left_out(2) == said % "1 of its 3 files left out (c)"
    assert source.left_out(3) is None


def test_a_folder_with_too_few_files_says_how_many_a_batch_has(pictures: Path) -> None:
    source = parse(str(pictures))
    assert source.lacking(4) == f"source {pictures} holds 3 files: each batch is of 3, not of 4 images"
    assert source.lacking(3) is None
    assert source.lacking(2) is None


@pytest.mark.parametrize("option", ["origin", "http://host/{i}.jpg"])
def test_other_sources_leave_nothing_out_and_lack_nothing(option: str) -> None:
    assert parse(option).left_out(1) is None
    assert parse(option).lacking(1) is None


def test_source_and_origin_agree_on_a_directorys_addresses(pictures: Path) -> None:
    offered = tuple(BASE + path for path in from_directory(pictures, 2))
    assert offered == parse(str(pictures)).urls(BASE + "/", 2)


def test_relative_directory_is_made_absolute_for_the_origin(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pictures.parent)
    assert pictures == parse(pictures.name).directory


@pytest.mark.parametrize("scheme", ["http", "https", "HTTPS"])
def test_template_puts_the_number_in_every_place(scheme: str) -> None:
    source = parse(f"{scheme}://example.com/{{i}}/{{i}}.jpg")
    assert not source.served
    assert (f"{scheme}://example.com/0/0.jpg", f"{scheme}://example.com/1/1.jpg") == source.urls(None, 2)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("http://example.com/x.jpg", "does not hold {i}; put it where the picture's number goes"),
        ("http://example.com/{i}/{j}", "holds other braces than {i}; write them as %7B and %7D"),
        ("http://example.com/{i:03}/{i}", "holds other braces"),
        ("http://example.com/{{i}}", "holds other braces"),
        ("ftp://example.com/{i}", "is neither http nor https; write it as http://HOST/PATH-WITH-{i}"),
        ("file:///etc/{i}", "is neither http nor https"),
        ("example.com/{i}.jpg", "is neither http nor https"),
        ("http:///{i}.jpg", "names no host"),
        ("http://[::1/{i}.jpg", "is no URL"),
        ("", "source is empty"),
        ("  ", "source is empty"),
    ],
)
def test_senseless_source_says_what_is_allowed(option: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        parse(option)
    assert message in str(error.value)


def test_missing_directory_is_unavailable() -> None:
    with pytest.raises(UnavailableError, match="source directory no/such/place cannot be read"):
        parse("no/such/place")


def test_no_images_at_all_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="images 0 is out of range"):
        parse("origin").urls(BASE, 0)


def test_served_source_without_an_origin_is_unavailable() -> None:
    with pytest.raises(UnavailableError, match="needs an origin and none runs"):
        parse("origin").urls(None, 2)
