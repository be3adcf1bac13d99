"""The contract of each kind of backend: Loader, Linker, Sink, Probe and Observer.

A plugin subclasses these and returns instances from its hooks (see :mod:`hatframe.hookspecs`). Times are in
seconds and sizes in bytes throughout. Importing a plugin must be cheap: import heavy modules in the methods.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from hatframe.machine import Facts, Machine, Platform

if TYPE_CHECKING:
    from hatframe.format.model import Function
    from hatframe.packages.package import Package
    from hatframe.results.model import FunctionResult, ResultsDocument, RunInfo


class Availability(msgspec.Struct, frozen=True):
    """Whether a backend can work on this machine; if not, why, and what to install."""

    available: bool = True
    reason: str = ""
    install: str = ""

    def __bool__(self) -> bool:
        return self.available


class Backend(abc.ABC):
    """What all kinds share: a name, a line about itself, and whether it can work here."""

    name: ClassVar[str]
    """What the option on the command line takes: lower case, without spaces."""
    summary: ClassVar[str]
    """One line for ``hatframe plugins``."""
    priority: ClassVar[int] = 0
    """Where none is chosen by name, the available one with the highest is taken; ties go by name."""

    def availability(self) -> Availability:
        """Whether it can work on this machine. Must be cheap, and must not raise."""
        return Availability()


# ---------------------------------------------------------------------------------------------------- loaders


class Measurement(msgspec.Struct, frozen=True):
    """What a timer measured over one batch of calls: the seconds of the whole batch, and any counters."""

    seconds: float
    counters: dict[str, float] = {}


class Timer(abc.ABC):
    """A function with its argument sets, ready to be measured."""

    name: ClassVar[str]
    """How it measures, as results tell it: ``python`` for a loop in Python."""
    overhead: float = 0.0
    """Seconds that each call costs in the loop itself, beside the function; 0 where it is not known to."""
    subtracts_overhead: bool = False
    """Whether what it measures is without the overhead already."""

    @abc.abstractmethod
    def run(self, calls: int) -> Measurement:
        """Make ``calls`` calls, going through the argument sets in turn and round again, and measure them."""


class BoundFunction(abc.ABC):
    """A function of an opened library, ready to be called with numpy arrays."""

    function: Function
    loader: str = ""
    """The name of the loader that bound it, as results tell it; set by the kernel."""

    @property
    def name(self) -> str:
        """The function's full name."""
        return self.function.name

    @abc.abstractmethod
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Check the arguments against the metadata, call the function, and return what it gives back.

        Raises :class:`hatframe.errors.CallError` before the call where an argument does not fit.
        """

    @abc.abstractmethod
    def prepare_call(self, *args: Any, **kwargs: Any) -> Callable[[], Any]:
        """Check and convert the arguments once; what comes back makes the same call again and again.

        The arrays stay alive as long as it does, and their contents may change between calls.
        """

    @abc.abstractmethod
    def prepare(self, argument_sets: Sequence[Sequence[Any]]) -> Timer:
        """A timer that calls the function with each of ``argument_sets`` in turn (all parameters, in order)."""

    @abc.abstractmethod
    def argument_bytes(self, sizes: Mapping[str, int]) -> int:
        """The bytes of all arrays that one call of :meth:`make_arguments` with these ``sizes`` allocates."""

    @abc.abstractmethod
    def make_arguments(self, sizes: Mapping[str, int], fill: Callable[[str, Any], None]) -> Sequence[Any]:
        """One argument set for a benchmark: values for all parameters in declared order.

        ``sizes`` gives the dimensions of runtime-sized arrays; ``fill`` is called with the name of each parameter that
        the function reads and its numpy array, and fills it in place. Arrays are aligned to 64 bytes.
        """


class Library(abc.ABC):
    """An opened package."""

    @abc.abstractmethod
    def bind(self, function: Function) -> BoundFunction:
        """Find ``function`` in the library; :class:`hatframe.errors.SymbolError` where it is not there."""

    def close(self) -> None:  # noqa: B027 - most have nothing to do
        """Release what the library holds; no bound function is used afterwards."""


class LoadContext(msgspec.Struct, frozen=True, kw_only=True):
    """What a loader may know and ask for while it opens a package."""

    machine: Machine
    cache_folder: Path
    """A folder of the user's that the loader may keep files in."""
    dynamic_library: Callable[[Package], Path]
    """The package's dynamic library; a static one is linked into the cache first."""
    linker: Callable[[], Linker]
    """The linker for this machine; :class:`hatframe.errors.PluginError` where there is none."""
    notify: Callable[[str], None]
    """Say something to the user, in one line."""
    options: Mapping[str, str] = {}
    """Options for this loader, by name."""


class Loader(Backend):
    """Opens packages and calls their functions."""

    runtimes: ClassVar[frozenset[str]] = frozenset()
    """The ``runtime`` values of functions that it serves, in lower case; none for a loader of host functions."""

    @abc.abstractmethod
    def open(self, package: Package, context: LoadContext) -> Library:
        """Open the library of a package."""


# ---------------------------------------------------------------------------------------------------- linkers


