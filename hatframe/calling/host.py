"""The base of loaders for host functions: all but the foreign function interface is shared."""

from __future__ import annotations

import abc
import re
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatframe.backends import BoundFunction, Library, LoadContext, Loader, Option
from hatframe.calling.interface import ForeignInterface
from hatframe.errors import FormatError, PackageError, SymbolError
from hatframe.format.model import Function
from hatframe.packages.package import Package

if TYPE_CHECKING:
    from hatframe.calling.host_function import HostFunction
    from hatframe.calling.libraries import OpenLibrary
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

    def functions(self, package: Package, context: LoadContext) -> Callable[..., BoundFunction]:
        """What makes the functions of a package, from the arguments of :class:`HostFunction`: that class itself."""
        from hatframe.calling.host_function import HostFunction

        return HostFunction

    def open(self, package: Package, context: LoadContext) -> Library:
        from hatframe.calling.libraries import OpenLibrary
        from hatframe.calling.timers import Timers

        path = context.dynamic_library(package).resolve()
        interface = self.interface()
        try:
            library = OpenLibrary(interface, path)
        except OSError as error:
            hint = "check that it is built for this machine, and that the libraries it needs are installed"
            if "failed to map segment" in str(error):
                hint = "may files in its folder be executed? mount it without noexec, or set HATFRAME_CACHE_DIR"
            problem = str(error).removeprefix(f"{path}: ")
            raise PackageError(f"the system cannot open it: {problem}", where=str(path), hint=hint) from None
        timers = Timers.of(context, self.settings.get("timer", "auto"))
        return HostLibrary(interface, library, path, context, timers, self.functions(package, context))


class HostLibrary(Library):
    """A dynamic library that is open in this process."""

    def __init__(
        self,
        interface: ForeignInterface,
        library: OpenLibrary,
        path: Path,
        context: LoadContext,
        timers: Timers | None,
        make: Callable[..., Any],
    ) -> None:
        from hatframe.calling.memory import HostMemory

        self._interface = interface
        self._library: OpenLibrary | None = library
        self._path = path
        self._functions: weakref.WeakSet[HostFunction] = weakref.WeakSet()
        self._memory = HostMemory(context.machine)
        self._timers = timers
        self._make = make

    def bind(self, function: Function) -> BoundFunction:
        from hatframe.calling.host_function import signature
        from hatframe.calling.plans import check_host_convention, plan_call

        if not _IDENTIFIER.fullmatch(function.name):
            raise FormatError(f"{function.name!r} is not the name of a C function", where=str(self._path))
        check_host_convention(function)
        plan = plan_call(function)
        assert self._library, "bind() after close()"
        c_function = self._interface.function(self._library.handle, function.name, *signature(plan))
        if c_function is None:
            raise SymbolError(
                f"the library does not export {function.name}",
                where=str(self._path),
                hint="check that the .hat file and the library belong together",
            )
        bound: HostFunction = self._make(plan, self._interface, self._library, c_function, self._memory, self._timers)
        self._functions.add(bound)
        return bound

    def close(self) -> None:
        for function in self._functions:
            function.close()
        self._library = None
