"""What an origin has to offer."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import UnavailableError
from orchestrator.inputs.catalogue import Picture, file_path, files_of, from_directory, synthetic
from orchestrator.inputs.synthetic import encode, photograph


def _write(directory: Path, **files: bytes) -> None:
    for name, content in files.items():
        (directory / name.replace("__", ".")).write_bytes(content)


def test_synthetic_pictures_are_numbered_from_0() -> None:
    assert list(synthetic(0, 3, 16, 8)) == ["/images/0.jpg", "/images/1.jpg", "/images/2.jpg"]


def test_synthetic_picture_is_the_photograph_of_its_number() -> None:
    made = synthetic(5, 2, 16, 8)["/images/1.jpg"]()
    assert Picture(encode(photograph(5, 1, 16, 8)), "image/jpeg") == made


def test_files_are_offered_in_name_order_with_their_suffix(tmp_path: Path) -> None:
    _write(tmp_path, b__PNG=b"2", a__jpg=b"1", c=b"3", d__bin=b"4")
    offers = from_directory(tmp_path)
    assert list(offers) == ["/images/0.jpg", "/images/1.PNG", "/images/2", "/images/3.bin"]
    assert [
        Picture(b"1", "image/jpeg"),
        Picture(b"2", "image/png"),
        Picture(b"3", "application/octet-stream"),
        Picture(b"4", "application/octet-stream"),
    ] == [read() for read in offers.values()]


def test_only_as_many_files_as_asked_for_are_offered(tmp_path: Path) -> None:
    _write(tmp_path, a__jpg=b"1", b__jpg=b"2", c__jpg=b"3")
    assert list(from_directory(tmp_path, 2)) == ["/images/0.jpg", "/images/1.jpg"]
    assert len(from_directory(tmp_path, 20)) == 3


def test_folders_links_and_hidden_files_are_left_out(tmp_path: Path) -> None:
    _write(tmp_path, a__jpg=b"1")
    (tmp_path / ".DS_Store").write_bytes(b"x")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "link.jpg").symlink_to(tmp_path / "a.jpg")
    assert (tmp_path / "a.jpg",) == files_of(tmp_path)


def test_directory_without_files_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="holds no files; put pictures directly into it"):
        files_of(tmp_path)


def test_missing_directory_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="gone cannot be read: No such file or directory; name one"):
        files_of(tmp_path / "gone")


def test_file_in_place_of_a_directory_is_unavailable(tmp_path: Path) -> None:
    _write(tmp_path, a__jpg=b"1")
    with pytest.raises(UnavailableError, match="Not a directory"):
        files_of(tmp_path / "a.jpg")


def test_file_that_went_away_is_unavailable(tmp_path: Path) -> None:
    _write(tmp_path, a__jpg=b"1")
    offers = from_directory(tmp_path)
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(UnavailableError, match=r"a\.jpg cannot be read: No such file"):
        offers["/images/0.jpg"]()


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
