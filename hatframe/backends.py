"""The contract of each kind of backend: Loader, Linker, Sink, Probe, Meter and Observer.

A plugin subclasses these and returns instances from its hooks (see :mod:`hatframe.hookspecs`). Times are in
seconds and sizes in bytes throughout. Importing a plugin must be cheap: import heavy modules in the methods.
"""

from __future__ import annotations

import abc
import copy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import msgspec

from hatframe.format.model import Function, Parameter, Required
from hatframe.machine import Facts, Machine, Platform
from hatframe.packages.package import Package
from hatframe.results.model import FunctionResult, ResultsDocument, RunInfo

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]
else:
    Array = Any  # numpy is imported where it is used

BackendT = TypeVar("BackendT", bound="Backend")


class Availability(msgspec.Struct, frozen=True):
    """Whether a backend can work on this machine; if not, why, and what to install."""

    available: bool = True
    reason: str = ""
    install: str = ""

    def __bool__(self) -> bool:
        return self.available


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """An option that a backend adds to the commands that use it.

    ``names`` are all its spellings, the main one first (``--store-in-hat``). A ``flag`` takes no value, and its value
    is ``"true"``. ``choices`` lists the values that it takes, if they are few.
    """

    names: tuple[str, ...]
    help: str
    flag: bool = False
    metavar: str = "TEXT"
    choices: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The keyword of the option in Python, and its key in :attr:`Backend.settings`: ``store_in_hat``."""
        return self.names[0].lstrip("-").replace("-", "_")


class Backend(abc.ABC):
    """What all kinds share: a name, a summary, options, and whether it can work here."""

    name: ClassVar[str]
    """The value of the command-line option that selects it: lower case, without spaces."""
    summary: ClassVar[str]
    """One line for ``hatframe plugins``."""
    priority: ClassVar[int] = 0
    """Without a choice by name, the available backend with the highest priority is used; ties go by name."""
    options: ClassVar[tuple[Option, ...]] = ()
    """Options of its own; they appear on the commands that use this kind of backend."""
    settings: Mapping[str, str] = {}
    """The values of its options in this run, by :attr:`Option.key`; options that are not given are missing."""

    def availability(self) -> Availability:
        """Whether it can work on this machine. Must be cheap, and must not raise."""
        return Availability()

    def configured(self: BackendT, options: Mapping[str, str]) -> BackendT:
        """A copy with those of ``options`` that it declares as its settings."""
        configured = copy.copy(self)
        configured.settings = {option.key: options[option.key] for option in self.options if option.key in options}
        return configured


class Measurement(msgspec.Struct, frozen=True):
    """What was measured over one batch of calls: the seconds of the whole batch, and any counters.

    ``first`` is the argument set of the first call; None if unknown.
    """

    seconds: float
    counters: dict[str, float] = {}
    first: int | None = None


class Timer(abc.ABC):
    """Calls a function with argument sets in turn, and measures the calls."""

    name: ClassVar[str]
    """How it measures, as results show it: ``python`` for a loop in Python."""
    overhead: float = 0.0
    """Seconds that the loop itself adds to each call; 0 if unknown."""
    subtracts_overhead: bool = False
    """Whether the overhead is already subtracted from what it measures."""

    keeps_alive: object = None
    """What must exist while the timer does, such as the library."""

    @abc.abstractmethod
    def run(self, calls: int) -> Measurement:
        """Make ``calls`` calls, going through the argument sets in turn and round again, and measure them."""


class Memory(abc.ABC):
    """The memory that the arrays of argument sets live in: the host's, or that of a device."""

    name: str
    """``host``, or the device: argument sets in memory of one name share what is available there."""
    cache_size: int | None = None
    """Bytes of the last cache in front of this memory; None if unknown."""

    @abc.abstractmethod
    def available(self) -> int | None:
        """The bytes that can be allocated now; None if unknown."""

    @abc.abstractmethod
    def place(self, array: Array) -> Any:
        """Put an array of the host there, and return what a call takes for it. Contents and layout are kept."""

    @abc.abstractmethod
    def read(self, placed: Any) -> Array:
        """The present contents of a placed array, as an array of the host; the host's memory returns it uncopied."""

    @abc.abstractmethod
    def write(self, placed: Any, array: Array) -> None:
        """Replace the contents of a placed array by those of ``array``, which has its shape and dtype."""

    def free(self, placed: Any) -> None:  # noqa: B027 - the host's memory frees itself
        """Free a placed array."""


