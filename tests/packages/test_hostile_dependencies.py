"""Hostile ``dependencies``: none runs, links or reads what it should not, and each is refused in words of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from sample_packages import compiler, element, function, hat_text, make_package

from hatframe import Kernel
from hatframe.backends import Linker, SharedLibrary
from hatframe.binary.symbols import read_symbols
from hatframe.converting.to_dynamic import to_dynamic
from hatframe.converting.to_static import to_static
from hatframe.errors import HatError, LinkError
from hatframe.format.reading import read_hat
from hatframe.machine import Platform
from hatframe.packages.package import read_package

NEXT = function(element("x"), returns=element("", "int", "output", "int"))
SOURCE = "int next(int x) { return x + 1; }"


class Unused(Linker):
    """A linker that must not be asked for anything."""

    name = "unused"
    summary = "for tests"

    def platforms(self) -> frozenset[Platform]:
        return frozenset((Platform.host(),))

    def _used(self) -> None:
        raise AssertionError("the linker was used")

    def compile(self, source: Path, output: Path, **more: Any) -> None:
        self._used()

    def preprocess(self, source: Path, **more: Any) -> str:
        raise AssertionError("the linker was used")

    def optimization(self, level: int, processor: str = "", platform: Platform | None = None) -> tuple[str, ...]:
        raise AssertionError("the linker was used")

    def link_shared(self, library: SharedLibrary) -> None:
        self._used()

    def archive(self, objects: Sequence[Path], output: Path, **more: Any) -> None:
        self._used()


# --------------------------------------------------------------------------------------------------- what is opened

_opened: list[str] | None = None


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if _opened is not None and event in ("open", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"):
        _opened.append(f"{event} {arguments[0]}")


sys.addaudithook(_watch)  # it stays for as long as the process; outside of these tests it does nothing


@pytest.fixture
def opened() -> Iterator[list[str]]:
    """All that this process opens and starts during a test."""
    global _opened
    _opened = found = []
    yield found
    _opened = None


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one of each kind of file that a dependency may be."""
    folder = tmp_path_factory.mktemp("objects")
    (folder / "secret.c").write_text("int secret(void) { return 1; }")
    (folder / "main.c").write_text("int main(void) { return 0; }")
    for command in (
        [compiler(), "-fPIC", "-c", "secret.c", "-o", "secret.o"],
        [compiler("ar"), "rcs", "secret.a", "secret.o"],
        [compiler(), "-shared", "secret.o", "-o", "libsecret.so"],
        [compiler(), "-no-pie", "main.c", "-o", "program"],
    ):
        subprocess.run(command, check=True, cwd=folder)
    make_package(folder / "package", SOURCE, {"next": NEXT}, static=True)
    return folder


@pytest.fixture
def package(tmp_path: Path, objects: Path) -> Path:
    """A static package, with a folder beside it that is none of its own, and strange files in it."""
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("secret.o", "secret.a", "libsecret.so"):
        (outside / name).write_bytes((objects / name).read_bytes())
    folder = shutil.copytree(objects / "package", tmp_path / "package")
    (folder / "sub").mkdir()
    (folder / "link.a").symlink_to(outside / "secret.a")
    (folder / "link.o").symlink_to(outside / "secret.o")
    (folder / "linked").symlink_to(outside)
    os.mkfifo(folder / "pipe.o")
    for name in ("script.so", "script.a"):
        (folder / name).write_text(f"INPUT({outside}/secret.o)\n")
    (folder / "program.o").write_bytes((objects / "program").read_bytes())
    (folder / "response.txt").write_text("-o pwned")
    subprocess.run([compiler("ar"), "rcsT", folder / "thin.a", "../outside/secret.o"], check=True, cwd=folder)
    return folder / "package.hat"


def with_table(path: Path, change: Mapping[str, Any]) -> None:
    table = dict(read_hat(path).document)
    table["dependencies"] = {**table["dependencies"], **change}
    path.write_text(hat_text(table))


def target(text: str) -> dict[str, Any]:
    return {"dynamic": [{"name": "", "version": "", "target_file": text}]}


