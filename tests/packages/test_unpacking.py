"""Unpacking .zip files: what is refused, each made for real, and that nothing is written then."""

from __future__ import annotations

import os
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from hatframe import files
from hatframe.errors import FormatError, HatError, OutsideError, PackageError
from hatframe.packages import unpacking
from hatframe.packages.unpacking import unpack, unpacked

NFC, NFD = "caf\u00e9.hat", unicodedata.normalize("NFD", "caf\u00e9.hat")


def zipped(path: Path, *entries: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return path


def info(name: str, mode: int) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name)
    made.external_attr = mode << 16
    made.create_system = 3
    return made


def changed(path: Path, *, offset: int, data: bytes, both: bool = True) -> Path:
    """Write over what the list of entries says of the first entry, and (26 bytes less, from 4 on) its own header."""
    raw = bytearray(path.read_bytes())
    central = raw.index(b"PK\1\2")
    raw[central + offset : central + offset + len(data)] = data
    if both:
        raw[offset - 2 : offset - 2 + len(data)] = data
    path.write_bytes(raw)
    return path


def refused(path: Path, kind: type[HatError], message: str) -> None:
    folder = path.parent / "unpacked"
    with pytest.raises(kind, match=message) as caught:
        unpack(path, folder)
    assert caught.value.where
    assert sorted(path.parent.iterdir()) == [path], "nothing is written"


def test_files_and_folders_are_unpacked_without_their_permissions(tmp_path: Path) -> None:
    path = zipped(
        tmp_path / "p.zip",
        (info("a.hat", stat.S_IFREG | 0o4777), b"one"),
        ("sub/deep/b.a", b"two" * 1000),
        (info("empty/", stat.S_IFDIR | 0o777), b""),
        ("none", b""),
    )
    unpack(path, tmp_path / "to")
    found = {str(file.relative_to(tmp_path / "to")) for file in (tmp_path / "to").rglob("*")}
    assert found == {"a.hat", "sub", "sub/deep", "sub/deep/b.a", "empty", "none"}
    assert (tmp_path / "to/sub/deep/b.a").read_bytes() == b"two" * 1000
    assert not (tmp_path / "to/a.hat").stat().st_mode & 0o7111
    with pytest.raises(PackageError, match="not empty"):
        unpack(path, tmp_path / "to")


@pytest.mark.parametrize("name", ["../a.hat", "a/../../b", "/etc/a", "C:/a", "C:a", ".."])
def test_names_that_leave_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    refused(zipped(tmp_path / "p.zip", (name, b"x")), OutsideError, "would be written outside")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a\\b", "backslash"),
        ("..\\b", "backslash"),
        ("a\nb", "control characters"),
        ("a\x1b[2Jb", "control characters"),
        ("a//b", "no plain path"),
        ("./a", "no plain path"),
        ("ab:stream", "something else on Windows"),
        ("nul.hat", "something else on Windows"),
        ("a./b", "something else on Windows"),
        ("a ", "something else on Windows"),
        ("n" * 256, "longer than 255"),
        ("é" * 128, "longer than 255"),
        ("/".join("d" * 17), "deeper than 16"),
        ("/".join(["d" * 200] * 6), "longer than 1024"),
    ],
)
def test_names_that_are_no_plain_ones_are_refused(tmp_path: Path, name: str, message: str) -> None:
    refused(zipped(tmp_path / "p.zip", (name, b"x")), PackageError, message)


def test_a_name_that_ends_at_a_nul_for_some_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "p.zip", ("a.hatXb", b"x"))
    path.write_bytes(path.read_bytes().replace(b"a.hatXb", b"a.hat\0b"))
    refused(path, PackageError, "control characters")


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        (stat.S_IFLNK | 0o777, "symbolic link"),
        (stat.S_IFIFO, "neither a file nor a folder"),
        (stat.S_IFCHR, "neither a file nor a folder"),
        (stat.S_IFSOCK, "neither a file nor a folder"),
        (stat.S_IFDIR, "file and a folder at once"),
    ],
)
def test_what_is_no_plain_file_is_refused(tmp_path: Path, mode: int, message: str) -> None:
    refused(zipped(tmp_path / "p.zip", (info("a", mode), b"/etc/passwd")), PackageError, message)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("a.hat", "A.hat"), "one name on some systems"),
        (("dir/a", "DIR/b"), "one name on some systems"),
        (("stra\u00dfe", "strasse"), "one name on some systems"),
        ((NFC, NFD), "one name on some systems"),
        (("a", "a/b"), "both a file and a folder"),
        (("a/b", "a"), "both a file and a folder"),
        (("a/", "a"), "both a file and a folder"),
    ],
)
def test_names_that_clash_are_refused(tmp_path: Path, names: tuple[str, ...], message: str) -> None:
    refused(zipped(tmp_path / "p.zip", *((name, b"") for name in names)), PackageError, message)


