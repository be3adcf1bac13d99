"""The instruction sets of code against those that the metadata list, and who uses them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sample_packages
from hat_deviations import valid

from hatframe.errors import HatError
from hatframe.format.rendering import render_hat
from hatframe.outcomes import Deviation
from hatframe.validating.validation import validate

pytestmark = pytest.mark.skipif(
    (sample_packages.OS, sample_packages.ARCHITECTURE) != ("linux", "x86_64"), reason="x86 code"
)

LOOP = "for (int i = 0; i < 64; i++) B[i] += 3 * A[i];"
PLAIN = f"void f(const float *A, float *B, int N) {{ {LOOP} }}"
AVX2 = ["-O3", "-mavx2", "-mfma"]
FOR_AVX2 = '__attribute__((target("avx2,fma"), optimize("O3"), noinline))'


def found(library: Path, *extensions: str) -> list[Deviation]:
    """What a deep validation reports of a library with the function ``f``, for some listed extensions."""
    document = valid()
    document["dependencies"]["link_target"] = library.name
    document["target"]["required"]["CPU"]["extensions"] = list(extensions)
    path = library.parent / "package.hat"
    path.write_text(render_hat(document, "package"))
    return validate(path, deep=True)


@pytest.mark.parametrize("static", [False, True])
def test_a_function_that_uses_more_than_is_listed_is_an_error(static: bool, tmp_path: Path) -> None:
    library = sample_packages.library(tmp_path, PLAIN, static=static, flags=AVX2)
    (error,) = [each for each in found(library) if each.severity == "error"]
    assert (error.table, error.key) == ("target.required.CPU", "extensions")
    assert {"avx", "fma"} <= set(error.message.replace(",", " ").split())
    assert " f " in error.message


@pytest.mark.parametrize(
    "extensions", [("avx2", "fma"), ("+avx2", "+fma"), ("AVX512F",), ("avx512vnni",), ("-avx2", "avx2", "fma3")]
)
def test_a_listed_instruction_set_includes_others(extensions: tuple[str, ...], tmp_path: Path) -> None:
    library = sample_packages.library(tmp_path, PLAIN, flags=AVX2)
    assert found(library, *extensions) == []


def test_a_minus_means_not_required(tmp_path: Path) -> None:
    library = sample_packages.library(tmp_path, PLAIN, flags=AVX2)
    assert {each.severity for each in found(library, "+avx", "-avx2", "-fma")} == {"error"}


def test_code_for_any_processor_needs_nothing(tmp_path: Path) -> None:
    counting = "int g(unsigned x) { return __builtin_ctz(x); }"
    assert found(sample_packages.library(tmp_path, f"{PLAIN} {counting}", flags=["-O3"])) == []


DISPATCH = f"""
{FOR_AVX2} static void fast(const float *A, float *B) {{ {LOOP} }}
void f(const float *A, float *B, int N) {{
    if (__builtin_cpu_supports("avx2")) fast(A, B); else {{ {LOOP} }}
}}
"""
CLONES = f"""
__attribute__((target_clones("avx2", "default"), optimize("O3")))
{PLAIN}
"""


@pytest.mark.parametrize("static", [False, True])
@pytest.mark.parametrize(("source", "user"), [(DISPATCH, "fast"), (CLONES, "avx2")])
def test_code_that_is_chosen_at_run_time_is_noted(source: str, user: str, static: bool, tmp_path: Path) -> None:
    library = sample_packages.library(tmp_path, source, static=static)
    notes = found(library)
    assert {each.severity for each in notes} == {"note"}
    assert any(user in each.message for each in notes)


@pytest.mark.parametrize("static", [False, True])
@pytest.mark.parametrize("kind", ["static", ""])
@pytest.mark.parametrize("flags", [[], ["-fno-plt"], ["-ffunction-sections"], ["-fno-optimize-sibling-calls"]])
def test_what_a_function_always_calls_counts_as_its_own(
    kind: str, static: bool, flags: list[str], tmp_path: Path
) -> None:
    # Functions of Accera call a twin that does the work.
    impl = f"{FOR_AVX2} {kind} void f_impl(const float *A, float *B) {{ {LOOP} }}"
    source = f"{impl}\nvoid f(const float *A, float *B, int N) {{ f_impl(A + 1, B); }}"
    library = sample_packages.library(tmp_path, source, static=static, flags=flags)
    (error,) = found(library)
    assert (error.severity, error.key) == ("error", "extensions")


def test_code_without_names_is_noted(tmp_path: Path) -> None:
    library = sample_packages.library(tmp_path, DISPATCH)
    subprocess.run(["strip", library], check=True)
    assert [each.severity for each in found(library)] == ["note"]


def test_without_iced_it_is_an_error_with_a_hint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "iced_x86", None)
    with pytest.raises(HatError) as raised:
        found(sample_packages.library(tmp_path, PLAIN))
    assert "hatframe[deep]" in raised.value.hint


def test_damaged_code_is_an_error(tmp_path: Path) -> None:
    library = sample_packages.library(tmp_path, PLAIN)
    data = bytearray(library.read_bytes())
    data[0x28:0x30] = b"\xff" * 8  # where the sections are
    library.write_bytes(data)
    reported: list[Any] = found(library)
    assert {each.severity for each in reported} == {"error"}