INPUT_DATA = ("random", "zeros", "ones")
"""The kinds of input data; any other is the path of an ``.npz`` file."""


class WorkloadSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a benchmark asks of a workload.

    ``sizes`` gives the dimensions of runtime-sized functions, and ``values`` other scalars. ``input_data`` is
    ``random``, ``zeros``, ``ones`` or the path of an ``.npz`` file with an array for each array that is read, by name;
    ``seed`` seeds random numbers.
    """

    sizes: dict[str, int] = {}
    values: dict[str, int | float] = {}
    input_data: str = "random"
    seed: int = 0


class Workload(abc.ABC):
    """A bound function with its argument sets, in whatever memory they live, ready to run in batches.

    It describes itself before anything is allocated; :meth:`run` may be called once :meth:`allocate` was.
    :class:`hatframe.plugin.ArrayWorkload` is the usual implementation.
    """

    memory: Memory
    set_bytes: int
    """The bytes of one argument set."""
    key: str
    """Workloads of the same key may use the same argument sets."""
    sets: int = 0
    """The number of argument sets, once they are allocated."""
    timer: str = ""
    """How it measures, as results show it."""
    overhead: float = 0.0
    """Seconds that the timing loop adds to each call; 0 if unknown."""
    overhead_subtracted: bool = False
    """Whether the overhead is already subtracted from what :meth:`run` measures."""

    @abc.abstractmethod
    def allocate(self, sets: int, like: Workload | None = None) -> None:
        """Make ``sets`` argument sets, or use those of ``like``, an allocated workload of the same ``key``."""

    @abc.abstractmethod
    def run(self, calls: int) -> Measurement:
        """Make ``calls`` calls, going through the argument sets in turn and round again, and measure them."""

    @abc.abstractmethod
    def restore(self) -> bool:
        """If values drifted out of the normal numbers, write the first values back; returns whether it did."""

    def reset(self) -> bool:
        """Write the first values back to every argument set that calls may have changed.

        Returns False for a function that changes nothing that it reads: there is nothing to write.
        """
        return False

    def damage(self) -> str:
        """Where memory outside the argument sets was overwritten, in a few words; empty if that is not known."""
        return ""

    @abc.abstractmethod
    def values(self, index: int) -> list[Any]:
        """The present arguments of set ``index`` in declared order: numbers, and arrays of the host or copies."""

    def release(self) -> None:  # noqa: B027 - most memory frees itself
        """Free the argument sets; the last workload that uses them calls this."""


class BoundFunction(abc.ABC):
    """A function of an opened library, ready to be called with numpy arrays."""

    function: Function
    loader: str = ""
    """The name of the loader that bound it, as results show it; set by the kernel."""
    parameters: Mapping[str, Parameter] = {}
    """The metadata of each parameter, by the name that a call takes; set by the kernel."""
    reopen: Callable[[], Mapping[str, BoundFunction]] | None = None
    """Opens the same package again, in a process that loads a pickle of this function; set by the kernel."""

    @property
    def name(self) -> str:
        """The function's full name."""
        return self.function.name

    def __reduce__(self) -> tuple[Any, ...]:
        if self.reopen is None:
            import pickle

            raise pickle.PicklingError(f"{self.name} was not bound by a kernel")
        return _bound_again, (self.reopen, self.name)

    @abc.abstractmethod
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Check the arguments against the metadata, call the function, and return its results.

        Raises :class:`hatframe.errors.CallError` before the call if an argument does not fit.
        """

    @abc.abstractmethod
    def prepare_call(self, *args: Any, **kwargs: Any) -> Callable[[], Any]:
        """Check and convert the arguments once; the returned callable makes the same call again and again.

        The arrays stay alive as long as it does, and their contents may change between calls.
        """

    @abc.abstractmethod
    def workload(self, spec: WorkloadSpec) -> Workload:
        """A workload of this function. Nothing is allocated yet.

        Raises a :class:`hatframe.HatError` if ``spec`` lacks a size, or asks for input data that cannot be made.
        """


def _bound_again(reopen: Callable[[], Mapping[str, BoundFunction]], name: str) -> BoundFunction:
    return reopen()[name]


class Library(abc.ABC):
    """An opened package."""

    @abc.abstractmethod
    def bind(self, function: Function) -> BoundFunction:
        """Find ``function`` in the library; :class:`hatframe.errors.SymbolError` if it is missing."""

    def close(self) -> None:  # noqa: B027 - most have nothing to do
        """Release what the library holds; bound functions are not used afterwards."""


class LoadContext(msgspec.Struct, frozen=True, kw_only=True):
    """What a loader knows, and may ask for, while it opens a package."""

    machine: Machine
    cache_folder: Path
    """A folder of the user's that the loader may keep files in."""
    dynamic_library: Callable[[Package], Path]
    """The package's dynamic library; a static one is linked into the cache first."""
    linker: Callable[[], Linker]
    """The linker for this machine; :class:`hatframe.errors.PluginError` where there is none."""


