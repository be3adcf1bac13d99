"""A path in metadata stays in the package's folder, wherever links lead and however it is spelled."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hatframe.errors import OutsideError, PackageError
from hatframe.packages.confinement import confined, is_flag


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A package's folder, with links to what is in it and to what is not."""
    folder = tmp_path / "package"
    (folder / "sub").mkdir(parents=True)
    (tmp_path / "secret.o").touch()
    (folder / "own.o").touch()
    (folder / "own_link.o").symlink_to("own.o")
    (folder / "link.o").symlink_to(tmp_path / "secret.o")
    (folder / "up").symlink_to("..")
    (tmp_path / "alias").symlink_to(folder)
    return folder


@pytest.mark.parametrize("text", ["own.o", "./own.o", "sub/../own.o", "own_link.o", "new.o", "up/package/own.o"])
def test_what_stays_inside_is_taken(folder: Path, text: str) -> None:
    assert confined(folder, text, "here") == folder / text
    assert confined(folder.parent / "alias", text, "here") == folder.parent / "alias" / text


def test_an_absolute_path_of_the_folder_is_taken(folder: Path) -> None:
    assert confined(folder, str(folder / "own.o"), "here") == folder / "own.o"


@pytest.mark.parametrize(
    "text",
    ["../secret.o", "sub/../../secret.o", "link.o", "up/secret.o", "/etc/passwd", "C:\\x.lib", "\\\\server\\x", "D:x"],
)
def test_what_leaves_is_refused_unless_the_user_allows_it(folder: Path, text: str) -> None:
    with pytest.raises(OutsideError, match=re.escape(repr(text))) as caught:
        confined(folder, text, "here")
    assert caught.value.where == "here"
    assert "--allow-outside" in caught.value.hint
    assert confined(folder, text, "here", allow_outside=True) == folder / text


@pytest.mark.parametrize("text", ["", "a\0b"])
def test_an_invalid_path_is_refused(folder: Path, text: str) -> None:
    for allow in (False, True):
        with pytest.raises(PackageError, match=re.escape(repr(text))):
            confined(folder, text, "here", allow_outside=allow)


@given(st.text(alphabet="ab./\\:~-", max_size=20))
def test_no_spelling_leaves(text: str) -> None:
    folder = Path("/nowhere/package")
    try:
        path = confined(folder, text, "here")
    except PackageError:
        return
    assert path.resolve().is_relative_to(folder)


def test_flags_differ_from_paths() -> None:
    assert all(map(is_flag, ["-lm", "@file", "/openmp", "/OUT:x.dll", "/W4", "/GS-"]))
    assert not any(map(is_flag, ["m", "sub/x.o", "/usr/lib/x.so", "./-x", "x.o", ""]))
