"""The native timer: a loop in C that calls real functions with the same values as any other call."""

from __future__ import annotations

import gc
import multiprocessing
import sys
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from sample_packages import LINKERS, affine, element, function, make_package, runtime

from hatframe import Kernel, files, hookimpl
from hatframe.backends import Linker, SharedLibrary
from hatframe.calling.arguments import make_arguments
from hatframe.calling.interface import POINTER
from hatframe.calling.native import SLOT_TYPES, LoopSignature, NativeLoop, native_loop
from hatframe.calling.native import SYMBOL as LOOP_SYMBOL
from hatframe.errors import HatError, LinkError, PluginError, UsageError
from hatframe.machine import Platform

LOADERS = ["cffi", "compiled", "ctypes"]
TYPES: dict[str, Any] = {
    "bool": [True, False],
    "int8_t": [-128, 127],
    "int16_t": [-32768, 32767],
    "int32_t": [-(2**31), 2**31 - 1],
    "int64_t": [-(2**63), 2**63 - 1],
    "uint8_t": [0, 255],
    "uint16_t": [1, 65535],
    "uint32_t": [1, 2**32 - 1],
    "uint64_t": [1, 2**64 - 1],
    "float": [-0.1, 3e38],
    "double": [0.1, -1e300],
    "float16_t": [-1.5, 65504.0],
    "bfloat16_t": [-1.5, 2.0**100],
}
DTYPES = {
    "bool": np.bool_,
    "float": np.float32,
    "double": np.float64,
    "float16_t": np.float16,
    "bfloat16_t": ml_dtypes.bfloat16,
}

SOURCE = (
    "#include <stdbool.h>\n#include <stdint.h>\n#include <stdlib.h>\n#include <string.h>\n"
    "typedef uint16_t float16_t;\ntypedef uint16_t bfloat16_t;\n"
    + "".join(
        f"void value_{t}({t} x, {t} *seen, int32_t *calls) {{ *seen = x; ++*calls; }}\n"
        f"void pointer_{t}(const {t} *x, {t} *seen, int32_t *calls) {{ *seen = *x; ++*calls; }}\n"
        f"static {t} last_{t}; {t} back_{t}({t} x) {{ last_{t} = x; return x; }}\n"
        f"void limit_{t}({t} *x) {{ *x = last_{t}; }}\n"
        for t in TYPES
    )
    + """
    static int32_t times;
    void count(void) { times++; }
    int32_t how_often(void) { int32_t n = times; times = 0; return n; }
    void many(int8_t a, float b, double c, int64_t d, const float *e, uint16_t f, bool g, double h, float i, int32_t j,
              int32_t k, int32_t l, int32_t m, double *seen) {
        const double all[] = {a, b, c, (double)d, *e, f, g, h, i, j, k, l, m};
        memcpy(seen, all, sizeof all);
    }
    void makes(int32_t n, float **out, int32_t *m) {
        *m = n; *out = malloc(n * sizeof **out);
        for (int32_t i = 0; i < n; i++) (*out)[i] = (float)i;
        times++;
    }
    void makes_none(float **out, int32_t *m) { *m = 0; *out = 0; times++; }
    float busy(const float *x) { float s = 0; for (int i = 0; i < 4096; i++) s += x[i]; return s; }
    """
    + "".join(f"void same_{n}(const float *x, float *y) {{ *y = *x + {n}; }}\n" for n in range(50))
)


def returns(c_type: str) -> dict[str, Any]:
    return {**element("", c_type), "usage": "output"}


