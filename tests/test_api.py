"""The public API: complete signatures, docstrings and type hints, and an import that costs little."""

from __future__ import annotations

import inspect
import subprocess
import sys
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import hatframe
import hatframe.plugin
import hatframe.testing
from hatframe.calling.loaded import LoadedPackage
from hatframe.outcomes import Built, Converted, Deviation, Finding, Packed, Verification
from hatframe.packages.package import Package
from hatframe.results.compared import Comparison
from hatframe.results.model import ResultsDocument

MODULES = (hatframe, hatframe.plugin, hatframe.testing)
OPERATIONS = [name for name in hatframe.__all__ if name.islower() and name not in ("hookimpl", "__version__")]
# What operations return: users call the methods of these too.
RETURNED = (
    LoadedPackage,
    Built,
    Converted,
    Deviation,
    Packed,
    Package,
    Comparison,
    ResultsDocument,
    Finding,
    Verification,
)


def public_callables() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every function and class of the public modules, and every public method of the classes."""
    exported = [(f"{module.__name__}.{name}", getattr(module, name)) for module in MODULES for name in module.__all__]
    returned = [(kind.__name__, kind) for kind in RETURNED]
    seen = set()
    for name, value in [*exported, *returned]:
        if not callable(value) or id(value) in seen or not getattr(value, "__module__", "").startswith("hatframe"):
            continue
        seen.add(id(value))
        yield name, value
        if isinstance(value, type):
            for method_name, method in inspect.getmembers(value, inspect.isfunction):
                own = method.__module__.startswith("hatframe")
                if own and (not method_name.startswith("_") or method_name in ("__init__", "__call__")):
                    yield f"{name}.{method_name}", method


CALLABLES = dict(public_callables())


@pytest.mark.parametrize("name", CALLABLES)
def test_type_hints_resolve(name: str) -> None:
    typing.get_type_hints(CALLABLES[name])


@pytest.mark.parametrize("name", CALLABLES)
def test_everything_public_is_documented(name: str) -> None:
    if not name.endswith("__init__"):
        assert inspect.getdoc(CALLABLES[name])


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_has_a_complete_signature_and_an_example(name: str) -> None:
    operation = getattr(hatframe, name)
    signature = inspect.signature(operation)
    assert all(parameter.annotation is not parameter.empty for parameter in signature.parameters.values())
    assert signature.return_annotation is not signature.empty
    documentation = inspect.getdoc(operation) or ""
    assert ">>> import hatframe" in documentation
    if "Parameters\n-----" in documentation:
        section = documentation.partition("Parameters\n")[2].partition("\n\n")[0]
        assert [name for name in signature.parameters if name not in section] == []


def test_operations_are_methods_of_one_kernel() -> None:
    assert hatframe.bench.__self__ is hatframe.load.__self__  # type: ignore[attr-defined]
    assert isinstance(hatframe.bench.__self__, hatframe.Kernel)  # type: ignore[attr-defined]


def test_no_operation_takes_an_options_object() -> None:
    for name in OPERATIONS:
        assert "options" not in {
            parameter.name
            for parameter in inspect.signature(getattr(hatframe, name)).parameters.values()
            if parameter.kind is not parameter.VAR_KEYWORD
        }


def test_the_function_bench_is_not_replaced_by_the_subpackage() -> None:
    import hatframe.bench.run

    assert inspect.ismethod(hatframe.bench)


def test_dir_lists_the_public_names() -> None:
    assert dir(hatframe) == sorted(hatframe.__all__)
    with pytest.raises(AttributeError):
        hatframe.nonesuch  # noqa: B018


def test_importing_hatframe_imports_nothing_else() -> None:
    code = "import sys; before = set(sys.modules); import hatframe; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    others = [name for name in done.stdout.split() if name.partition(".")[0] not in sys.stdlib_module_names]
    assert others == ["hatframe"]


def test_the_keywords_of_an_operation_are_the_options_of_its_command() -> None:
    kernel = hatframe.Kernel()
    import typer.main

    from hatframe.cli.main import build_app

    commands = typer.main.get_command(build_app(kernel)).commands  # type: ignore[attr-defined]
    for name in ("bench", "build", "compare", "pack", "to_dynamic", "to_static", "verify"):
        spellings = {
            spelling.lstrip("-").replace("-", "_")
            for parameter in commands[name.replace("_", "-")].params
            for spelling in (*parameter.opts, *parameter.secondary_opts, parameter.name)
        }
        keywords = {
            parameter.name
            for parameter in inspect.signature(getattr(hatframe, name)).parameters.values()
            if parameter.kind is parameter.KEYWORD_ONLY
        }
        assert keywords - spellings - {"observers"} == set(), name


def test_the_page_of_the_api_names_everything_public() -> None:
    page = (Path(__file__).parent.parent / "docs" / "api.md").read_text(encoding="utf-8")
    for name in (*hatframe.__all__, "hatframe.plugin", "hatframe.testing"):
        assert f"`{name}" in page, name
