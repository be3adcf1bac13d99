"""Files are replaced whole, and several together or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from hatframe import files


def test_files_are_replaced_together(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(b"1")
    old.chmod(0o640)
    files.write_together({old: b"2", new: b"3"})
    assert (old.read_bytes(), new.read_bytes()) == (b"2", b"3")
    assert old.stat().st_mode & 0o777 == 0o640
    assert sorted(tmp_path.iterdir()) == [new, old]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_where_one_cannot_be_replaced_all_are_as_before(tmp_path: Path, place: int) -> None:
    old, new, folder = tmp_path / "old", tmp_path / "new", tmp_path / "folder"
    old.write_bytes(b"1")
    (folder / "full").mkdir(parents=True)
    contents = [(old, b"2"), (new, b"3")]
    # No file can take the place of a folder, and that shows only when it is tried.
    contents.insert(place, (folder, b"4"))
    with pytest.raises(OSError, match="folder"):
        files.write_together(dict(contents))
    assert old.read_bytes() == b"1"
    assert sorted(tmp_path.iterdir()) == [folder, old]


def test_a_folder_that_is_not_there_stops_all(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="none"):
        files.write_together({tmp_path / "new": b"1", tmp_path / "none" / "new": b"2"})
    assert not list(tmp_path.iterdir())


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"1")
    (tmp_path / "link").symlink_to("file")
    files.write_atomically(tmp_path / "link", b"2")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_bytes() == b"2"