class SharedLibrary(msgspec.Struct, frozen=True, kw_only=True):
    """A shared library to link.

    ``objects`` are linked as they are; of ``archives`` every member is linked, whether anything refers to it or
    not. ``exports`` are all the functions that it exports. ``libraries`` are names without prefix and suffix
    (``m``) or paths; names are looked for in ``library_folders``. ``run_folders`` are where the library looks for those
    that it needs when it is loaded; a relative one is relative to the folder that the library itself then lies in.
    ``flags`` go to the linker as they are, one argument each. A library for Windows has an import library beside it,
    for programs to link with: ``import_library``, which other platforms leave alone.
    """

    output: Path
    platform: Platform = msgspec.field(default_factory=Platform.host)
    objects: tuple[Path, ...] = ()
    archives: tuple[Path, ...] = ()
    exports: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    library_folders: tuple[Path, ...] = ()
    run_folders: tuple[Path, ...] = ()
    flags: tuple[str, ...] = ()
    import_library: Path | None = None


class Linker(Backend):
    """Compiles C, links shared libraries and makes archives, for the platforms that it names.

    Where a method takes a ``platform``, None means this machine.
    """

    def version(self) -> str:
        """What the tool says it is, in one line: libraries in the cache are made again when it changes."""
        return ""

    @abc.abstractmethod
    def platforms(self) -> frozenset[Platform]:
        """The platforms that it can produce for on a machine like this, also where it is not installed."""

    @abc.abstractmethod
    def compile(
        self,
        source: Path,
        output: Path,
        *,
        platform: Platform | None = None,
        include_folders: Sequence[Path] = (),
        flags: Sequence[str] = (),
    ) -> None:
        """Compile the C file ``source`` to the object ``output``, fit for a shared library.

        Raises :class:`hatframe.errors.LinkError` with what the compiler said.
        """

    @abc.abstractmethod
    def preprocess(
        self,
        source: Path,
        *,
        platform: Platform | None = None,
        include_folders: Sequence[Path] = (),
        flags: Sequence[str] = (),
    ) -> str:
        """The C file ``source`` as its preprocessor leaves it, with comments and line markers.

        Raises :class:`hatframe.errors.LinkError` with what the preprocessor said.
        """

    @abc.abstractmethod
    def optimization(self, level: int, processor: str = "", platform: Platform | None = None) -> tuple[str, ...]:
        """The compiler's flags for an optimization ``level`` from 0 to 3, and for the code of a ``processor``.

        ``processor`` is ``native`` for the one of this machine, the compiler's own name for one, or empty for any.
        Raises :class:`hatframe.errors.UsageError` where it cannot compile for that.
        """

    @abc.abstractmethod
    def link_shared(self, library: SharedLibrary) -> None:
        """Link a shared library; a symbol that stays undefined is a :class:`hatframe.errors.LinkError`."""

    @abc.abstractmethod
    def archive(self, objects: Sequence[Path], output: Path, *, platform: Platform | None = None) -> None:
        """Put object files into a new archive (a static library)."""


# ------------------------------------------------------------------------------------------------------ sinks


class SinkOption(msgspec.Struct, frozen=True, kw_only=True):
    """An option that a sink adds to ``hatframe bench``. Giving it on the command line turns the sink on.

    ``names`` are all its spellings, the first is the main one (``--store-in-hat``). A ``flag`` takes no value
    and arrives as ``"true"``. The sink finds the value under the first name without dashes, in snake case.
    """

    names: tuple[str, ...]
    help: str
    flag: bool = False
    metavar: str = "TEXT"

    @property
    def key(self) -> str:
        """The key of the value in the options that the sink is opened with: ``store_in_hat``."""
        return self.names[0].lstrip("-").replace("-", "_")


class SinkRun(abc.ABC):
    """A sink that was opened for one run."""

    @abc.abstractmethod
    def add(self, result: FunctionResult) -> None:
        """Take one final result."""

    @abc.abstractmethod
    def close(self, document: ResultsDocument) -> str:
        """The run has ended; ``document`` holds everything. Return a line for the user, such as where it went.

        Is also called after a fault or Ctrl-C, with the results so far.
        """


class Sink(Backend):
    """Writes results somewhere. The results document itself is the core's, in :mod:`hatframe.results`."""

    options: ClassVar[tuple[SinkOption, ...]] = ()

    @abc.abstractmethod
    def open(self, run: RunInfo, path: Path | None, options: Mapping[str, str]) -> SinkRun:
        """Get ready for a run, and fail now rather than after it: :class:`hatframe.errors.SinkError`.

        ``path`` is what ``--sink NAME=PATH`` gave, or None; ``options`` holds the sink's own that were given. A
        request that makes no sense, such as a path for a sink that takes none, is a
        :class:`hatframe.errors.UsageError`.
        """


# ----------------------------------------------------------------------------------------------------- probes


class Probe(Backend):
    """Tells facts of the machine."""

    @abc.abstractmethod
    def facts(self) -> Facts:
        """Ask the operating system; what it does not tell is left out, never guessed."""


# -------------------------------------------------------------------------------------------------- observers


class Observer:
    """Is told how a run goes on. Every method may be left out."""

    def run_started(self, run: RunInfo, functions: int) -> None:
        """A run of ``functions`` functions begins."""

    def function_started(self, name: str) -> None:
        """A function is about to be measured."""

    def progress(self, name: str, fraction: float) -> None:
        """A function is measured to ``fraction`` (0 to 1)."""

    def function_finished(self, result: FunctionResult) -> None:
        """A function's result is final."""

    def run_finished(self, document: ResultsDocument) -> None:
        """The run has ended, also after a fault or Ctrl-C."""

    def message(self, text: str) -> None:
        """Something that the user should know, in one line."""