def test_a_name_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        path = zipped(tmp_path / "p.zip", ("a", b"1"), ("a", b"2"))
    refused(path, PackageError, "there twice")


def test_encrypted_entries_and_rare_compressions_are_refused(tmp_path: Path) -> None:
    path = changed(zipped(tmp_path / "p.zip", ("a", b"x")), offset=8, data=b"\1\0")
    refused(path, PackageError, "encrypted")
    refused(zipped(path, ("a", b"x"), method=zipfile.ZIP_BZIP2), PackageError, "compressed by method 12")
    refused(zipped(path, ("a", b"x"), method=zipfile.ZIP_LZMA), PackageError, "compressed by method 14")


def test_a_folder_with_content_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "p.zip", ("aX", b"hidden"))
    path.write_bytes(path.read_bytes().replace(b"aX", b"a/"))
    refused(path, PackageError, "file and a folder at once")


# ----------------------------------------------------------------------------------------------------- damage


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\3\4" + b"x" * 100, b"PK\5\6" + b"\xff" * 18])
def test_what_is_no_zip_file_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "p.zip"
    path.write_bytes(content)
    refused(path, FormatError, "no .zip file|damaged")


def test_what_is_not_there_or_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="no such file"):
        unpack(tmp_path / "p.zip", tmp_path / "to")
    with pytest.raises(FormatError, match="folder"):
        unpack(tmp_path, tmp_path / "to")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.zip")
        with pytest.raises(FormatError, match="no file"):
            unpack(tmp_path / "pipe.zip", tmp_path / "to")


@pytest.mark.parametrize("position", [0.3, 0.5, 0.7, 0.9])
def test_a_file_that_was_cut_off_is_told(tmp_path: Path, position: float) -> None:
    path = zipped(tmp_path / "p.zip", ("a", os.urandom(1000)), ("b", os.urandom(1000)))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * position)])
    refused(path, FormatError, "no .zip file|damaged")


def test_every_byte_that_is_flipped_is_told_or_does_no_harm(tmp_path: Path) -> None:
    path = zipped(tmp_path / "p.zip", ("a.hat", b"some text"), ("d/b", b"more" * 20))
    whole = path.read_bytes()
    for position in range(len(whole)):
        raw = bytearray(whole)
        raw[position] ^= 0xFF
        path.write_bytes(raw)
        folder = tmp_path / f"{position}"
        try:
            unpack(path, folder)
        except HatError:
            assert not folder.exists()
        else:
            kept = sorted(file.read_bytes() for file in folder.rglob("*") if file.is_file())
            assert kept in ([b"more" * 20, b"some text"], [b"some text"], [b"more" * 20], [])
    assert {entry.name for entry in tmp_path.iterdir() if not entry.name.isdigit()} == {"p.zip"}


def test_a_wrong_checksum_is_told(tmp_path: Path) -> None:
    path = changed(zipped(tmp_path / "p.zip", ("a", b"x" * 50)), offset=16, data=b"\0\0\0\0")
    refused(path, FormatError, "damaged: Bad CRC")


def test_an_entry_that_declares_more_than_it_holds_is_told(tmp_path: Path) -> None:
    path = changed(zipped(tmp_path / "p.zip", ("a", b"x" * 50)), offset=24, data=struct.pack("<I", 60))
    refused(path, FormatError, "not of the size that it says")


def test_unpacking_stops_at_the_declared_size(tmp_path: Path) -> None:
    """The checksum is right for what is declared, and a megabyte follows."""
    path = zipped(tmp_path / "p.zip", ("a", b"x" * 10_000_000))
    changed(path, offset=24, data=struct.pack("<I", 50))
    changed(path, offset=16, data=struct.pack("<I", zlib.crc32(b"x" * 50)))
    unpack(path, tmp_path / "to")
    assert (tmp_path / "to/a").read_bytes() == b"x" * 50


# ------------------------------------------------------------------------------------------------------ bombs


