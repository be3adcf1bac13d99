"""Packing: which files go along, that they are the same package elsewhere, and what is refused."""

from __future__ import annotations

import ctypes
import os
import shutil
import stat
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sample_packages import compiler, document, element, function, hat_text, make_package

from hatframe.binary.libraries import content_digest
from hatframe.errors import HatError, OutsideError, PackageError, UsageError
from hatframe.format.reading import read_hat
from hatframe.packages.packing import pack

NEXT = function(element("x"), returns=element("", "int", "output", "int"))


def write(folder: Path, name: str = "p", library: str = "p.a", **dependencies: Any) -> Path:
    """A .hat file, without what it names."""
    folder.mkdir(parents=True, exist_ok=True)
    device = dependencies.pop("device_functions", None)
    table = document({name: NEXT}, library)
    table["dependencies"] |= dependencies
    if device:
        table["device_functions"] = device
    path = folder / f"{name}.hat"
    path.write_text(hat_text(table, name))
    return path


def tree(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()
    }


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode() * 3)


def targets(*names: str) -> list[dict[str, str]]:
    return [{"name": "", "version": "", "target_file": name} for name in names]


def dependencies(path: Path) -> Mapping[str, Any]:
    tables: Mapping[str, Any] = read_hat(path).document["dependencies"]
    return tables


def test_a_package_is_all_that_its_hat_files_name_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    device = {"k": {**NEXT, "name": "k", "provider": "src/k.cu", "runtime": "CUDA", "launch_parameters": [1] * 6}}
    path = write(
        folder,
        library="p.lib",
        deploy_files=["bin/p.dll", "./LICENSE"],
        dynamic=targets("obj/x.o", "y.a", "m", "libm.so", "-pthread", "gomp.1"),
        device_functions=device,
    )
    write(folder, "more", "p.lib")
    write(folder, "other", "other.a")
    inside = ("p.lib", "bin/p.dll", "LICENSE", "src/k.cu", "obj/x.o", "y.a")
    fill(folder, *inside, "other.a", "notes.txt", "p.h", "m")
    packed = pack(path, tmp_path / "out")
    assert packed.files == tuple(sorted((*inside, "p.hat", "more.hat")))
    assert packed.edited == ()
    assert tree(tmp_path / "out") == {name: data for name, data in tree(folder).items() if name in packed.files}
    assert not any(entry.name.startswith(".") for entry in tmp_path.iterdir())


def test_a_zip_file_holds_the_same_and_has_the_same_bytes_whenever_it_is_made(tmp_path: Path) -> None:
    path = write(tmp_path / "in", deploy_files=["z/b"])
    fill(path.parent, "p.a", "z/b")
    first = pack(path, tmp_path / "first.zip")
    os.utime(path, (0, 0))
    (path.parent / "p.a").chmod(0o755)
    copy = shutil.copytree(path.parent, tmp_path / "copy")
    second = pack(copy / "p.hat", tmp_path / "second.zip")
    assert first.path.read_bytes() == second.path.read_bytes()
    with zipfile.ZipFile(first.path) as archive:
        assert archive.namelist() == ["p.a", "p.hat", "z/b"]
        assert {info.external_attr >> 16 for info in archive.infolist()} == {stat.S_IFREG | 0o644}
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_DEFLATED}
    zipfile.ZipFile(first.path).extractall(tmp_path / "unpacked")
    assert tree(tmp_path / "unpacked") == tree(path.parent)


