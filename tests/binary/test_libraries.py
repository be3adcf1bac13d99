"""The content of a library file gives its kind, format and processor."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_packages import compiler

from hatframe.binary.libraries import LibraryKind, content_digest, extract_objects, identify, read_header
from hatframe.binary.symbols import read_symbols
from hatframe.errors import PackageError
from hatframe.machine import Platform

SOURCE = "int twice(int x) { return 2 * x; }\n"

# clang's name, and the platform. Compiling needs no SDK.
TARGETS = {
    "x86_64-linux-gnu": ("ELF", Platform(os="linux", architecture="x86_64"), "libx.so"),
    "aarch64-linux-gnu": ("ELF", Platform(os="linux", architecture="aarch64"), "libx.so"),
    "i686-linux-gnu": ("ELF", Platform(os="linux", architecture="x86"), "libx.so"),
    "armv7-linux-gnueabihf": ("ELF", Platform(os="linux", architecture="arm"), "libx.so"),
    "riscv64-linux-gnu": ("ELF", Platform(os="linux", architecture="riscv64"), "libx.so"),
    "powerpc64le-linux-gnu": ("ELF", Platform(os="linux", architecture="ppc64le"), "libx.so"),
    "s390x-linux-gnu": ("ELF", Platform(os="linux", architecture="s390x"), "libx.so"),
    "x86_64-apple-macos12": ("Mach-O", Platform(os="macos", architecture="x86_64"), "libx.dylib"),
    "arm64-apple-macos12": ("Mach-O", Platform(os="macos", architecture="aarch64"), "libx.dylib"),
    "x86_64-pc-windows-msvc": ("PE", Platform(os="windows", architecture="x86_64"), "x.dll"),
    "i686-pc-windows-gnu": ("PE", Platform(os="windows", architecture="x86"), "x.dll"),
    "aarch64-pc-windows-msvc": ("PE", Platform(os="windows", architecture="aarch64"), "x.dll"),
}


def compiled(folder: Path, name: str = "twice.o", *flags: str, cc: str = "cc", source: str = SOURCE) -> Path:
    c_file = folder / "source.c"
    c_file.write_text(source)
    subprocess.run([compiler(cc), *flags, "-c", "-o", folder / name, c_file], check=True)
    return folder / name


def cross_compiled(folder: Path, target: str, name: str = "twice.o") -> Path:
    return compiled(folder, name, f"--target={target}", cc="clang")


def archived(archive: Path, *objects: Path) -> Path:
    subprocess.run([shutil.which("llvm-ar") or compiler("ar"), "rcs", archive, *objects], check=True)
    return archive


def universal(path: Path, *slices: Path) -> Path:
    """A universal file as Apple's lipo makes it."""
    entries, body = b"", b""
    start = 4096
    for part in slices:
        data = part.read_bytes()
        processor = 0x0100000C if b"arm64" in part.name.encode() else 0x01000007
        entries += struct.pack(">IIIII", processor, 0, start + len(body), len(data), 3)
        body += data
    header = struct.pack(">II", 0xCAFEBABE, len(slices)) + entries
    path.write_bytes(header.ljust(start, b"\0") + body)
    return path


@pytest.mark.parametrize("target", TARGETS)
def test_objects_and_archives_of_every_platform_are_identified(tmp_path: Path, target: str) -> None:
    format_, platform, name = TARGETS[target]
    library = identify(cross_compiled(tmp_path, target))
    assert (library.kind, library.format) == (LibraryKind.OBJECT, format_)
    assert library.architectures == {platform.architecture}
    assert library.dynamic_name("x") == name
    assert [name for name, (_, other, _) in TARGETS.items() if library.suits(other)] == [target]
    archive = identify(archived(tmp_path / "lib.a", library.path))
    assert (archive.kind, archive.format, archive.architectures, archive.others) == (
        LibraryKind.ARCHIVE,
        library.format,
        library.architectures,
        (),
    )


def test_libraries_and_programs_of_this_machine_are_identified(tmp_path: Path) -> None:
    host = Platform.host()
    source = tmp_path / "main.c"
    source.write_text(SOURCE + "int main(void) { return 0; }\n")
    for flags, kind in ((["-shared", "-fPIC"], LibraryKind.DYNAMIC), (["-no-pie"], LibraryKind.EXECUTABLE)):
        subprocess.run([compiler("gcc"), *flags, "-o", tmp_path / "made", source], check=True)
        library = identify(tmp_path / "made")
        assert library.kind is kind
        assert library.suits(host)
        assert not library.suits(Platform(os="windows", architecture=host.architecture))


def test_an_unknown_platform_suits(tmp_path: Path) -> None:
    library = identify(cross_compiled(tmp_path, "aarch64-linux-gnu"))
    assert library.suits(Platform(os="", architecture=""))
    assert library.suits(Platform(os="linux", architecture="an unheard-of processor"))
    assert not library.suits(Platform(os="", architecture="x86_64"))
    assert not library.suits(Platform(os="macos", architecture=""))


