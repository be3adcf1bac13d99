"""Unpacking .zip files: what is refused, each made for real, and that nothing is written then."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from hatframe import files
from hatframe.errors import FormatError, HatError, OutsideError, PackageError
from hatframe.packages import unpacking
from hatframe.packages.unpacking import unpacked

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
    with pytest.raises(kind, match=message) as caught:
        unpacked(path)
    assert caught.value.where
    assert not [file for file in unpacking.PACKAGES.folder.rglob("[!.]*") if file.is_file()], "nothing is written"


def test_files_and_folders_are_unpacked_without_their_permissions(tmp_path: Path) -> None:
    path = zipped(
        tmp_path / "p.zip",
        (info("a.hat", stat.S_IFREG | 0o4777), b"one"),
        ("sub/deep/b.a", b"two" * 1000),
        (info("empty/", stat.S_IFDIR | 0o777), b""),
        ("none", b""),
    )
    folder = unpacked(path)
    found = {str(file.relative_to(folder)) for file in folder.rglob("*")}
    assert found == {"a.hat", "sub", "sub/deep", "sub/deep/b.a", "empty", "none"}
    assert (folder / "sub/deep/b.a").read_bytes() == b"two" * 1000
    assert not (folder / "a.hat").stat().st_mode & 0o7111


@pytest.mark.parametrize("name", ["../a.hat", "a/../../b", "/etc/a", "C:/a", "C:a", ".."])
def test_names_that_leave_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    refused(zipped(tmp_path / "p.zip", (name, b"x")), OutsideError, re.escape(repr(name)))


@pytest.mark.parametrize(
    "name", ["a\\b", "..\\b", "a\nb", "a\x1b[2Jb", "a//b", "./a", "ab:stream", "nul.hat", "a./b", "a "]
)
def test_names_that_are_invalid_on_some_system_are_refused(tmp_path: Path, name: str) -> None:
    refused(zipped(tmp_path / "p.zip", (name, b"x")), PackageError, re.escape(repr(name)))


def test_a_name_with_a_nul_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "p.zip", ("a.hatXb", b"x"))
    path.write_bytes(path.read_bytes().replace(b"a.hatXb", b"a.hat\0b"))
    refused(path, PackageError, r"a\.hat\\x00b")


def test_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "p.zip", (info("a", stat.S_IFLNK | 0o777), b"/etc/passwd"))
    refused(path, PackageError, "link")


@pytest.mark.parametrize(
    ("names", "clash"),
    [
        (("a.hat", "A.hat"), "'a.hat' and 'A.hat'"),
        (("dir/a", "DIR/b"), "'dir/' and 'DIR/'"),
        (("stra\u00dfe", "strasse"), "'stra\u00dfe' and 'strasse'"),
        ((NFC, NFD), f"{NFC!r} and {NFD!r}"),
        (("a", "a/b"), "'a'"),
        (("a/b", "a"), "'a'"),
        (("a/", "a"), "'a'"),
    ],
)
def test_names_that_clash_are_refused(tmp_path: Path, names: tuple[str, ...], clash: str) -> None:
    refused(zipped(tmp_path / "p.zip", *((name, b"") for name in names)), PackageError, clash)


def test_a_repeated_name_is_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        path = zipped(tmp_path / "p.zip", ("a", b"1"), ("a", b"2"))
    refused(path, PackageError, "'a'")


def test_encrypted_entries_and_rare_compressions_are_refused(tmp_path: Path) -> None:
    path = changed(zipped(tmp_path / "p.zip", ("a", b"x")), offset=8, data=b"\1\0")
    refused(path, PackageError, "'a'.*password")
    refused(zipped(path, ("a", b"x"), method=zipfile.ZIP_BZIP2), PackageError, "method 12")
    refused(zipped(path, ("a", b"x"), method=zipfile.ZIP_LZMA), PackageError, "method 14")


# ----------------------------------------------------------------------------------------------------- damage


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\3\4" + b"x" * 100, b"PK\5\6" + b"\xff" * 18])
def test_a_file_that_is_not_a_zip_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "p.zip"
    path.write_bytes(content)
    refused(path, FormatError, r"p\.zip")


def test_a_path_that_is_not_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"\.zip"):
        unpacked(tmp_path / "p.zip")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.zip")
        with pytest.raises(FormatError, match=r"\.zip"):
            unpacked(tmp_path / "pipe.zip")


@pytest.mark.parametrize("position", [0.3, 0.5, 0.7, 0.9])
def test_a_truncated_file_is_refused(tmp_path: Path, position: float) -> None:
    path = zipped(tmp_path / "p.zip", ("a", os.urandom(1000)), ("b", os.urandom(1000)))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * position)])
    refused(path, FormatError, r"p\.zip")


def test_a_flipped_byte_is_refused_or_harmless(tmp_path: Path) -> None:
    path = zipped(tmp_path / "p.zip", ("a.hat", b"some text"), ("d/b", b"more" * 20))
    whole = path.read_bytes()
    for position in range(len(whole)):
        raw = bytearray(whole)
        raw[position] ^= 0xFF
        path.write_bytes(raw)
        with contextlib.suppress(HatError):
            folder = unpacked(path)
            kept = sorted(file.read_bytes() for file in folder.rglob("*") if file.is_file())
            assert kept in ([b"more" * 20, b"some text"], [b"some text"], [b"more" * 20], [])


def test_a_wrong_checksum_is_refused(tmp_path: Path) -> None:
    path = changed(zipped(tmp_path / "p.zip", ("a", b"x" * 50)), offset=16, data=b"\0\0\0\0")
    refused(path, FormatError, "Bad CRC")


# ------------------------------------------------------------------------------------------------------ bombs


def test_a_small_file_may_pack_very_well(tmp_path: Path) -> None:
    folder = unpacked(zipped(tmp_path / "p.zip", ("a", bytes(1 << 20))))
    assert (folder / "a").stat().st_size == 1 << 20


def test_more_bytes_than_a_package_has_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zipped(tmp_path / "p.zip", ("a", os.urandom(900)), ("b", os.urandom(200)))
    monkeypatch.setattr(unpacking, "MOST_BYTES", 1000)
    refused(path, PackageError, "1100 .* 1000")
    path = changed(zipped(path, ("a", b"x")), offset=24, data=b"\xfe\xff\xff\xff")
    refused(path, PackageError, "4294967294")


def test_too_many_entries_are_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "p.zip", *((f"{number}", b"") for number in range(unpacking.MOST_ENTRIES + 1)))
    refused(path, PackageError, "10001 .* 10000")


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


@pytest.mark.parametrize("change", [spoiled, incomplete, more])
def test_a_changed_folder_is_unpacked_again(tmp_path: Path, change: Callable[[Path], None]) -> None:
    path = zipped(tmp_path / "p.zip", ("a", b"1"), ("sub/b", b"2"))
    folder = unpacked(path)
    change(folder)
    assert unpacked(path) == folder
    found = {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    assert found == {"a": b"1", "sub/b": b"2"}


def test_an_unwritable_cache_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("HATFRAME_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(HatError, match="HATFRAME_CACHE_DIR"):
        unpacked(zipped(tmp_path / "p.zip", ("a", b"1")))
