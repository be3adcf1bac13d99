"""Archives of all kinds are read, and damaged ones are errors."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_packages import compiler

from hatframe.binary.archives import MOST_THIN_BYTES, is_archive, members
from hatframe.errors import PackageError

PATH = Path("lib.a")


def entry(name: bytes, data: bytes) -> bytes:
    header = b"%-16s%-12d%-6d%-6d%-8o%-10d`\n" % (name, 0, 0, 0, 0o644, len(data))
    return header + data + b"\n" * (len(data) % 2)


def bsd(contents: list[tuple[bytes, bytes]]) -> bytes:
    table = entry(b"#1/20", b"__.SYMDEF SORTED\0\0\0\0" + b"\0" * 8)
    long = (entry(b"#1/%d" % len(name), name + data) for name, data in contents)
    return b"!<arch>\n" + table + b"".join(long)


def gnu(contents: list[tuple[bytes, bytes]], end: bytes = b"/\n") -> bytes:
    names, entries = b"", b""
    for name, data in contents:
        entries += entry(b"/%d" % len(names), data)
        names += name + end
    return b"!<arch>\n" + entry(b"/", b"\0" * 4) + entry(b"//", names) + entries


def contents_of(data: bytes) -> list[tuple[bytes, bytes]]:
    return [(member.name.encode("utf-8", "surrogateescape"), member.data) for member in members(data, PATH)]


names = st.binary(min_size=1, max_size=60).filter(
    lambda name: not set(name) & {0, 10, 47} and not name.startswith(b"__.SYMDEF")
)
contents = st.lists(st.tuples(names, st.binary(max_size=80)), max_size=6)


@given(contents)
def test_long_names_of_gnu_bsd_and_microsoft_are_read(contents: list[tuple[bytes, bytes]]) -> None:
    assert contents_of(gnu(contents)) == contents
    assert contents_of(gnu(contents, end=b"\0")) == contents
    assert contents_of(bsd(contents)) == contents


@given(st.binary(max_size=300))
def test_junk_after_the_magic_raises_only_package_errors(data: bytes) -> None:
    for magic in (b"!<arch>\n", b"!<thin>\n"):
        with contextlib.suppress(PackageError):
            list(members(magic + data, PATH))


@given(contents.filter(len), st.data())
def test_a_truncated_archive_is_an_error_unless_it_ends_between_members(
    contents: list[tuple[bytes, bytes]], data: st.DataObject
) -> None:
    whole = bsd(contents)
    cut = data.draw(st.integers(8, len(whole) - 2))
    try:
        found = contents_of(whole[:cut])
    except PackageError:
        return
    assert found == contents[: len(found)]


@pytest.mark.parametrize("options", ["rcs", "rcsD", "rcS", "qcs"])
def test_archives_of_the_systems_ar_are_read(tmp_path: Path, options: str) -> None:
    names = ["a.o", "a name with spaces.o", "a-name-of-more-than-sixteen-characters.o", "odd.o"]
    for index, name in enumerate(names):
        (tmp_path / name).write_bytes(b"x" * index)
    archive = tmp_path / "lib.a"
    subprocess.run([compiler("ar"), options, archive, *names], check=True, cwd=tmp_path)
    data = archive.read_bytes()
    assert is_archive(data)
    assert contents_of(data) == [(name.encode(), b"x" * index) for index, name in enumerate(names)]


def test_the_members_of_a_thin_archive_are_read_from_their_files(tmp_path: Path) -> None:
    (tmp_path / "objects").mkdir()
    for name in ("one.o", "another with a longer name.o"):
        (tmp_path / "objects" / name).write_bytes(name.encode())
    archive = tmp_path / "thin.a"
    found = sorted((tmp_path / "objects").iterdir())
    made = subprocess.run([compiler("ar"), "rcT", archive, *found], check=False, capture_output=True)
    if made.returncode:
        pytest.skip("this ar does not make thin archives")
    listed = list(members(archive.read_bytes(), archive))
    assert [member.data for member in listed] == [path.name.encode() for path in found]
    found[0].unlink()
    with pytest.raises(PackageError, match=found[0].name):
        list(members(archive.read_bytes(), archive))


def test_a_thin_archive_that_names_a_large_file_many_times_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "large.o").open("wb") as file:
        file.truncate(MOST_THIN_BYTES // 2 + 1)
    header = b"/0".ljust(16) + b"0".ljust(12) + b"0".ljust(6) + b"0".ljust(6) + b"644".ljust(8)
    member = header + str(MOST_THIN_BYTES // 2 + 1).encode().ljust(10) + b"`\n"
    names = b"//".ljust(48) + b"10".ljust(10) + b"`\nlarge.o/\n\n"
    path = tmp_path / "thin.a"
    path.write_bytes(b"!<thin>\n" + names + 3 * member)
    with pytest.raises(PackageError, match=r"large\.o"):
        for _ in members(path.read_bytes(), path):
            pass