FUNCTIONS = {
    **{
        f"{kind}_{t}": function(
            element("x", t, declared=f"const {t} *" if kind == "pointer" else None),
            element("seen", t, "output"),
            element("calls", "int32_t", "input_output"),
        )
        for kind in ("value", "pointer")
        for t in TYPES
    },
    **{f"back_{t}": function(element("x", t), returns=returns(t)) for t in TYPES},
    **{f"limit_{t}": function(element("x", t, "output")) for t in TYPES},
    "count": function(),
    "how_often": function(returns=returns("int32_t")),
    "many": function(
        *(element(name, t) for name, t in zip("abcd", ("int8_t", "float", "double", "int64_t"), strict=True)),
        affine("e", [1]),
        *(element(name, t) for name, t in zip("fghi", ("uint16_t", "bool", "double", "float"), strict=True)),
        *(element(name, "int32_t") for name in "jklm"),
        affine("seen", [13], "double", "output"),
    ),
    "makes": function(
        element("n", "int32_t"),
        runtime("out", "m", usage="output", declared="float**"),
        element("m", "int32_t", "output"),
    ),
    "makes_none": function(runtime("out", "m", usage="output", declared="float**"), element("m", "int32_t", "output")),
    "busy": function(affine("x", [4096]), returns=returns("float")),
    **{f"same_{n}": function(affine("x", [1]), affine("y", [1], usage="output")) for n in range(50)},
}


@pytest.fixture(scope="module")
def hat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_package(tmp_path_factory.mktemp("native"), SOURCE, FUNCTIONS)