HOSTILE: dict[str, dict[str, Any]] = {
    "an absolute library": {"link_target": "{outside}/secret.a"},
    "a library above": {"link_target": "../outside/secret.a"},
    "a library above by a detour": {"link_target": "sub/../../outside/secret.a"},
    "a library behind a link": {"link_target": "link.a"},
    "a library in a linked folder": {"link_target": "linked/secret.a"},
    "a library on a drive": {"link_target": "C:\\Windows\\secret.lib"},
    "a library on a server": {"link_target": "\\\\server\\share\\secret.lib"},
    "a library with a zero in its name": {"link_target": "package.a\0/../x"},
    "a library that is a pipe": {"link_target": "pipe.o"},
    "a library that is a folder": {"link_target": "sub"},
    "a library that is a script of a linker": {"link_target": "script.a"},
    "a library that is a program": {"link_target": "program.o"},
    "a thin library with a member outside": {"link_target": "thin.a"},
    "a device as library": {"link_target": "/dev/zero"},
    "an absolute file to deploy": {"deploy_files": ["/etc/passwd"]},
    "a file to deploy above": {"deploy_files": ["../outside/libsecret.so"]},
    "a file to deploy behind a link": {"deploy_files": ["linked/libsecret.so"]},
    "an absolute object": target("{outside}/secret.o"),
    "an object above": target("../outside/secret.o"),
    "an object above by a detour": target("./sub/../../outside/secret.o"),
    "an object behind a link": target("link.o"),
    "an object in a linked folder": target("linked/secret.o"),
    "an object on a drive": target("D:\\secret.obj"),
    "an object that is a pipe": target("./pipe.o"),
    "an object that is a program": target("program.o"),
    "a library that is text": target("script.so"),
    "a thin dependency with a member outside": target("./thin.a"),
    "another output": target("-opwned"),
    "an entry point": target("-Wl,-e,evil"),
    "a script for the linker": target("-Tresponse.txt"),
    "a plugin of the compiler": target("-fplugin=./script.so"),
    "another program to run": target("-wrapper touch,pwned"),
    "another specification": target("-specs=response.txt"),
    "other tools": target("-B."),
    "another root": target("--sysroot=/"),
    "a header to read": target("-include /etc/passwd"),
    "a folder to search": target("-L{outside} -lsecret"),
    "a flag after a library": target("-lm -Wl,-rpath,/evil"),
    "a flag on a line of its own": target("-lm\n-Wl,-x"),
    "options from a file": target("@response.txt"),
    "an option of Microsoft's linker": target("/OUT:pwned.dll"),
    "a default library": target("/DEFAULTLIB:evil"),
    "a name that goes up": target("-l../outside/secret"),
    "a file name that goes up": target("-l:../outside/libsecret.so"),
    "a framework that is a path": target("-framework ../evil"),
    "a command after a name": target("m; touch pwned"),
    "a command in a name": target("$(touch pwned)"),
    "a command in quotes": target("`touch pwned`"),
    "a dash that is none": target("\N{NON-BREAKING HYPHEN}lm"),
}


def filled(change: Any, outside: Path) -> Any:
    if isinstance(change, str):
        return change.replace("{outside}", str(outside))
    if isinstance(change, list):
        return [filled(item, outside) for item in change]
    return {key: filled(value, outside) for key, value in change.items()}


def to_a_dynamic_one(path: Path) -> None:
    to_dynamic(read_package(path), path.parent / "new.hat", linker=Unused())


def to_a_static_one(path: Path) -> None:
    to_static(read_package(path), path.parent / "new.hat", linker=Unused())


@pytest.mark.parametrize("convert", [to_a_dynamic_one, to_a_static_one])
@pytest.mark.parametrize("name", HOSTILE)
def test_it_is_refused_before_anything_is_run_or_read(
    name: str, convert: Callable[[Path], None], package: Path, opened: list[str]
) -> None:
    outside = package.parent.parent / "outside"
    with_table(package, filled(HOSTILE[name], outside))
    before = {path.name for path in package.parent.iterdir()}
    opened.clear()
    with pytest.raises(HatError) as caught:
        convert(package)
    touched = [
        text
        for text in opened
        if not text.startswith("open") or "outside" in text or "linked" in text or "pipe" in text or "/etc" in text
    ]
    assert touched == []
    assert {path.name for path in package.parent.iterdir()} == before
    assert str(package.parent) in caught.value.where
    assert "\n" not in str(caught.value)


def test_there_are_forty_and_each_has_words_of_its_own(package: Path) -> None:
    outside = package.parent.parent / "outside"
    original = package.read_text()
    said: dict[str, str] = {}
    for name, change in HOSTILE.items():
        package.write_text(original)
        with_table(package, filled(change, outside))
        with pytest.raises(HatError) as caught:
            to_a_dynamic_one(package)
        said[name] = str(caught.value)
    assert len(HOSTILE) >= 40
    assert len(set(said.values())) == len(said)


def test_a_script_of_a_linker_is_not_found_by_the_name_of_a_library(package: Path, objects: Path) -> None:
    folder = package.parent
    outside = folder.parent / "outside"
    (folder / "libgood.so").write_bytes((objects / "libsecret.so").read_bytes())
    for name in ("libfoo.so", "libm.so"):
        (folder / name).write_text(f"INPUT({outside}/secret.o)\n")
    with_table(package, {"dynamic": [{"target_file": "./libgood.so"}, {"target_file": "m"}]})
    made = Kernel().to_dynamic(package, folder / "new.hat")
    assert b"secret.c" not in made.library.read_bytes()
    assert "secret" not in read_symbols(made.library).defined
    package.write_text(package.read_text().replace('target_file = "m"', 'target_file = "foo"'))
    with pytest.raises(LinkError, match="foo"):
        Kernel().to_dynamic(package, folder / "new.hat")


@pytest.mark.parametrize("change", [{"link_target": "a" * 300}, target("./" + "a" * 300), target("b" * 300 + ".o")])
def test_names_that_no_file_can_have_are_refused(package: Path, change: dict[str, Any]) -> None:
    with_table(package, change)
    with pytest.raises(HatError):
        Kernel().to_dynamic(package, package.parent / "new.hat")


def test_what_the_user_allows_is_linked(package: Path) -> None:
    outside = package.parent.parent / "outside"
    original = package.read_text()
    with_table(package, target(f"{outside}/secret.o"))
    made = Kernel().to_dynamic(package, package.parent / "new.hat", allow_outside=True)
    assert read_hat(made.hat).dependencies.dynamic == ()
    package.write_text(original)
    with_table(package, target("-Wl,-z,now"))
    Kernel().to_dynamic(package, package.parent / "new.hat", allow_link_flag=["-Wl,-z,now"])
