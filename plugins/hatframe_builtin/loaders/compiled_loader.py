"""The loader ``compiled``: calls through callers in C, which are generated and compiled once for each package."""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import itertools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from hatframe import HatError, hookimpl
from hatframe.plugin import (
    Availability,
    Bucket,
    CallPlan,
    ForeignInterface,
    Function,
    HostLoader,
    LinkError,
    LoadContext,
    Package,
    Platform,
    SharedLibrary,
    cached_file,
    is_cached,
    plan_call,
    private_folder,
)

if TYPE_CHECKING:
    from hatframe.plugin import HostFunction

CALLERS = Bucket(name="callers", summary="callers of functions in C, one library per package", pattern="[0-9a-f]{32}")

_NAME = "callers.so"


class CompiledLoader(HostLoader):
    name = "compiled"
    summary = "host functions, by callers in C that are compiled once for each package"
    priority = -1
    needs_linker = True

    def availability(self) -> Availability:
        if sys.implementation.name != "cpython":
            return Availability(False, f"it is for CPython, and this is {sys.implementation.name}")
        # Free-threaded and debug builds have more there than the reference count and the type.
        if object.__basicsize__ != 2 * ctypes.sizeof(ctypes.c_void_p):
            return Availability(False, "it needs a Python with a global interpreter lock, and not a debug build")
        return Availability()

    def interface(self) -> ForeignInterface:
        # What makes the calls that callers in C leave to Python.
        if importlib.util.find_spec("cffi") is None:
            from hatframe_builtin.loaders.ctypes_loader import CtypesInterface

            return CtypesInterface()
        from hatframe_builtin.loaders.cffi_loader import CffiInterface

        return CffiInterface()

    def suitability(self, package: Package, context: LoadContext) -> int:
        # To compile takes as long as hundreds of thousands of calls save: only what is there is used unasked.
        return int(is_cached(context.cache_folder / CALLERS.name, _parts(package), _NAME))

    def functions(self, package: Package, context: LoadContext) -> Callable[..., HostFunction]:
        return _PackageCallers(package, context).function


class _PackageCallers:
    """The callers of a package, which are compiled when its first function is bound."""

    def __init__(self, package: Package, context: LoadContext) -> None:
        self._package = package
        self._context = context

    @functools.cached_property
    def _library(self) -> CallerLibrary:
        return CallerLibrary.at(_compiled(self._package, self._context))

    def function(self, plan: CallPlan, *arguments: Any) -> HostFunction:
        """The bound function of a plan; the other arguments are those of :class:`HostFunction`."""
        return self._library.function(plan, *arguments)


def _compiled(package: Package, context: LoadContext) -> Path:
    """The library of the callers of a package, compiled into the cache unless it is there."""
    folder = context.cache_folder / CALLERS.name
    try:
        return cached_file(folder, _parts(package), _NAME, lambda: _compile(package, context))
    except OSError as error:
        raise LinkError(
            f"the callers cannot be kept: {error}",
            where=str(folder),
            hint="set HATFRAME_CACHE_DIR to a folder that can be written, and run from",
        ) from None


def _host_functions(package: Package) -> list[Function]:
    return [function for function in package.functions.values() if not function.runtime]


def _parts(package: Package) -> list[bytes]:
    """What decides the callers. Any compiler will do: their code calls nothing but Python and the functions."""
    signatures = [(function.name, function.arguments, function.return_value) for function in _host_functions(package)]
    return [_generator(), str(Platform.host()).encode(), msgspec.msgpack.encode(signatures)]


@functools.cache
def _generator() -> bytes:
    """The code that generates callers: another version may make others of the same functions."""
    return b"".join(Path(__file__).with_name(name).read_bytes() for name in ("callers.py", "callers.c"))


def _compile(package: Package, context: LoadContext) -> bytes:
    from hatframe_builtin.loaders import callers

    plans = []
    for function in _host_functions(package):
        try:
            plans.append(plan_call(function))
        except HatError:  # which binding it raises
            continue
    linker = context.linker()
    with private_folder() as folder:
        source, made, output = folder / "callers.c", folder / "callers.o", folder / _NAME
        source.write_text(callers.source(plans), encoding="utf-8")
        linker.compile(source, made, flags=linker.optimization(1))
        linker.link_shared(SharedLibrary(output=output, objects=(made,), exports=callers.EXPORTS))
        return output.read_bytes()