NAMES = st.text("abcdé -_.", min_size=1, max_size=8).filter(lambda name: name.strip(". ") == name)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    files=st.dictionaries(
        st.lists(NAMES, min_size=1, max_size=3).map("/".join), st.binary(max_size=2000), min_size=1, max_size=6
    ).filter(lambda names: not any(f"{a}/" in f"{b}/" for a in names for b in names if a != b))
)
def test_what_is_packed_is_unpacked_as_it_was(
    files: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("any")
    path = write(folder / "in", "the package", deploy_files=list(files), library="the library.a")
    for name, data in {**files, "the library.a": b""}.items():
        (folder / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "in" / name).write_bytes(data)
    pack(path, folder / "p.zip")
    zipfile.ZipFile(folder / "p.zip").extractall(folder / "out")
    assert tree(folder / "out") == tree(folder / "in")


# ------------------------------------------------------------------------------------------- leaving the folder


def test_what_leaves_the_folder_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, "outside.a")
    for library in ("../outside.a", str(tmp_path / "outside.a"), "sub/../../outside.a"):
        with pytest.raises(OutsideError, match=r"p\.hat: dependencies\.link_target: .*--allow-outside"):
            pack(write(tmp_path / "in", library=library), tmp_path / "out")
    path = write(tmp_path / "in", library="link.a")
    (path.parent / "link.a").symlink_to(tmp_path / "outside.a")
    with pytest.raises(OutsideError, match="outside"):
        pack(path, tmp_path / "out")
    fill(path.parent, "p.a")
    path = write(tmp_path / "in", deploy_files=["p.a", "../outside.a"])
    with pytest.raises(OutsideError, match=r"deploy_files\[1\]"):
        pack(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_where_that_is_allowed_it_comes_to_the_top_and_the_hat_file_names_it_so(tmp_path: Path) -> None:
    fill(tmp_path, "lib/p.a", "obj/x.o", "obj/plain", "data.bin", "in/sub/y.o")
    path = write(
        tmp_path / "in",
        library="../lib/p.a",
        dynamic=targets(str(tmp_path / "obj/x.o"), "../obj/plain", "m", "sub/y.o"),
        deploy_files=["../data.bin", "sub/y.o"],
    )
    write(tmp_path / "in", "more", "../lib/p.a")
    before = tree(tmp_path / "in")
    packed = pack(path, tmp_path / "out", allow_outside=True)
    assert packed.files == ("data.bin", "more.hat", "p.a", "p.hat", "plain", "sub/y.o", "x.o")
    assert packed.edited == ("more.hat", "p.hat")
    moved = dependencies(tmp_path / "out" / "p.hat")
    assert moved["link_target"] == "p.a"
    assert moved["deploy_files"] == ["data.bin", "sub/y.o"]
    assert [entry["target_file"] for entry in moved["dynamic"]] == ["./x.o", "./plain", "m", "sub/y.o"]
    assert read_hat(tmp_path / "out" / "more.hat").library == tmp_path / "out" / "p.a"
    assert tree(tmp_path / "in") == before
    again = pack(tmp_path / "out" / "p.hat", tmp_path / "again")
    assert tree(again.path) == tree(packed.path), "it is a package of its own now"


def test_a_path_that_only_goes_round_is_written_straight(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    fill(folder, "p.a", "sub/x.o")
    path = write(folder, library=str(folder / "p.a"), dynamic=targets("../in/sub/x.o"))
    assert pack(path, tmp_path / "out").edited == ("p.hat",)
    moved = dependencies(tmp_path / "out" / "p.hat")
    assert (moved["link_target"], moved["dynamic"][0]["target_file"]) == ("p.a", "sub/x.o")


def test_a_link_in_the_folder_is_packed_as_a_file(tmp_path: Path) -> None:
    path = write(tmp_path / "in")
    fill(path.parent, "real.a")
    (path.parent / "p.a").symlink_to("real.a")
    pack(path, tmp_path / "out")
    assert not (tmp_path / "out" / "p.a").is_symlink()
    assert (tmp_path / "out" / "p.a").read_bytes() == (path.parent / "real.a").read_bytes()


def test_paths_as_windows_writes_them_are_found(tmp_path: Path) -> None:
    path = write(tmp_path / "in", library="p.lib", deploy_files=["bin\\p.dll"])
    fill(path.parent, "p.lib", "bin/p.dll")
    assert pack(path, tmp_path / "out").files == ("bin/p.dll", "p.hat", "p.lib")
    for text in ("C:\\p.dll", "\\\\server\\p.dll", "..\\p.dll"):
        with pytest.raises(OutsideError):
            pack(write(tmp_path / "in", library="p.lib", deploy_files=[text]), tmp_path / "other")


# --------------------------------------------------------------------------------------------------- refusals


def test_what_is_missing_is_named_with_its_key(tmp_path: Path) -> None:
    path = write(tmp_path / "in", deploy_files=["p.a", "gone.dll"])
    with pytest.raises(PackageError, match=r"p\.hat: dependencies\.link_target: p\.a"):
        pack(path, tmp_path / "out")
    fill(path.parent, "p.a")
    with pytest.raises(PackageError, match=r"deploy_files\[1\]: gone\.dll"):
        pack(path, tmp_path / "out")
    (path.parent / "gone.dll").mkdir()
    with pytest.raises(PackageError, match=r"gone\.dll"):
        pack(path, tmp_path / "out")
    path = write(tmp_path / "in", dynamic=targets("./x.o"))
    with pytest.raises(PackageError, match=r"dynamic\[0\]\.target_file: \./x\.o"):
        pack(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_two_files_of_one_name_are_an_error(tmp_path: Path) -> None:
    fill(tmp_path, "one/x.o", "two/x.o")
    path = write(tmp_path / "in", dynamic=targets("../one/x.o", "../two/x.o"))
    fill(path.parent, "p.a")
    with pytest.raises(PackageError, match=r"x\.o in the pack"):
        pack(path, tmp_path / "out", allow_outside=True)
    path = write(tmp_path / "in", deploy_files=["a", "A"])
    fill(path.parent, "a", "A")
    with pytest.raises(PackageError, match="'A' and 'a'"):
        pack(path, tmp_path / "out")


def test_only_a_pack_is_overwritten(tmp_path: Path) -> None:
    path = write(tmp_path / "in", deploy_files=["data.zip"])
    fill(path.parent, "p.a", "data.zip")
    before = tree(tmp_path)
    for output, named in (
        (path.parent, path.parent),
        (path.parent / "data.zip", path.parent / "data.zip"),
        (path.parent / "p.a", path.parent / "p.a"),
        (path, path),
        (tmp_path / "p.tar.gz", tmp_path / "p.tar.gz"),
        (tmp_path / "no" / "out", tmp_path / "no"),
    ):
        with pytest.raises(UsageError, match=f"^{named}: "):
            pack(path, output)
    (tmp_path / "folder.zip").mkdir()
    with pytest.raises(UsageError, match="this is a folder"):
        pack(path, tmp_path / "folder.zip")
    assert tree(tmp_path) == before


def test_an_empty_folder_is_filled_and_a_zip_file_replaced(tmp_path: Path) -> None:
    path = write(tmp_path / "in")
    fill(path.parent, "p.a")
    (tmp_path / "out").mkdir()
    (tmp_path / "p.zip").write_bytes(b"old")
    assert tree(pack(path, tmp_path / "out").path) == tree(path.parent)
    assert zipfile.is_zipfile(pack(path, tmp_path / "p.zip").path)


def test_a_failure_midway_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "in", deploy_files=["z"])
    fill(path.parent, "p.a", "z")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    monkeypatch.setattr(shutil, "copyfileobj", full)
    for output in ("out", "p.zip"):
        with pytest.raises(HatError, match="No space left"):
            pack(path, tmp_path / output)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["in"]


# -------------------------------------------------------------------------------------------------- moved away


def test_a_moved_package_works(tmp_path: Path) -> None:
    path = make_package(tmp_path / "in", "int next(int x) { return x + 1; }", {"next": NEXT})
    zipfile.ZipFile(pack(path, tmp_path / "p.zip").path).extractall(tmp_path / "moved")
    shutil.rmtree(tmp_path / "in")
    library = read_hat(tmp_path / "moved" / "package.hat").library
    assert ctypes.CDLL(str(library)).next(41) == 42


def test_the_members_of_a_thin_archive_are_packed(tmp_path: Path) -> None:
    path = make_package(tmp_path / "package", "int f(void) { return 1; }", {"f": function()}, static=True)
    (path.parent / "objects").mkdir()
    subprocess.run([compiler(), "-c", "package.c", "-o", "objects/f.o"], check=True, cwd=path.parent)
    (path.parent / "package.a").unlink()
    subprocess.run([compiler("ar"), "rcsT", "package.a", "objects/f.o"], check=True, cwd=path.parent)
    packed = pack(path, tmp_path / "packed")
    assert packed.files == ("objects/f.o", "package.a", "package.hat")
    assert content_digest(tmp_path / "packed" / "package.a") == content_digest(path.parent / "package.a")
