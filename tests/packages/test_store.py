"""What is kept: all of it is seen, only that is removed, and nothing that a process uses."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sample_packages import element, function, make_package

import hatframe.bench.checkpoint
import hatframe.calling.timers
import hatframe.converting.cached  # noqa: F401
from hatframe import Kernel, files
from hatframe.backends import Observer
from hatframe.errors import UsageError
from hatframe.packages import store as cache
from hatframe.packages.packing import pack
from hatframe.packages.unpacking import unpacked
from hatframe.results.model import FunctionResult

KEY = "0123456789abcdef" * 2
OLD = time.time() - 90_000
NEXT = function(element("x"), returns=element("", "int", "output", "int"))


def age(path: Path, when: float = OLD) -> None:
    for file in [path, *path.rglob("*")]:
        os.utime(file, (when, when))


def write(path: Path, data: bytes = b"data") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.fixture
def all_kinds() -> dict[str, Path]:
    """One thing of each kind, as hatframe names it, not used for a day."""
    kept, state = files.cache_folder(), files.state_folder()
    for name in ("h/timestamp", "o/1/x.o", "z/1", "tmp/1"):
        write(kept / "compilers" / "zig" / name)
    write(kept / "libraries" / KEY / "p.so")
    write(kept / "timers" / KEY / "loop.so")
    write(kept / "packages" / KEY / "sub" / "p.hat")
    write(state / "runs" / f"{KEY}.json")
    age(kept)
    age(state)
    return {
        "libraries": kept / "libraries" / KEY,
        "timers": kept / "timers" / KEY,
        "packages": kept / "packages" / KEY,
        "compilers": kept / "compilers" / "zig",
        "runs": state / "runs" / f"{KEY}.json",
    }


@pytest.fixture
def elsewhere() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that are ended with the test."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


def hold(elsewhere: list[subprocess.Popen[str]], what: str, path: Path) -> subprocess.Popen[str]:
    """Hold ``files.locked`` or ``files.in_use`` of a path in another process."""
    code = (
        "import sys; from pathlib import Path; from hatframe import files\n"
        f"with files.{what}(Path(sys.argv[1])):\n    print('held', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    elsewhere.append(process)
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


def test_entries_have_a_size_and_an_age(all_kinds: dict[str, Path]) -> None:
    kept = cache.kept()
    assert {entry.kind: entry.path for entry in kept} == all_kinds
    assert {entry.kind: entry.size for entry in kept} == {
        "compilers": 16, "libraries": 4, "packages": 4, "timers": 4, "runs": 4
    }  # fmt: skip
    assert all(89_999 <= entry.age < 93_600 for entry in kept)
    assert [entry.kind for entry in cache.kept(["runs", "timers"])] == ["timers", "runs"]
    with pytest.raises(UsageError, match=r"'none'.*libraries"):
        cache.kept(["none"])


def test_nothing_is_kept_at_first() -> None:
    assert cache.kept() == []
    assert cache.clear() == cache.Cleared()


def test_what_can_be_made_again_is_cleared_and_the_rest_by_name(all_kinds: dict[str, Path]) -> None:
    cleared = cache.clear()
    assert [entry.kind for entry in cleared.removed] == ["compilers", "libraries", "packages", "timers"]
    assert cleared.left == ()
    assert {entry.kind for entry in cache.kept()} == {"runs"}
    assert [entry.kind for entry in cache.clear(["runs"]).removed] == ["runs"]
    assert not all_kinds["runs"].exists()
    assert not any(path.is_file() for path in files.cache_folder().rglob("*"))


def test_only_what_is_old_enough_is_cleared(all_kinds: dict[str, Path]) -> None:
    os.utime(all_kinds["timers"] / "loop.so")
    assert cache.clear(older_than=100_000).removed == ()
    assert "timers" not in {entry.kind for entry in cache.clear(older_than=80_000).removed}
    assert all_kinds["timers"].exists()


@pytest.mark.slow
def test_all_that_a_benchmark_leaves_is_known(tmp_path: Path) -> None:
    hat = make_package(tmp_path / "in", "int next(int x) { return x + 1; }", {"next": NEXT}, static=True)
    archive = pack(hat, tmp_path / "p.zip").path
    Kernel().bench(archive, max_time=0.01, batches=1, input_sets_size=64)
    known = [entry.path for entry in cache.kept()]
    for root in (files.cache_folder(), files.state_folder()):
        for file in root.rglob("*"):
            if not file.is_dir() and file.name != ".secret":
                assert any(file.is_relative_to(path) for path in known), file
    assert {entry.kind for entry in cache.clear().removed} >= {"libraries", "packages"}
    assert not cache.kept(["libraries", "packages", "timers"])
    Kernel().bench(archive, max_time=0.01, batches=1, input_sets_size=64)


# ------------------------------------------------------------------------------------------- what is not touched


def test_other_files_are_not_touched(all_kinds: dict[str, Path]) -> None:
    """As where HATFRAME_CACHE_DIR is a home folder."""
    kept, state = files.cache_folder(), files.state_folder()
    mine = [
        write(kept / "letter.txt"),
        write(kept / "libraries" / "glibc" / "malloc.c"),
        write(kept / "libraries" / f"{KEY}.txt"),
        write(kept / "timers" / "egg.so"),
        write(kept / "packages" / "numpy" / "setup.py"),
        write(kept / "source" / "compilers" / "zig" / "h" / "x"),
        write(kept / "h" / "x"),
        write(kept / "code" / "h" / "x"),
        write(kept / "code" / "o" / "x"),
        write(kept / "code" / "z" / "x"),
        write(kept / "code" / "tmp" / "x"),
        write(kept / "code" / "main.c"),
        write(state / "runs" / "marathon.json"),
    ]
    age(kept)
    age(state)
    cleared = cache.clear([kind.name for kind in cache.buckets()])
    assert {entry.path for entry in cleared.removed} == set(all_kinds.values())
    assert cleared.left == ()
    assert all(path.exists() for path in mine)


def test_no_link_is_followed(all_kinds: dict[str, Path], tmp_path: Path) -> None:
    mine = write(tmp_path / "mine" / "sub" / KEY / "letter.txt")
    write(mine.parent / "p.so")
    kept = files.cache_folder()
    (kept / "libraries" / KEY[::-1]).symlink_to(mine.parent)
    (kept / "packages" / KEY[::-1]).symlink_to(mine.parent)
    (all_kinds["packages"] / "link").symlink_to(mine.parent)
    (all_kinds["libraries"] / "link").symlink_to(mine)
    (all_kinds["timers"] / "loop.so").unlink()
    all_kinds["timers"].rmdir()
    (kept / "timers").rmdir()
    (kept / "timers").symlink_to(mine.parent.parent)
    cache.clear([kind.name for kind in cache.buckets()])
    assert mine.exists()
    assert (mine.parent / "p.so").exists()
    assert not all_kinds["packages"].exists()


# --------------------------------------------------------------------------------------------- what is in use


def test_what_is_locked_is_left(all_kinds: dict[str, Path], elsewhere: list[subprocess.Popen[str]]) -> None:
    hold(elsewhere, "locked", all_kinds["timers"])
    hold(elsewhere, "locked", all_kinds["libraries"])
    hold(elsewhere, "locked", all_kinds["packages"])
    cleared = cache.clear()
    assert [(left.kept.kind, left.reason) for left in cleared.left] == [
        (kind, "another process holds its lock") for kind in ("libraries", "packages", "timers")
    ]
    assert all(all_kinds[kind].exists() for kind in ("libraries", "timers", "packages"))
    assert not all_kinds["compilers"].exists()


def test_a_package_in_use_is_left_until_its_process_ends(
    all_kinds: dict[str, Path], elsewhere: list[subprocess.Popen[str]]
) -> None:
    users = [hold(elsewhere, "in_use", all_kinds["packages"]) for _ in range(2)]
    assert [left.reason for left in cache.clear(["packages"]).left] == ["another process uses it"]
    users[0].communicate("")
    assert [left.reason for left in cache.clear(["packages"]).left] == ["another process uses it"]
    users[1].kill()
    users[1].wait()
    assert cache.clear(["packages"]).left == ()
    assert not all_kinds["packages"].exists()


def test_a_benchmark_keeps_its_package(tmp_path: Path) -> None:
    hat = make_package(tmp_path / "in", "int next(int x) { return x + 1; }", {"next": NEXT})
    archive = pack(hat, tmp_path / "p.zip").path
    reasons: list[str] = []

    class Clearing(Observer):
        def function_finished(self, result: FunctionResult) -> None:
            reasons.extend(left.reason for left in cache.clear(["packages"]).left)

    Kernel().bench(archive, max_time=0.01, batches=1, input_sets_size=64, observers=Clearing())
    assert reasons == ["another process uses it"]
    assert len(cache.clear(["packages"]).removed) == 1


def test_what_is_being_written_is_left(all_kinds: dict[str, Path]) -> None:
    other = write(files.cache_folder() / "timers" / f".{KEY}.abc.tmp")
    os.utime(write(all_kinds["compilers"] / "tmp" / "2"))
    reasons = {left.kept.path: left.reason for left in cache.clear().left}
    assert reasons == {
        other: "being written",
        all_kinds["compilers"]: "being written",
    }
    age(files.cache_folder())
    assert cache.clear().left == ()
    assert not other.exists()


def test_a_module_registers_what_it_keeps() -> None:
    code = (
        "import os\n"
        "from hatframe.packages.store import Bucket, buckets, clear\n"
        "bucket = Bucket(name='plans', summary='plans of a plugin', pattern=r'\\w+[.]plan')\n"
        "bucket.folder.mkdir(parents=True)\n"
        "for name in ('a.plan', 'letter.txt'): (bucket.folder / name).write_text('x')\n"
        "assert bucket in buckets()\n"
        "print([entry.path.name for entry in clear(['plans']).removed], *os.listdir(bucket.folder))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "['a.plan'] letter.txt\n"


def test_what_was_cleared_is_unpacked_again(tmp_path: Path) -> None:
    hat = make_package(tmp_path / "in", "int next(int x) { return x + 1; }", {"next": NEXT})
    archive = pack(hat, tmp_path / "p.zip").path
    folder = unpacked(archive)
    cache.clear()
    assert not folder.exists()
    assert unpacked(archive) == folder
    assert sorted(path.name for path in folder.iterdir()) == ["package.hat", "package.so"]


@pytest.mark.parametrize("damage", ["cut", "other", "empty", "no seal", "other seal"])
def test_a_damaged_file_is_made_again_with_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    made = []

    def make() -> bytes:
        made.append(1)
        return b"content" * 1000

    def use() -> Path:
        return cache.cached_file(tmp_path / "cache" / "kind", [b"a", b"b"], "file.so", make)

    path = use()
    assert use() == path
    assert len(made) == 1
    changed = {"cut": b"content" * 999, "other": b"Content" * 1000, "empty": b""}
    if damage in changed:
        path.write_bytes(changed[damage])
    elif damage == "no seal":
        path.with_name("seal").unlink()
    else:
        path.with_name("seal").write_bytes(b"0" * 128)
    assert use() == path
    assert path.read_bytes() == b"content" * 1000
    (message,) = caplog.messages
    assert str(path) in message
    assert use() == path
    assert len(made) == 2


def test_names_of_entries_differ_between_folders(tmp_path: Path) -> None:
    names = {cache.entry_name(tmp_path / kind, [b"a"]) for kind in ("one", "two", "one")}
    assert len(names) == 2
    assert cache.entry_name(tmp_path / "one", [b"ab", b""]) != cache.entry_name(tmp_path / "one", [b"a", b"b"])


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can make files of others")
def test_a_file_of_another_user_is_made_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def use() -> Path:
        return cache.cached_file(tmp_path / "cache" / "kind", [b"a"], "file.so", lambda: b"content")

    path = use()
    os.chown(path, 54321, 54321)
    assert use() == path
    assert path.stat().st_uid == os.geteuid()
    assert len(caplog.messages) == 1