class Loader(Backend):
    """Opens packages and calls their functions."""

    runtimes: ClassVar[frozenset[str]] = frozenset()
    """The ``runtime`` values of functions that it serves, in lower case; none for a loader of host functions."""
    needs_linker: ClassVar[bool] = False
    """Whether it asks for a linker to open a package: it is unavailable where none can produce for this machine."""

    def suitability(self, package: Package, context: LoadContext) -> int:
        """How well it suits a package now, beside other loaders: that of the highest is the default for host functions.

        Ties go by :attr:`priority`. Must be cheap, and must not run code of the package.
        """
        return 0

    @abc.abstractmethod
    def open(self, package: Package, context: LoadContext) -> Library:
        """Open the library of a package."""

    def unmet_requirements(self, required: Required) -> list[str]:
        """What this loader's devices are known not to meet of ``[target.required]``, one sentence each.

        The kernel checks the operating system and the CPU; a loader with :attr:`runtimes` checks its devices, such as
        by ``required.gpu``. Whatever is unknown counts as met.
        """
        return []


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


class SinkRun(abc.ABC):
    """A sink that was opened for one run."""

    @abc.abstractmethod
    def add(self, result: FunctionResult) -> None:
        """Take one final result; a resumed run (:attr:`RunInfo.id`) adds those of the interrupted one again."""

    @abc.abstractmethod
    def close(self, document: ResultsDocument) -> str:
        """The run has ended; ``document`` holds everything. Return a line for the user, such as where it went.

        Is also called after a fault or Ctrl-C, with the results so far.
        """


class Sink(Backend):
    """Writes results somewhere. Giving one of its options on the command line turns it on."""

    @abc.abstractmethod
    def open(self, run: RunInfo, path: Path | None) -> SinkRun:
        """Get ready for a run, and fail now rather than after it: :class:`hatframe.errors.SinkError`.

        ``path`` is the one of ``--sink NAME=PATH``, or None. A contradictory request, such as a path for a sink that
        takes none, is a :class:`hatframe.errors.UsageError`.
        """


class Probe(Backend):
    """Reports facts of the machine, which stay, and readings, which change."""

    @abc.abstractmethod
    def facts(self) -> Facts:
        """Ask the operating system; what it does not report is left out, never guessed."""

    def readings(self) -> Mapping[str, Any]:
        """The state of the machine now, as plain JSON: frequencies, temperatures, load, counts since start-up.

        Called before and after each run; both readings are recorded. What is unknown is left out.
        """
        return {}

    def disturbances(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
        """What disturbed the run between two readings, in a few words each with what to do about it; usually none."""
        return []


class MeterSession(abc.ABC):
    """A meter in the process that measures."""

    @abc.abstractmethod
    def start(self) -> None:
        """A batch begins."""

    @abc.abstractmethod
    def stop(self) -> Mapping[str, float]:
        """The batch has ended; returns its figures by name, over all its calls. Results show them for one call."""

    def close(self) -> None:  # noqa: B027 - most have nothing to release
        """The run has ended."""


class Meter(Backend):
    """Measures beside the clock while a batch runs: cycles, cache misses, energy.

    Without a choice by name, every meter that is available is used.
    """

    @abc.abstractmethod
    def open(self) -> MeterSession:
        """Get ready in this process, before any package is opened and any thread of a function is started."""


class Observer:
    """Is notified of the progress of a run. Every method is optional."""

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
