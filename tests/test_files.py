"""Files are replaced whole, and several together or not at all."""

from __future__ import annotations

import contextlib
import os
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


def test_a_folder_appears_complete_or_not_at_all(tmp_path: Path) -> None:
    with contextlib.suppress(ZeroDivisionError), files.atomic_directory(tmp_path / "new") as folder:
        (folder / "a").touch()
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())
    with files.atomic_directory(tmp_path / "new") as folder:
        (folder / "a").touch()
        assert not (tmp_path / "new").exists()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a"]
    with pytest.raises(OSError, match="not empty"), files.atomic_directory(tmp_path / "new"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_a_large_file_is_replaced_completely_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with contextlib.suppress(ZeroDivisionError), files.replaced(path) as temporary:
        temporary.write_bytes(b"new")
        raise ZeroDivisionError
    assert path.read_bytes() == b"old"
    with files.replaced(path) as temporary:
        temporary.write_bytes(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_removed_with_links_and_not_what_they_lead_to(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    (tmp_path / "folder" / "sub").mkdir(parents=True)
    (tmp_path / "folder" / "link").symlink_to(tmp_path / "mine")
    (tmp_path / "folder" / "up").symlink_to(tmp_path)
    files.remove_tree(tmp_path / "folder")
    files.remove_tree(tmp_path / "folder")
    assert list(tmp_path.iterdir()) == [tmp_path / "mine"]


def test_what_is_marked_is_in_use_until_the_block_ends(tmp_path: Path) -> None:
    assert not files.is_in_use(tmp_path)
    with files.in_use(tmp_path):
        with files.in_use(tmp_path):
            assert files.is_in_use(tmp_path)
        assert files.is_in_use(tmp_path)
        assert not files.is_in_use(tmp_path / "other")
    assert not files.is_in_use(tmp_path)


def test_a_file_is_on_the_disk_before_it_replaces_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(files.os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_size))
    files.write_together({tmp_path / "new": b"12345"})
    assert synced == []
    files.write_together({tmp_path / "new": b"123", tmp_path / "other": b"1234567"})
    assert synced == [3]