class CallerLibrary:
    """A library of callers that is loaded into this process, for good: its functions may be in use anywhere."""

    def __init__(self, path: Path) -> None:
        import numpy as np

        from hatframe_builtin.loaders import callers

        library = ctypes.PyDLL(str(path))
        objects = {
            **{"None": None, "True": True, "False": False, "int_": int, "float_": float},
            **{name: getattr(np, name) for name in ("ndarray", "generic", "integer", "floating")},
            **{"from_bits": _from_bits, "slow_name": "call_by_python"},
        }
        # What the library refers to for as long as the process runs.
        self._kept: list[Any] = [objects[name] for name in callers.OBJECTS]
        library.hatframe_python_names.restype = ctypes.POINTER(ctypes.c_char_p)
        names = itertools.takewhile(bool, (library.hatframe_python_names()[index] for index in itertools.count()))
        functions = [ctypes.cast(getattr(ctypes.pythonapi, name.decode()), ctypes.c_void_p) for name in names]
        library.hatframe_start(
            (ctypes.c_void_p * len(functions))(*functions), (ctypes.py_object * len(self._kept))(*self._kept)
        )
        self._set_dtype = _typed(library.hatframe_set_dtype, None, ctypes.c_int, ctypes.py_object)
        self._bind = _typed(library.hatframe_bind, ctypes.c_int, ctypes.py_object, ctypes.c_char_p)
        self.set_address = _typed(library.hatframe_set_address, None, ctypes.py_object, ctypes.c_void_p)
        self.prepare = _typed(
            library.hatframe_prepare, ctypes.py_object, ctypes.py_object, ctypes.c_void_p, *[ctypes.py_object] * 3
        )
        self._elements = callers.ELEMENTS
        for kind, size in (
            ("uint", 1),
            ("int", 4),
            ("float", 8),
        ):  # of memory that arrays are views of, and of the test
            self._add(kind, size, np.dtype(f"{kind}{8 * size}"))
        self.use_numpy_struct = _typed(library.hatframe_use_numpy_struct, None, ctypes.c_int)
        self.use_numpy_struct(_has_known_struct(_typed(library.hatframe_describe, None, *_DESCRIBE)))
        make_type = _typed(library.hatframe_type, ctypes.py_object, ctypes.py_object, ctypes.c_ssize_t)
        self._function_class = _function_class(make_type)

    @staticmethod
    @functools.cache
    def at(path: Path) -> CallerLibrary:
        """The library of a file, which this process loads once."""
        return CallerLibrary(path)

    def function(
        self, plan: CallPlan, interface: ForeignInterface, library: Any, c_function: Any, *others: Any
    ) -> HostFunction:
        """The bound function of a plan, with its caller if it has one; the arguments are those of HostFunction."""
        from hatframe.plugin import HostFunction

        for element in (*(argument.element for argument in plan.arguments), *filter(None, [plan.returns])):
            self._add(element.kind, element.size, element.dtype)
        compiled: HostFunction = self._function_class(plan, interface, library, c_function, *others)
        if self._bind(compiled, plan.function.name.encode()):
            compiled.callers = self  # type: ignore[attr-defined]
            compiled.address = interface.address_of(c_function)  # type: ignore[attr-defined]
            return compiled
        return HostFunction(plan, interface, library, c_function, *others)

    def _add(self, kind: str, size: int, dtype: Any) -> None:
        self._kept.append(dtype)
        self._set_dtype(self._elements[kind, size], dtype)


def _typed(function: Any, result: Any, *arguments: Any) -> Any:
    function.restype, function.argtypes = result, arguments
    return function


def _from_bits(dtype: Any, bits: int) -> Any:
    import numpy as np

    return np.array(bits, np.uint16).view(dtype)[()]


_DESCRIBE = (ctypes.py_object, ctypes.POINTER(ctypes.c_int64))


def _has_known_struct(describe: Callable[[Any, Any], None]) -> bool:
    """Whether numpy arrays are in memory what ``callers.c`` expects: ``describe`` tells what it finds there."""
    import numpy as np

    if int(np.__version__.partition(".")[0]) > 2:
        return False
    whole = np.arange(24, dtype=np.float64).reshape(2, 3, 4)
    locked = np.zeros(3, np.int32)
    locked.flags.writeable = False
    odd = np.zeros(17, np.uint8)[1:].view(np.float64)
    for array in (whole, whole[:, ::-2, 1:], whole.T, np.zeros(()), locked, odd, np.zeros((0, 2))):
        facts = (ctypes.c_int64 * 22)()
        describe(array, facts)
        flags = array.flags
        expected = [
            *(id(type(array)), array.ctypes.data, array.ndim),
            flags.c_contiguous + 2 * flags.f_contiguous + 0x100 * flags.aligned + 0x400 * flags.writeable,
            *(id(array.base) if array.base is not None else 0, id(array.dtype)),
        ]
        if [*facts[:6], *facts[6 : 6 + array.ndim], *facts[14 : 14 + array.ndim]] != [
            *expected,
            *array.shape,
            *array.strides,
        ]:
            return False
    return True


def _function_class(make_type: Callable[[tuple[type, ...], int], type]) -> Any:
    """The class of functions that have a caller: ``make_type`` makes a type whose objects have room for it."""
    from hatframe.plugin import Answering, HostFunction

    class CompiledFunction(HostFunction):
        """A C function that a caller in C checks the arguments of and calls; the other calls come here."""

        callers: CallerLibrary
        address: int

        def call_by_python(self, *args: Any, **kwargs: Any) -> Any:
            """Make a call that its caller left to Python: the first, odd ones, and those that are an error."""
            return Answering.__call__.__get__(self)(*args, **kwargs)

        def _use_whole_call(self) -> None:
            if self.keeps_mode:
                self.callers.set_address(self, self.address)
            if not self.keeps_mode:  # or it was closed in the meantime
                self.callers.set_address(self, None)
                super()._use_whole_call()

        def prepare_call(self, *args: Any, **kwargs: Any) -> Callable[[], Any]:
            prepared = None
            kept = self._library
            if self.keeps_mode is not False and kept:
                given = (*args, *kwargs.values())
                prepared = self.callers.prepare(self, self.address, given, tuple(kwargs), kept)
            return prepared or super().prepare_call(*args, **kwargs)

        def restore_mode(self) -> None:
            super().restore_mode()
            self.callers.set_address(self, None)

        def close(self) -> None:
            self.callers.set_address(self, None)
            super().close()

    # Before 3.12, a class that Python makes does not inherit the direct way of calls; from 3.12 on, C may not make one
    # of a class that is abstract.
    if sys.version_info < (3, 12):
        return make_type((CompiledFunction,), CompiledFunction.__basicsize__)
    caller = make_type((Answering,), Answering.__basicsize__)
    return type(CompiledFunction)("CompiledFunction", (caller, CompiledFunction), {})


@hookimpl
def hatframe_loaders() -> list[CompiledLoader]:
    return [CompiledLoader()]