@pytest.fixture(autouse=True, scope="module")
def _one_cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Each loop is compiled once for all tests here that do not ask for a cache of their own."""
    return tmp_path_factory.mktemp("timers")


@pytest.fixture
def shared_cache(_one_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HATFRAME_CACHE_DIR", str(_one_cache))


def load(hat: Path, loader: str = "cffi", timer: str = "native", kernel: Kernel | None = None) -> Any:
    return (kernel or Kernel()).load(hat, loader=loader, timer=timer)


def timers_folder() -> list[Path]:
    return sorted((files.cache_folder() / "timers").glob("[!.]*"))


def number(t: str, value: Any) -> np.ndarray[Any, Any]:
    return np.array([value], DTYPES.get(t) or np.dtype(t.removesuffix("_t")))


@pytest.mark.usefixtures("shared_cache")
@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("t", TYPES)
def test_every_type_reaches_the_function_by_value_and_by_pointer(hat: Path, loader: str, t: str) -> None:
    package = load(hat, loader)
    for kind in ("value", "pointer"):
        sets = []
        for value in TYPES[t]:
            cell = number(t, value)
            sets.append([cell[0].item() if kind == "value" else cell, number(t, 0), np.zeros(1, np.int32)])
        timer = package[f"{kind}_{t}"].timer(sets)
        assert timer.name == "native"
        assert timer.run(6).seconds > 0
        for value, (_, seen, _) in zip(TYPES[t], sets, strict=True):
            assert seen.tobytes() == number(t, value).tobytes(), value
        assert [int(calls[0]) for _, _, calls in sets] == [3, 3]
    seen = number(t, 0)
    for value in TYPES[t]:
        package[f"back_{t}"].timer([[number(t, value)[0].item()]]).run(1)
        package[f"limit_{t}"](seen)
        assert seen.tobytes() == number(t, value).tobytes(), value


@pytest.mark.usefixtures("shared_cache")
@pytest.mark.parametrize("loader", LOADERS)
def test_more_arguments_than_registers_are_in_their_places(hat: Path, loader: str) -> None:
    e = np.array([0.25], np.float32)
    values = [-7, 0.5, 1e300, -(2**50), e, 65535, True, -2.5, 1.5, 10, -11, 12, -13]
    seen, called = np.zeros(13), np.zeros(13)
    package = load(hat, loader)
    package["many"].timer([[*values, seen]]).run(1)
    package["many"](*values, called)
    assert seen.tolist() == called.tolist() == [-7, 0.5, 1e300, -(2**50), 0.25, 65535, 1, -2.5, 1.5, 10, -11, 12, -13]


@pytest.mark.usefixtures("shared_cache")
@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("timer", ["native", "python"])
@pytest.mark.parametrize("sets", [1, 3])
def test_a_function_without_arguments_is_called_as_often_as_asked(
    hat: Path, loader: str, timer: str, sets: int
) -> None:
    package = load(hat, loader, timer)
    prepared = package["count"].timer([[]] * sets)
    package["how_often"]()
    for calls in (1, 2, 1000):
        prepared.run(calls)
        assert package["how_often"]() == calls


@pytest.mark.usefixtures("shared_cache")
@pytest.mark.parametrize("sets", [1, 2, 7, 64])
def test_the_sets_are_gone_through_in_turn_from_anywhere(hat: Path, sets: int) -> None:
    arguments = [[1.0, np.zeros(1), np.zeros(1, np.int32)] for _ in range(sets)]
    timer = load(hat)["value_double"].timer(arguments)
    firsts = set()
    for calls in (1, 5, 64, 3, 100):
        before = [int(each[2][0]) for each in arguments]
        timer.run(calls)
        counts = [int(each[2][0]) - former for each, former in zip(arguments, before, strict=True)]
        more = [place for place, count in enumerate(counts) if count == calls // sets + 1]
        assert len(more) == calls % sets
        assert all(count == calls // sets for place, count in enumerate(counts) if place not in more)
        # The sets that were called once more follow one another.
        first = [place for place in more if (place - 1) % sets not in more]
        assert len(first) <= 1
        firsts.update(first)
    assert sets < 64 or len(firsts) > 1


@pytest.mark.usefixtures("shared_cache")
@pytest.mark.parametrize("timer", ["native", "python"])
@pytest.mark.parametrize("sets", [1, 5, 300])
def test_what_a_function_allocates_is_freed(hat: Path, timer: str, sets: int) -> None:
    package = load(hat, timer=timer)
    size = (8 << 20) // 4

    def arguments(n: int) -> list[list[Any]]:
        return [[n, np.zeros(1, np.uintp), np.zeros(1, np.int32)] for _ in range(sets)]

    package["how_often"]()
    small = package["makes"].timer(arguments(10))
    for calls in (1, 2, 500):
        small.run(calls)
        assert package["how_often"]() == calls
    large = package["makes"].timer(arguments(size))
    before = peak_memory()
    large.run(150)
    assert package["how_often"]() == 150
    assert peak_memory() - before < 64 << 20, "of 1.2 GB that were allocated"


def peak_memory() -> int:
    resource = pytest.importorskip("resource")
    peak: int = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024)


@pytest.mark.usefixtures("shared_cache")
def test_an_array_that_was_not_allocated_is_not_freed(hat: Path) -> None:
    package = load(hat)
    package["how_often"]()
    package["makes_none"].timer([[np.zeros(1, np.uintp), np.zeros(1, np.int32)]]).run(777)
    assert package["how_often"]() == 777


@pytest.mark.usefixtures("shared_cache")
@pytest.mark.parametrize("loader", LOADERS)
def test_both_timers_tell_the_same_of_a_function_that_takes_longer_than_their_loops(hat: Path, loader: str) -> None:
    x = np.ones(4096, np.float32)
    timers = [load(hat, loader, timer)["busy"].timer([[x]]) for timer in ("native", "python")]
    assert [timer.name for timer in timers] == ["native", "python"]
    assert [timer.subtracts_overhead for timer in timers] == [False, True]
    assert 0 < timers[0].overhead < timers[1].overhead
    # In turn, and the least of many: other programs disturb either of them less often than both.
    rounds = [[timer.run(500).seconds for timer in timers] for _ in range(30)]
    native, python = (min(times) for times in zip(*rounds, strict=True))
    assert python == pytest.approx(native, rel=0.3)


# ----------------------------------------------------------------------------------------------------- what is compiled


class Counting(Linker):
    """A linker that counts what it compiles."""

    name = "counting"
    summary = "for a test"
    priority = 1000

    def __init__(self) -> None:
        self.linker = Kernel().linker()
        self.compiled = 0

    def platforms(self) -> frozenset[Platform]:
        return self.linker.platforms()

    def version(self) -> str:
        return self.linker.version()

    def compile(self, source: Path, output: Path, **more: Any) -> None:
        self.compiled += 1
        self.linker.compile(source, output, **more)

    def preprocess(self, source: Path, **more: Any) -> str:
        return self.linker.preprocess(source, **more)

    def optimization(self, level: int, processor: str = "", platform: Platform | None = None) -> tuple[str, ...]:
        return self.linker.optimization(level, processor, platform)

    def link_shared(self, library: SharedLibrary) -> None:
        self.linker.link_shared(library)

    def archive(self, objects: Sequence[Path], output: Path, **more: Any) -> None:
        self.linker.archive(objects, output, **more)


def kernel_with(linker: Linker) -> Kernel:
    class Plugin:
        @hookimpl
        def hatframe_linkers(self) -> list[Linker]:
            return [linker]

    return Kernel([Plugin()])


def test_one_loop_serves_all_functions_of_a_signature_and_all_later_processes(hat: Path) -> None:
    linker = Counting()
    for loader in LOADERS:
        package = load(hat, loader, kernel=kernel_with(linker))
        for n in range(50):
            x, y = np.ones(1, np.float32), np.zeros(1, np.float32)
            package[f"same_{n}"].timer([[x, y]]).run(2)
            assert y[0] == n + 1
        assert linker.compiled == 1
    assert len(timers_folder()) == 1
    package["count"].timer([[]])
    assert linker.compiled == 2


def test_functions_with_the_same_arguments_share_their_table_as_long_as_it_is_used(hat: Path) -> None:
    package = load(hat)

    class Sets(list[Any]):
        """A list that can be watched."""

    sets = Sets([np.ones(1, np.float32), np.zeros(1, np.float32)] for _ in range(100))
    timers = [package[f"same_{n}"].timer(sets) for n in range(3)]
    assert len({id(timer._timer._table) for timer in timers}) == 1
    other = Sets(list(arguments) for arguments in sets)
    assert package["same_4"].timer(other)._timer._table is not timers[0]._timer._table
    gone = weakref.ref(sets)
    del timers, sets
    gc.collect()
    assert gone() is None, "the inputs that no timer uses are given back"


@pytest.mark.slow
def test_two_processes_that_need_a_loop_at_once_compile_it_once(hat: Path) -> None:
    context = multiprocessing.get_context("spawn")
    with context.Pool(2) as pool:
        compiled = pool.map(_compile_one, [str(hat)] * 2)
    assert sum(compiled) == 1
    assert len(timers_folder()) == 1


def _compile_one(hat: str) -> int:
    linker = Counting()
    y = np.zeros(1, np.float32)
    load(Path(hat), kernel=kernel_with(linker))["same_1"].timer([[np.ones(1, np.float32), y]]).run(1)
    assert y[0] == 2
    return linker.compiled


@pytest.mark.parametrize("c_type", [*SLOT_TYPES, None])
def test_a_loop_of_any_signature_is_c_without_a_warning(tmp_path: Path, c_type: str | None) -> None:
    arguments = () if c_type is None else (c_type,) * 3
    result = None if c_type == POINTER else c_type
    receivers = (0, 2) if c_type == POINTER else ()
    source = tmp_path / "loop.c"
    source.write_text(LoopSignature(result, arguments, receivers).source())
    import subprocess

    from sample_packages import compiler

    flags = ["-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-O2", "-c", "-o"]
    subprocess.run([compiler(), *flags, str(tmp_path / "loop.o"), str(source)], check=True)
    assert LOOP_SYMBOL in source.read_text()


# ------------------------------------------------------------------------------------------------- without a compiler


@pytest.fixture(params=["no plugin", "no program"])
def without_compiler(request: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Kernel]:
    def kernel(**more: Any) -> Kernel:
        if request.param == "no plugin":
            return Kernel(disabled=LINKERS, **more)
        monkeypatch.setenv("PATH", "")
        # That of the package ziglang needs no PATH.
        return Kernel(disabled=["zig"], **more)

    return kernel


@pytest.mark.parametrize("loader", ["cffi", "ctypes"])
def test_without_a_compiler_python_measures_which_is_logged_once(
    hat: Path, loader: str, without_compiler: Callable[..., Kernel], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "hatframe")
    package = load(hat, loader, "auto", without_compiler())
    for n in range(5):
        y = np.zeros(1, np.float32)
        timer = package[f"same_{n}"].timer([[np.ones(1, np.float32), y]])
        assert timer.name == "python"
        timer.run(3)
        assert y[0] == n + 1
    assert package["count"].timer([[]]).name == "python"
    (message,) = caplog.messages
    assert "Python" in message


def test_a_native_timer_that_was_asked_for_is_an_error_without_a_compiler(
    hat: Path, without_compiler: Callable[..., Kernel]
) -> None:
    package = load(hat, timer="native", kernel=without_compiler())
    with pytest.raises(PluginError, match="can produce"):
        package["count"].timer([[]])


@pytest.mark.parametrize("loader", LOADERS)
def test_a_timer_that_there_is_not_is_refused(hat: Path, loader: str) -> None:
    with pytest.raises(UsageError, match="sundial"):
        load(hat, loader, "sundial")


def test_an_unwritable_cache_is_a_note_and_python_measures(
    hat: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("HATFRAME_CACHE_DIR", str(tmp_path / "file"))
    caplog.set_level("INFO", "hatframe")
    assert load(hat, timer="auto", kernel=Kernel())["count"].timer([[]]).name == "python"
    assert "the timing loop cannot be kept" in caplog.messages[0]
    with pytest.raises(LinkError, match="HATFRAME_CACHE_DIR"):
        load(hat, timer="native")["count"].timer([[]])


def test_a_compiler_that_fails_is_an_error(tmp_path: Path) -> None:
    class Failing(Counting):
        def compile(self, source: Path, output: Path, **more: Any) -> None:
            raise LinkError("the disk is full")

    with pytest.raises(HatError, match="the disk is full"):
        native_loop(LoopSignature(None, ()), Failing(), tmp_path)
    assert list(tmp_path.glob("[!.]*")) == []
    assert isinstance(native_loop(LoopSignature(None, ()), Counting(), tmp_path), NativeLoop)


@pytest.mark.parametrize("sets", [1, 3, 5000])
def test_a_quick_function_that_allocates_is_called_as_often_as_is_asked(tmp_path: Path, sets: int) -> None:
    source = """
    #include <stddef.h>
    static long long calls;
    void quick(float **out, int *n) { *out = NULL; *n = 0; calls++; }
    long long count(void) { return calls; }
    """
    functions = {
        "quick": function(runtime("out", "n", usage="output", declared="float**"), element("n", usage="output")),
        "count": function(returns=returns("long long")),
    }
    package = Kernel().load(make_package(tmp_path, source, functions), timer="native")
    timer = package["quick"].timer([make_arguments(package["quick"].plan, {}, lambda name, array: None)] * sets)
    before = package["count"]()
    seconds = timer.run(3_000_000).seconds
    assert package["count"]() - before == 3_000_000
    assert seconds > 3_000_000 * 0.2e-9, "no processor calls a function in less"


@pytest.mark.parametrize("damage", ["cut", "overwritten"])
def test_a_damaged_loop_is_compiled_again(tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    linker = Counting()
    native_loop(LoopSignature(None, ()), linker, tmp_path / "timers")
    (path,) = (tmp_path / "timers").glob("*/loop.so")
    whole = path.read_bytes()
    path.unlink()  # it is loaded in this process
    path.write_bytes(whole[: len(whole) // 2] if damage == "cut" else bytes(len(whole)))
    native_loop(LoopSignature(None, ()), linker, tmp_path / "timers")
    assert linker.compiled == 2
    assert path.read_bytes() == whole
    assert len(caplog.messages) == 1
