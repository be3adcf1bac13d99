"""Files are replaced whole, and several together or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from hatframe import files
from hatframe.errors import HatError


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


AS_ANOTHER = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can make files of other users"
)


def folders_of(user: int, home: str | None) -> tuple[list[str], str]:
    """The cache and the state folder that a process has as this user, and what it logs."""
    code = (
        "import json, logging, os, platformdirs\nfrom hatframe import files\nplatformdirs.user_cache_path()\n"
        f"os.setuid({user})\nprint(json.dumps([str(files.cache_folder()), str(files.state_folder())]))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path[:] = {sys.path!r}\n{code}"],
        env={} if home is None else {"HOME": home},
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[str] = json.loads(done.stdout)
    return found, done.stderr


@AS_ANOTHER
@pytest.mark.parametrize("home", ["none", "unwritable", "another user's"])
def test_without_a_usable_home_the_folders_are_temporary(home: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        for name in (".cache", ".local/state"):
            (Path(folder) / name / "hatframe").mkdir(parents=True)
            (Path(folder) / name / "hatframe").chmod(0o777)
        homes = {"none": None, "unwritable": "/proc", "another user's": folder}
        folders, log = folders_of(54321, homes[home])
    assert folders == [f"{tempfile.gettempdir()}/hatframe-{kind}-54321" for kind in ("cache", "state")]
    assert log.count("HATFRAME_CACHE_DIR") == 1


def test_a_home_is_used_where_it_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HATFRAME_CACHE_DIR", "HATFRAME_STATE_DIR", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert files.cache_folder().is_relative_to(tmp_path)
    assert files.state_folder().is_relative_to(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_private_folders_are_for_this_user_only(tmp_path: Path) -> None:
    former = os.umask(0)
    try:
        files.make_private(tmp_path / "cache" / "kind")
    finally:
        os.umask(former)
    assert [path.stat().st_mode & 0o777 for path in sorted(tmp_path.rglob("*"))] == [0o700, 0o700]


@pytest.mark.parametrize("place", ["cache", "cache/kind"])
def test_a_folder_that_others_can_write_to_is_not_used(tmp_path: Path, place: str) -> None:
    files.make_private(tmp_path / "cache" / "kind")
    (tmp_path / place).chmod(0o770)
    with pytest.raises(HatError, match="other users") as caught:
        files.make_private(tmp_path / "cache" / "kind")
    assert caught.value.where == str(tmp_path / place)


@AS_ANOTHER
def test_a_folder_of_another_user_is_not_used(tmp_path: Path) -> None:
    files.make_private(tmp_path / "cache" / "kind")
    os.chown(tmp_path / "cache", 54321, 54321)
    with pytest.raises(HatError, match="another user"):
        files.make_private(tmp_path / "cache" / "kind")


COUNTING = """
import sys
from pathlib import Path
from hatframe import files
path = Path(sys.argv[1])
for _ in range(200):
    with files.locked(path):
        files.write_atomically(path, str(int(path.read_text()) + 1).encode())
"""


def test_processes_with_different_folders_of_their_own_exclude_each_other(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    code = f"import sys; sys.path[:] = {sys.path!r}\n{COUNTING}"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(counter)], env={**os.environ, "HATFRAME_STATE_DIR": str(tmp_path / name)}
        )
        for name in ("one", "two")
    ]
    assert [process.wait(60) for process in running] == [0, 0]
    assert counter.read_text() == "400"
    assert list(tmp_path.iterdir()) == [counter]


def test_threads_exclude_each_other(tmp_path: Path) -> None:
    held: list[int] = []

    def hold() -> None:
        with files.locked(tmp_path / "file"):
            held.append(len(held))
            assert held.pop() == 0

    threads = [threading.Thread(target=hold) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with files.locked(tmp_path / "file"), pytest.raises(HatError, match="lock"), files.locked(tmp_path / "b", 0.05):
        pass


def test_where_folders_cannot_be_locked_a_file_in_them_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    original = fcntl.flock

    def flock(descriptor: int, operation: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(9, "Bad file descriptor")
        original(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    with files.locked(tmp_path / "file"):
        assert (tmp_path / ".hatframe.lock").exists()
        with pytest.raises(HatError, match="another process"), files.locked(tmp_path / "file", 0.0):
            pass
    with files.locked(tmp_path / "file", 0.0):
        pass


def test_only_regular_files_of_a_limited_size_are_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert files.read_file(path, 5) == b"12345"
    for refused in (path, Path("/dev/zero"), tmp_path, tmp_path / "none", Path("a\0b")):
        with pytest.raises(OSError, match=r".") as caught:
            files.read_file(refused, 4)
        assert caught.value.filename == str(refused)


@pytest.mark.skipif(sys.platform == "win32", reason="folders cannot be locked there")
@pytest.mark.parametrize("writer", ["write_atomically", "replaced", "atomic_directory"])
def test_what_a_killed_process_left_is_removed_by_the_next_and_nothing_else(tmp_path: Path, writer: str) -> None:
    path = tmp_path / "out [1].bin"
    for text in ("a", "b"):
        path.with_name(f".out [1].bin.{text}.tmp").touch()  # not of hatframe
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from hatframe import files\n"
        "def wait(*_):\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(60)\n"
        "path = Path(sys.argv[1])\n"
        "if sys.argv[2] == 'write_atomically':\n"
        "    Path.replace = wait\n"
        "    files.write_atomically(path, b'1')\n"
        "else:\n"
        "    with getattr(files, sys.argv[2])(path): wait()\n"
    )
    others = set(tmp_path.iterdir())
    with subprocess.Popen([sys.executable, "-c", code, path, writer], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        (left,) = set(tmp_path.iterdir()) - others
        for each in tmp_path.iterdir():
            os.utime(each, (0, 0))
        files.write_atomically(path, b"2")
        assert left.exists(), "its owner lives"
        process.kill()
        process.wait()
        files.write_atomically(path, b"3")
    assert set(tmp_path.iterdir()) == {*others, path}
    assert path.read_bytes() == b"3"
