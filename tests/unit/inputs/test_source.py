"""What `--source` may name."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from orchestrator.errors import UnavailableError, UsageError
from orchestrator.inputs.image_server import ImageServer
from orchestrator.inputs.source import FOLDER_IMAGES, Source, file_path, files_of, parse

BASE = "http://127.0.0.1:8000"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for name in ("b.png", "a.JPG"):
        (tmp_path / name).write_bytes(b"x")
    Image.new("L", (2, 2)).save(tmp_path / "c", "PNG")
    for name in ("notes.txt", "clip.mp4"):
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
    assert Source("directory", str(pictures), ("a.JPG", "b.png", "c"), others=2) == source
    assert source.served
    assert pictures == source.directory
    assert (f"{BASE}/images/0.JPG", f"{BASE}/images/1.png") == source.urls(BASE, 2)


def test_directory_with_fewer_files_than_asked_for_gives_what_it_has(pictures: Path) -> None:
    source = parse(str(pictures))
    assert (source.count(20), source.count(2)) == (3, 2)
    assert (f"{BASE}/images/0.JPG", f"{BASE}/images/1.png", f"{BASE}/images/2") == source.urls(BASE, 20)


def test_how_many_pictures_a_run_leaves_out_is_said_with_the_option_that_uses_all(pictures: Path) -> None:
    source = parse(str(pictures))
    assert source.left_out(2) == f"source {pictures}: using 2 of its 3 pictures; --images 3 uses all"
    assert source.left_out(3) is None


def test_files_that_are_no_pictures_are_skipped_and_counted(pictures: Path) -> None:
    assert parse(str(pictures)).skipped() == f"source {pictures}: skipped 2 files that are no pictures"
    (pictures / "notes.txt").unlink()
    assert parse(str(pictures)).skipped() == f"source {pictures}: skipped 1 file that is no picture"
    (pictures / "clip.mp4").unlink()
    assert parse(str(pictures)).skipped() is None


def test_a_directory_is_used_as_a_whole_up_to_a_limit(pictures: Path) -> None:
    assert parse(str(pictures)).usual_count == 3
    for number in range(60):
        (pictures / f"{number}.jpg").touch()
    assert parse(str(pictures)).usual_count == FOLDER_IMAGES == 50
    assert parse("origin").usual_count is None


def test_a_directory_without_pictures_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_bytes(b"x")
    with pytest.raises(UnavailableError, match="holds no pictures; put files of JPEG, PNG"):
        parse(str(tmp_path))


def test_a_directory_with_too_few_files_says_how_many_a_batch_has(pictures: Path) -> None:
    source = parse(str(pictures))
    assert source.lacking(4) == f"source {pictures} has 3 pictures: each batch has 3 images, not 4"
    assert source.lacking(3) is None
    assert source.lacking(2) is None


@pytest.mark.parametrize("option", ["origin", "http://host/{i}.jpg"])
def test_other_sources_leave_nothing_out_and_lack_nothing(option: str) -> None:
    assert parse(option).left_out(1) is None
    assert parse(option).lacking(1) is None


def test_source_and_server_agree_on_a_directorys_addresses(pictures: Path) -> None:
    offered = tuple(BASE + path for path in ImageServer(directory=pictures, images=2).set)
    assert offered == parse(str(pictures)).urls(BASE + "/", 2)


def test_relative_directory_is_made_absolute_for_the_server(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pictures.parent)
    assert pictures == parse(pictures.name).directory


@pytest.mark.parametrize("scheme", ["http", "https", "HTTPS"])
def test_template_puts_the_number_in_every_place(scheme: str) -> None:
    source = parse(f"{scheme}://example.com/{{i}}/{{i}}.jpg")
    assert not source.served
    assert (f"{scheme}://example.com/0/0.jpg", f"{scheme}://example.com/1/1.jpg") == source.urls("", 2)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("http://example.com/x.jpg", "does not contain {i}; put it where the picture's number goes"),
        ("http://example.com/{i}/{j}", "contains other braces than {i}; write them as %7B and %7D"),
        ("http://example.com/{i:03}/{i}", "contains other braces"),
        ("http://example.com/{{i}}", "contains other braces"),
        ("ftp://example.com/{i}", "is neither http nor https; write it as http://HOST/PATH-WITH-{i}"),
        ("file:///etc/{i}", "is neither http nor https"),
        ("example.com/{i}.jpg", "is neither http nor https"),
        ("http:///{i}.jpg", "names no host"),
        ("http://[::1/{i}.jpg", "is not a URL"),
        ("", "source is empty"),
        ("  ", "source is empty"),
    ],
)
def test_an_invalid_source_names_the_remedy(option: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        parse(option)
    assert message in str(error.value)


@pytest.mark.parametrize("option", ["no/such/place", "~nobodyhere/pictures"])
def test_missing_directory_is_unavailable(option: str) -> None:
    with pytest.raises(UnavailableError, match=f"source directory {option} cannot be read"):
        parse(option)


def test_a_directory_in_the_users_home_is_found(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(pictures.parent))
    assert parse(f"~/{pictures.name}").directory == pictures


def test_no_images_at_all_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="images 0 is out of range"):
        parse("origin").urls(BASE, 0)


def test_folders_links_and_hidden_files_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"1")
    (tmp_path / ".DS_Store").write_bytes(b"x")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "link.jpg").symlink_to(tmp_path / "a.jpg")
    assert (tmp_path / "a.jpg",) == files_of(tmp_path)


def test_directory_without_files_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="holds no files; put them directly into it"):
        files_of(tmp_path)


def test_a_directory_that_went_away_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="gone cannot be read: No such file or directory; name one"):
        files_of(tmp_path / "gone")


def test_file_in_place_of_a_directory_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"1")
    with pytest.raises(UnavailableError, match="Not a directory"):
        files_of(tmp_path / "a.jpg")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("x.jpg", "/images/7.jpg"),
        ("x.j pg", "/images/7"),
        ("x.%2e", "/images/7"),
        ("x.tar.gz", "/images/7.gz"),
    ],
)
def test_a_file_name_leaves_only_a_plain_suffix_in_its_path(name: str, path: str) -> None:
    assert path == file_path(7, name)