def test_a_universal_file_is_for_each_of_its_processors(tmp_path: Path) -> None:
    parts = [cross_compiled(tmp_path, f"{name}-apple-macos12", f"{name}.o") for name in ("x86_64", "arm64")]
    both = identify(universal(tmp_path / "both", *parts))
    assert (both.kind, both.format, both.architectures) == (LibraryKind.OBJECT, "Mach-O", {"x86_64", "aarch64"})
    archives = [archived(part.with_suffix(".a"), part) for part in parts]
    assert identify(universal(tmp_path / "both.a", *archives)).kind is LibraryKind.ARCHIVE
    java_class = tmp_path / "Main.class"
    java_class.write_bytes(bytes.fromhex("cafebabe0000003d") + b"\0" * 100)
    with pytest.raises(PackageError, match=r"Main\.class"):
        identify(java_class)


def test_an_import_library_is_identified(tmp_path: Path) -> None:
    # An entry as link.exe writes it: no section, but the name of a function and of the DLL.
    names = b"twice\0package.dll\0"
    entry = struct.pack("<HHHHIIHH", 0, 0xFFFF, 0, 0x8664, 0, len(names), 0, 4) + names
    (tmp_path / "entry.o").write_bytes(entry)
    subprocess.run([compiler("ar"), "rcS", tmp_path / "package.lib", tmp_path / "entry.o"], check=True)
    library = identify(tmp_path / "package.lib")
    assert (library.kind, library.architectures) == (LibraryKind.IMPORT, {"x86_64"})


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"just a text\n", "text"),
        ("Überlänge\n".encode(), "text"),
        (b"\x7fELF", "format"),
        (b"\x7fELF" + b"\0" * 100, "format"),
        (b"MZ" + b"\0" * 100, "format"),
        (bytes(range(256)), "format"),
        (b"!<arch>\njunk", "byte 8"),
    ],
)
def test_an_invalid_library_is_an_error_with_the_reason(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "package.a"
    path.write_bytes(data)
    with pytest.raises(PackageError, match=said) as caught:
        identify(path)
    assert str(path) in str(caught.value)


def test_a_missing_library_and_a_folder_are_errors(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=r"none\.a"):
        identify(tmp_path / "none.a")
    with pytest.raises(PackageError, match=re.escape(str(tmp_path))):
        identify(tmp_path)


@given(st.binary(max_size=200), st.sampled_from([b"", b"\x7fELF", b"MZ", b"\xca\xfe\xba\xbe\0\0\0\2", b"\x64\x86"]))
def test_junk_after_any_magic_is_not_an_error(data: bytes, magic: bytes) -> None:
    read_header(magic + data)


def test_an_archive_of_several_platforms_is_an_error(tmp_path: Path) -> None:
    one = cross_compiled(tmp_path, "x86_64-linux-gnu", "one.o")
    other = cross_compiled(tmp_path, "aarch64-linux-gnu", "other.o")
    with pytest.raises(PackageError, match=r"ELF for aarch64; ELF for x86_64"):
        identify(archived(tmp_path / "mixed.a", one, other))


def test_only_the_objects_of_an_archive_are_extracted(tmp_path: Path) -> None:
    first = compiled(tmp_path, "same.o")
    data = first.read_bytes()
    (tmp_path / "note.txt").write_text("it needs a runtime")
    (tmp_path / "sub").mkdir()
    second = compiled(tmp_path / "sub", "same.o", source="int thrice(int x) { return 3 * x; }\n")
    archive = tmp_path / "lib.a"
    subprocess.run([compiler("ar"), "qcs", archive, first, tmp_path / "note.txt", second], check=True)
    library = identify(archive)
    assert library.others == ("note.txt",)
    (tmp_path / "out").mkdir()
    extracted = [path.read_bytes() for path in extract_objects(library, tmp_path / "out")]
    assert extracted == [data, second.read_bytes()]


def test_an_archive_without_any_object_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("text")
    subprocess.run([compiler("ar"), "qcS", tmp_path / "lib.a", tmp_path / "note.txt"], check=True)
    with pytest.raises(PackageError, match=r"lib\.a"):
        identify(tmp_path / "lib.a")


def test_the_digest_of_a_thin_archive_covers_its_members(tmp_path: Path) -> None:
    member = compiled(tmp_path)
    archive = tmp_path / "thin.a"
    if subprocess.run([compiler("ar"), "rcT", archive, member], check=False, capture_output=True).returncode:
        pytest.skip("this ar does not make thin archives")
    before = content_digest(archive)
    data = bytearray(member.read_bytes())
    data[-1] ^= 1
    member.write_bytes(data)
    assert content_digest(archive) != before


def test_a_universal_file_whose_slices_overlap_is_damaged(tmp_path: Path) -> None:
    slices = [struct.pack(">IIIII", 0x01000007, 3, 8, 1 << 20, 0)] * 40
    path = tmp_path / "universal.a"
    path.write_bytes(struct.pack(">II", 0xCAFEBABE, len(slices)) + b"".join(slices) + bytes(1 << 20))
    for read in (identify, read_symbols):
        with pytest.raises(PackageError, match=r"universal\.a"):
            read(path)
