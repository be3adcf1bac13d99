"""The pytest plugin: packages as a fixture, with assertions about their functions.

pytest imports this module in every run, so everything else is imported when a test uses the fixture.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import pytest

if TYPE_CHECKING:
    from hatframe.backends import BoundFunction
    from hatframe.calling.loaded import LoadedPackage
    from hatframe.outcomes import Verification
    from hatframe.packages.package import Package
    from hatframe.results.model import FunctionResult, ResultsDocument
else:
    BoundFunction = LoadedPackage = Verification = Package = FunctionResult = ResultsDocument = Any

# The other tests that measure may take this long in all.
_LONGEST_WAIT = 3600.0


class _AsInstalled:
    """Finds hatframe's modules as Python does.

    pytest compiles all modules of a distribution that has a plugin anew, with other assert statements, which are for
    tests. Without its cache, as on CI servers, this takes a second.
    """

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name.startswith("hatframe."):
            return PathFinder.find_spec(name, path, target)
        return None


sys.meta_path.insert(0, _AsInstalled)

P = ParamSpec("P")
T = TypeVar("T")


def _short(function: Callable[P, T]) -> Callable[P, T]:
    """Show a HatError at the line of the test, without the code that raised it."""

    @functools.wraps(function)
    def shortened(*arguments: P.args, **keywords: P.kwargs) -> T:
        __tracebackhide__ = True
        from hatframe.errors import HatError

        try:
            return function(*arguments, **keywords)
        except HatError as error:
            raise error.with_traceback(None) from None

    return shortened


class HatPackage(Mapping[str, BoundFunction]):
    """A package under test: its functions, as those of :func:`hatframe.load`, and assertions about them.

    The library is opened when a function is first used: :meth:`assert_verified` and :meth:`assert_not_slower` run the
    functions in a process of their own, so that a crash fails the test and ends nothing else. ``package`` has the
    metadata. ``options`` are those of :func:`hatframe.load`, and apply to the assertions too.
    """

    def __init__(self, *paths: Path, lock: Path, **options: Any) -> None:
        import hatframe

        self.paths = paths
        self.package: Package = hatframe.read_package(*paths)
        self._lock = lock
        self._options = options

    @functools.cached_property
    def _loaded(self) -> LoadedPackage:
        import hatframe

        return hatframe.load(*self.paths, **self._options)

    def __getitem__(self, name: str) -> BoundFunction:
        return self._loaded[name]

    def __getattr__(self, name: str) -> BoundFunction:
        if name.startswith("__") or "package" not in vars(self):
            raise AttributeError(name)
        function: BoundFunction = getattr(self._loaded, name)
        return function

    def __iter__(self) -> Iterator[str]:
        return iter(self.package.functions)

    def __len__(self) -> int:
        return len(self.package.functions)

    # Not those of a mapping, which open the library.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"<HatPackage {' '.join(map(str, self.paths))}>"

    def close(self) -> None:
        """Unload the library; the fixture does it at the end of the test."""
        if "_loaded" in vars(self):
            self._loaded.close()

    @_short
    def assert_verified(self, *functions: str, **options: Any) -> Verification:
        """Fail if a check of :func:`hatframe.verify` finds something wrong with the functions, or any if none is named.

        Parameters
        ----------
        *functions
            Names, base names or globs of functions.
        **options
            Options of :func:`hatframe.verify`, such as ``only``, ``skip``, ``size`` and ``seed``.

        Returns
        -------
        Verification
            What was checked, and ``notes`` of functions that are right.
        """
        __tracebackhide__ = True
        import hatframe

        found = hatframe.verify(*self.paths, functions=functions, **{**self._options, **options})
        if not found.ok:
            raise AssertionError(_wrong(found))
        return found

    @_short
    def assert_not_slower(
        self, function: str, *, than: str, of: HatPackage | None = None, by: float = 0.05, **options: Any
    ) -> ResultsDocument:
        """Fail if ``function`` is slower than the function ``than`` by more than a fraction, with any of the sizes.

        Both are measured together, round by round. The assertion fails only if the whole 95 % interval of the ratio is
        above ``1 + by``, so that noise does not fail it, or if one of the two cannot be measured.

        Parameters
        ----------
        function, than
            The names or base names of the functions.
        of
            The package that has ``than``; the default is this one.
        by
            The margin, from 0 to 1: 0.05 is 5 %.
        **options
            Options of :func:`hatframe.bench`, such as ``size``, ``value`` and ``max_time``.

        Returns
        -------
        ResultsDocument
            The results of both functions.
        """
        __tracebackhide__ = True
        import hatframe
        from hatframe.errors import UsageError
        from hatframe.files import locked

        if not 0 <= by <= 1:
            raise UsageError(f"by={by} is not a fraction from 0 to 1", hint="write by=0.05 for 5 %")
        other = of or self
        sides = [(package, package.package.find(name).name) for package, name in ((self, function), (other, than))]
        if self.paths == other.paths and sides[0][1] == sides[1][1]:
            raise UsageError(f"{function} is compared with itself", hint="name another function")
        paths = dict.fromkeys((*self.paths, *other.paths))
        names = list(dict.fromkeys(name for _, name in sides))
        with locked(self._lock, timeout=_LONGEST_WAIT):
            document = hatframe.bench(
                *paths,
                functions=names,
                **{"race": False, **self._options, **options},
            )
        ours, theirs = ([result for result in document if package._has(result, name)] for package, name in sides)
        if problems := list(_slower(ours, theirs, by)):
            raise AssertionError("\n".join(problems))
        return document

    def _has(self, result: FunctionResult, name: str) -> bool:
        files = [self.package.shown(hat.path) for hat in self.package.hat_files]
        return result.function_name == name and result.hat_file in files


def _wrong(found: Verification) -> str:
    functions = dict.fromkeys(finding.function for finding in found.findings)
    lines = [f"wrong: {', '.join(functions)} ({len(functions)} of {len(found.functions)} verified)"]
    for finding in found.findings:
        lines += [str(finding), f"    {finding.reproduce}"]
    return "\n".join(lines)


def _slower(ours: Sequence[FunctionResult], theirs: Sequence[FunctionResult], by: float) -> Iterator[str]:
    """Why results are slower than those of the same run and sizes: a text for each."""
    from hatframe.errors import UsageError
    from hatframe.format.pairs import pairs_text
    from hatframe.results.comparison import ratio_of
    from hatframe.results.text import duration, ratio_text, sized_name

    partners = {pairs_text(result.measured_with): result for result in theirs}
    if len(ours) == len(theirs) == 1:
        # Their dimensions may have other names.
        partners[pairs_text(ours[0].measured_with)] = theirs[0]
    for result in ours:
        name = sized_name(result.function_name, result.measured_with)
        partner = partners.get(pairs_text(result.measured_with))
        if partner is None:
            raise UsageError(
                f"{theirs[0].function_name} was not measured with the sizes of {name}", hint="set them with size="
            )
        failed = [each for each in (result, partner) if each.statistics is None]
        yield from (f"{each.function_name}: {each.status}: {each.message}" for each in failed)
        ratio = ratio_of(result, partner, same_run=True)
        if ratio and ratio.low > 1 + by:
            assert result.time is not None
            assert partner.time is not None
            other = sized_name(partner.function_name, partner.measured_with)
            yield (
                f"{name} is slower than {other} by more than {100 * by:g} %:"
                f" {duration(result.time)} against {duration(partner.time)},"
                f" {ratio_text(ratio)} times slower (with 95 % confidence {ratio.low:.4g} to {ratio.high:.4g})"
            )


@pytest.fixture
def hat_package(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., HatPackage]]:
    """Open packages: ``hat_package("gemm.hat")``, a path in the folder of the test or else in the rootdir.

    The options are those of :func:`hatframe.load`. The packages are closed after the test.
    """
    folders = (request.path.parent, request.config.rootpath)
    # pytest-xdist makes the folder of each of its workers in one that they share.
    lock = tmp_path_factory.getbasetemp()
    opened: list[HatPackage] = []

    @_short
    def open_package(*paths: str | Path, **options: Any) -> HatPackage:
        found = (_found(Path(path), folders) for path in paths)
        opened.append(HatPackage(*found, lock=lock, **options))
        return opened[-1]

    yield open_package
    for package in opened:
        package.close()


def _found(path: Path, folders: Sequence[Path]) -> Path:
    from hatframe.errors import PackageError

    for folder in folders:
        if (folder / path).exists():
            return folder / path
    hint = "" if path.is_absolute() else f"relative paths are from {' or '.join(map(str, dict.fromkeys(folders)))}"
    raise PackageError("this file does not exist", where=str(path), hint=hint)
