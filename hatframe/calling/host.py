"""The base of loaders for host functions: all but the foreign function interface is shared."""

from __future__ import annotations

import abc
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatframe.backends import BoundFunction, Library, LoadContext, Loader, Option
from hatframe.errors import FormatError, PackageError, SymbolError
from hatframe.format.model import Function
from hatframe.packages.package import Package

if TYPE_CHECKING:
    from hatframe.calling.interface import ForeignInterface
    from hatframe.calling.timers import Timers


_IDENTIFIER = re.compile(r"[A-Za-z_]\w*", re.ASCII)


class HostLoader(Loader):
    """Opens the dynamic library of a package, over the foreign function interface of a subclass."""

    options = (
        Option(
            names=("--timer",),
            metavar="NAME",
            choices=("auto", "native", "python"),
            help="Time calls with a loop in C (native) or in Python (python) [default: auto, native if possible].",
        ),
    )

    @abc.abstractmethod
    def interface(self) -> ForeignInterface:
        """A new foreign function interface, for one library."""

    def open(self, package: Package, context: LoadContext) -> Library:
        """Open the library; :class:`PackageError` with the system's reason where it cannot be."""
        from hatframe.calling.timers import Timers

        path = context.dynamic_library(package).resolve()
        interface = self.interface()
        try:
            handle = interface.open(_spelled_anew(path))
        except OSError as error:
            raise PackageError(
                f"the system cannot open it: {str(error).removeprefix(f'{path}: ')}",
                where=str(path),
                hint="is it built for this machine, and are the libraries there that it needs?",
            ) from None
        return HostLibrary(interface, handle, path, context, Timers.of(context, self.settings.get("timer", "auto")))


# The files that were opened in this process by each path, by device and number.
_opened: dict[Path, list[tuple[int, int]]] = {}


def _spelled_anew(path: Path) -> str:
    """A path of the file that is there now.

    The system takes a library that it has open for the one of the same path, also where another file took its place
    since, as it does when a package is built again. The same path in another spelling is another to it.
    """
    status = path.stat()
    files = _opened.setdefault(path, [])
    if (status.st_dev, status.st_ino) not in files:
        files.append((status.st_dev, status.st_ino))
    times = files.index((status.st_dev, status.st_ino))
    return f"{path.parent}{'/.' * times}/{path.name}" if times else str(path)


class HostLibrary(Library):
    """A dynamic library that is open in this process."""

    def __init__(
        self, interface: ForeignInterface, handle: Any, path: Path, context: LoadContext, timers: Timers | None
    ) -> None:
        from hatframe.calling.memory import HostMemory

        self._interface = interface
        self._handle = handle
        self._path = path
        self._memory = HostMemory(context.machine)
        self._timers = timers

    def bind(self, function: Function) -> BoundFunction:
        """Find a function; :class:`SymbolError` where the library does not export it."""
        from hatframe.calling.bound import HostFunction, signature
        from hatframe.calling.plans import check_host_convention, plan_call

        if not _IDENTIFIER.fullmatch(function.name):
            raise FormatError(f"{function.name!r} is no name of a C function", where=str(self._path))
        check_host_convention(function)
        plan = plan_call(function)
        c_function = self._interface.function(self._handle, function.name, *signature(plan))
        if c_function is None:
            raise SymbolError(
                f"the library does not export {function.name}",
                where=str(self._path),
                hint="do the .hat file and the library belong together?",
            )
        return HostFunction(plan, self._interface, c_function, self._memory, self._timers)