def test_a_bomb_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    path = zipped(tmp_path / "p.zip", ("a", bytes(20 << 20)))
    assert path.stat().st_size < 30_000
    refused(path, PackageError, "it is a bomb")


def test_a_small_file_may_pack_very_well(tmp_path: Path) -> None:
    unpack(zipped(tmp_path / "p.zip", ("a", bytes(1 << 20))), tmp_path / "to")
    assert (tmp_path / "to/a").stat().st_size == 1 << 20


def test_more_than_a_package_holds_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zipped(tmp_path / "p.zip", ("a", os.urandom(900)), ("b", os.urandom(200)))
    monkeypatch.setattr(unpacking, "MOST_BYTES", 1000)
    refused(path, PackageError, "1100 bytes, and 1000 at most")
    path = changed(zipped(path, ("a", b"x")), offset=24, data=b"\xfe\xff\xff\xff")
    refused(path, PackageError, "4294967294 bytes")


def test_too_many_entries_are_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "p.zip", *((f"{number}", b"") for number in range(unpacking.MOST_ENTRIES + 1)))
    refused(path, PackageError, "10001 files, and 10000 at most")


def test_a_list_of_entries_that_would_fill_the_memory_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = zipped(tmp_path / "p.zip", *((f"{number}", b"") for number in range(100)))
    monkeypatch.setattr(unpacking, "_LARGEST_READ", 1000)
    refused(path, PackageError, "more than 10000 files")


@pytest.mark.parametrize("quoted", [False, True])
def test_entries_that_share_their_bytes_are_refused(tmp_path: Path, quoted: bool) -> None:
    """As Fifield's bombs do: one after the other, or one whose content begins with the header of the next."""
    path = tmp_path / "p.zip"
    inner = zipped(tmp_path / "inner", ("b", b"x" * 100), method=zipfile.ZIP_STORED).read_bytes()
    local, central = inner[: inner.index(b"PK\1\2")], inner[inner.index(b"PK\1\2") : inner.index(b"PK\5\6")]
    if quoted:
        outer = zipped(tmp_path / "outer", ("a", local), method=zipfile.ZIP_STORED).read_bytes()
        body, first = outer[: outer.index(b"PK\1\2")], outer[outer.index(b"PK\1\2") : outer.index(b"PK\5\6")]
        second = central[:42] + struct.pack("<I", body.index(local)) + central[46:]
        (tmp_path / "outer").unlink()
    else:
        body, first = local, central
        second = central
    listed = first + second
    end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 2, 2, len(listed), len(body), 0)
    path.write_bytes(body + listed + end)
    (tmp_path / "inner").unlink()
    refused(path, PackageError, "lies within another entry" if quoted else "there twice")


# ------------------------------------------------------------------------------------------------ in the cache


def test_the_same_content_is_unpacked_once(tmp_path: Path) -> None:
    first = zipped(tmp_path / "p.zip", ("a", b"1"), ("sub/b", b"2"))
    second = tmp_path / "other name.zip"
    second.write_bytes(first.read_bytes())
    folder = unpacked(first)
    before = (folder / "a").stat().st_mtime_ns
    assert unpacked(second) == folder
    assert folder.is_relative_to(files.cache_folder())
    assert (folder / "a").stat().st_mtime_ns == before
    assert unpacked(zipped(second, ("a", b"2"))) != folder


def spoiled(folder: Path) -> None:
    (folder / "a").write_bytes(b"3")


def incomplete(folder: Path) -> None:
    (folder / "sub" / "b").unlink()


def more(folder: Path) -> None:
    (folder / "c.hat").write_bytes(b"")


def linked(folder: Path) -> None:
    (folder.parent / "same").write_bytes(b"1")
    (folder / "a").unlink()
    (folder / "a").symlink_to(folder.parent / "same")


@pytest.mark.parametrize("change", [spoiled, incomplete, more, linked])
def test_what_is_no_longer_as_in_the_file_is_unpacked_anew(tmp_path: Path, change: Callable[[Path], None]) -> None:
    path = zipped(tmp_path / "p.zip", ("a", b"1"), ("sub/b", b"2"))
    folder = unpacked(path)
    change(folder)
    assert unpacked(path) == folder
    found = {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    assert found == {"a": b"1", "sub/b": b"2"}
    assert not (folder / "a").is_symlink()


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("HATFRAME_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(HatError, match="set HATFRAME_CACHE_DIR"):
        unpacked(zipped(tmp_path / "p.zip", ("a", b"1")))
