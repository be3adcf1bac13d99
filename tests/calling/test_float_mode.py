"""Libraries and functions that change the floating-point mode: nothing else runs in it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hatframe_builtin.linkers.zig import Zig
from sample_packages import affine, function, make_package

import hatframe
from hatframe.calling.float_mode import FIELDS, PreservedMode
from hatframe.machine import Platform

HOST = Platform.host()
pytestmark = pytest.mark.skipif(
    (HOST.os, HOST.architecture) not in FIELDS, reason="the mode of this platform is unknown"
)

# What GCC's crtfastmath.o does, which newer versions do not link any more.
FLUSH = """
#include <fenv.h>
#include <stdint.h>
#include <stdlib.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
static void flush(void) { _mm_setcsr(_mm_getcsr() | 0x8040); }
static int flushing(void) { return (_mm_getcsr() & 0x8040) != 0; }
#else
static uint64_t mode(void) { uint64_t bits; __asm__ volatile("mrs %0, fpcr" : "=r"(bits)); return bits; }
static void flush(void) { __asm__ volatile("msr fpcr, %0" : : "r"(mode() | 1 << 24)); }
static int flushing(void) { return (mode() & 1 << 24) != 0; }
#endif
"""
FUNCTIONS = """
void halve(const double *x, double *y) { *y = *x * 0.5; }
void flushes(const double *x, double *y) { flush(); *y = *x * 0.5; }
void rounds(const double *x, double *y) { fesetround(FE_UPWARD); *y = *x * 0.5; }
void strict(const double *x, double *y) { if (flushing()) abort(); *y = *x; }
"""
CONSTRUCTOR = "__attribute__((constructor)) static void loaded(void) { flush(); }\n"
NAMES = ("halve", "flushes", "rounds", "strict")
TABLE = {name: function(affine("x", [1], "double"), affine("y", [1], "double", "output")) for name in NAMES}

TINY = np.full(1, 1e-310)
"""A denormal number."""


def package(folder: Path, constructor: bool = False) -> Path:
    source = FLUSH + (CONSTRUCTOR if constructor else "") + FUNCTIONS
    return make_package(folder, source, TABLE, name="constructs" if constructor else "plain")


def is_normal() -> bool:
    """Whether denormal numbers count here, and sums are rounded to nearest."""
    one, least = np.ones(1), np.full(1, 1e-30)
    return bool((TINY * 0.5)[0] > 0 and (one + least)[0] == 1)


@pytest.fixture(autouse=True)
def _mode() -> Iterator[None]:
    """A test that fails must not leave its mode to the others."""
    with PreservedMode():
        assert is_normal()
        yield


LOADERS = pytest.mark.parametrize("loader", ["cffi", "compiled", "ctypes"])


@LOADERS
def test_loading_a_library_leaves_the_mode_alone_and_its_functions_run_in_it(
    tmp_path: Path, loader: str, caplog: pytest.LogCaptureFixture
) -> None:
    hat = package(tmp_path, constructor=True)
    with hatframe.load(hat, loader=loader) as opened:
        assert is_normal()
        y = np.zeros(1)
        opened.halve(TINY, y)
        assert y[0] == TINY[0] / 2
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert str(hat.with_suffix(".so").resolve()) in record.getMessage()


@LOADERS
@pytest.mark.parametrize("name", ["flushes", "rounds"])
def test_calls_that_change_the_mode_are_followed_by_the_former_one(
    tmp_path: Path, loader: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with hatframe.load(package(tmp_path), loader=loader) as opened:
        changes, y = opened[name], np.zeros(1)
        for _ in range(3):
            changes(TINY, y)
            assert is_normal()
            changes(x=TINY, y=y)
            assert is_normal()
        changes.prepare_call(TINY, y)()
        assert is_normal()
        assert changes.pointer
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert name in record.getMessage()


@pytest.mark.parametrize("timer", ["native", "python"])
def test_a_batch_that_changes_the_mode_is_followed_by_the_former_one(tmp_path: Path, timer: str) -> None:
    with hatframe.load(package(tmp_path), timer=timer) as opened:
        changes: Any = opened.flushes
        measured = changes.timer([[TINY, np.zeros(1)]])
        assert measured.run(3).seconds > 0
        assert is_normal()
        changes(TINY, np.zeros(1))
        assert is_normal()


@pytest.mark.parametrize("timer", ["native", "python"])
def test_no_function_is_measured_in_the_mode_of_another(tmp_path: Path, timer: str) -> None:
    hats = [package(tmp_path), package(tmp_path, constructor=True)]
    functions = ["strict", "flushes"]
    document = hatframe.bench(*hats, functions=functions, timer=timer, min_time=0.01, batches=3, cache="hot")
    assert [result.status for result in document.results] == ["ok"] * 4


def test_errors_restore_the_mode_too() -> None:
    with pytest.raises(ZeroDivisionError), PreservedMode():
        raise ZeroDivisionError


@pytest.mark.slow
@pytest.mark.parametrize(
    "platform",
    [Platform(*key, abi) for key in FIELDS for abi in (("gnu", "musl") if key[0] == "linux" else ("",))],
    ids=str,
)
def test_the_words_lie_where_the_c_library_has_them(tmp_path: Path, platform: Platform) -> None:
    if not (availability := Zig().availability()):
        pytest.skip(availability.reason)
    fields = FIELDS[platform.os, platform.architecture]
    checks = [f'_Static_assert(offsetof(fenv_t, {field.member}) == {field.offset}, "");' for field in fields]
    source = tmp_path / "layout.c"
    source.write_text("#include <fenv.h>\n#include <stddef.h>\n" + "\n".join(checks))
    Zig().compile(source, tmp_path / "layout.o", platform=platform)
