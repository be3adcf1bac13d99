"""Validation of whole files: those that are valid, real ones, and those that no compiler or parser reads."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sample_packages
from hat_deviations import CODE, SOURCE, deviations, device, places, valid
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toml_styles import SCALARS, TABLES

from hatframe.calling.plans import plan_call
from hatframe.errors import FormatError, HatError
from hatframe.format.reading import read_hat
from hatframe.format.rendering import render_hat
from hatframe.validating.validation import validate

DATA = Path(__file__).parent.parent / "data"


@pytest.mark.parametrize("make", [valid, device])
def test_a_valid_file_has_no_deviation(make: Callable[[], dict[str, Any]], tmp_path: Path) -> None:
    assert deviations(tmp_path, make(), {"cuda"}) == []


@pytest.mark.skipif(
    (sample_packages.OS, sample_packages.ARCHITECTURE) != ("linux", "x86_64"), reason="these files are for Linux"
)
@pytest.mark.parametrize("name", ["gemm_static", "scale_runtime", "gemm_cuda", "vadd_Globals"])
def test_real_files_have_only_warnings(name: str, tmp_path: Path) -> None:
    path = Path(shutil.copy(DATA / f"{name}.hat", tmp_path))
    hat = read_hat(path)
    for file in (hat.dependencies.link_target, *(f.provider for f in hat.device_functions.values())):
        if file:
            (tmp_path / file).touch()
    if hat.dependencies.link_target and hat.functions:
        source = "".join(f"void {name}(void) {{}}\n" for name in hat.functions)
        sample_packages.library(tmp_path, source).rename(tmp_path / hat.dependencies.link_target)
    found = validate(path, {"cuda"})
    assert {deviation.severity for deviation in found} == {"warning"}
    crlf = tmp_path / "crlf.hat"
    crlf.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert validate(crlf, {"cuda"}) == found
    lines = path.read_text().splitlines()
    for deviation in found:
        assert deviation.key in lines[deviation.line - 1]


def test_code_that_no_compiler_sees_is_a_deviation(tmp_path: Path) -> None:
    path = tmp_path / "f.hat"
    sample_packages.library(tmp_path, SOURCE, "f")
    text = sample_packages.hat_text(valid() | {"declaration": {"code": CODE}})
    path.write_text(text)
    assert places(validate(path)) == [("warning", "declaration.code")]
    path.write_text(text.replace("#endif // TOML\n", "", 1).replace('#ifdef TOML\n"""', '"""'))
    assert places(validate(path)) == [("warning", "declaration.code")]
    path.write_text(text.replace("#ifdef TOML\n", "", 1).replace('#ifdef TOML\n"""', '"""'))
    assert places(validate(path))[0] == ("warning", "")


@pytest.mark.parametrize(
    ("text", "line"),
    [("[a]\nb = \n", 2), ("[a]\n[b]\n[a]\n", 3), ("a = '''\n\n", 2), ("a = " + "[" * 5000, 1), ("a = 1\na = 2\n", 2)],
)
def test_invalid_toml_is_one_error_with_its_line(text: str, line: int, tmp_path: Path) -> None:
    path = tmp_path / "f.hat"
    path.write_text(text)
    (found,) = validate(path)
    assert (found.severity, found.table, found.key) == ("error", "", "")
    assert abs(found.line - line) <= 1


@pytest.mark.parametrize("content", [None, b"\x7fELF\x02\xff\xfe"])
def test_an_unreadable_file_raises(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "f.hat"
    if content:
        path.write_bytes(content)
    with pytest.raises(FormatError):
        validate(path)
    with pytest.raises(FormatError, match="folder"):
        validate(tmp_path)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_document_raises_and_one_without_errors_can_be_called(tmp_path: Path, data: st.DataObject) -> None:
    document = device() if data.draw(st.booleans()) else valid()
    for _ in range(data.draw(st.integers(1, 3))):
        table: Any = document
        while True:
            key = data.draw(st.sampled_from(sorted(table) if isinstance(table, dict) else range(len(table))))
            inner = table[key]
            if not isinstance(inner, (dict, list)) or not inner or data.draw(st.integers(0, 5)) == 0:
                break
            table = inner
        table[key] = data.draw(st.one_of(SCALARS, TABLES, st.lists(SCALARS, max_size=2)))
        if not all(isinstance(value, dict) and value for value in document.values()):
            break
    code = document["declaration"].get("code", "") if isinstance(document["declaration"], dict) else None
    if not isinstance(code, str):
        return
    try:
        found = deviations(tmp_path, document)
    except HatError:
        # Some texts cannot be the C code of a rendered file.
        return
    if all(deviation.severity == "warning" for deviation in found):
        hat = read_hat(tmp_path / "f.hat")
        for function in hat.functions.values():
            plan_call(function)


def test_what_this_machine_lacks_is_a_note(tmp_path: Path) -> None:
    sample_packages.library(tmp_path, SOURCE, "f")
    path = tmp_path / "f.hat"
    path.write_text(render_hat(valid(), "f"))
    (note,) = validate(path, unmet=lambda required: ["it needs avx9", "it is for another system"])
    assert (note.severity, note.table) == ("note", "target")
    assert "avx9" in note.message
