"""The rules of the house: which way imports go, that the kernel names no backend, and what stays cheap."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from sample_packages import affine, function, make_package

import hatframe

ROOT = Path(__file__).parent.parent
CORE = ROOT / "hatframe"
PLUGINS = ROOT / "plugins"
SAMPLE = ROOT / "samples" / "hatframe-example"
PUBLIC_PARTS = (["hatframe", "plugin"], ["hatframe", "testing"])
PUBLIC = {"hatframe", *(f"hatframe.{name}" for name in hatframe.__all__)}

# Each layer may import those before it, and itself.
LAYERS = (
    {"errors", "files", "junit", "machine", "outcomes", "outputs", "__init__"},
    {"c"},
    {"format"},
    {"binary", "packages"},
    {"calling", "toolchain"},
    {"worker", "results", "validating", "building", "converting"},
    {"rows"},
    {"verifying"},
    {"bench"},
    {"registry", "arguments", "selection", "kernel", "plugin"},
    {"cli", "__main__"},
    {"testing", "pytest_plugin"},
)
# The contracts: imported from anywhere in the core. Their methods take and return the data of these parts.
CONTRACTS = {"backends", "hookspecs"}


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """The modules that a file imports anywhere, but for those that only a type checker sees."""
    tree = ast.parse(path.read_text())
    skipped = {
        id(node)
        for guard in ast.walk(tree)
        if isinstance(guard, ast.If) and "TYPE_CHECKING" in ast.dump(guard.test)
        for statement in guard.body
        for node in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py"))


@pytest.mark.parametrize("path", files(CORE), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    part = path.relative_to(CORE).parts[0].removesuffix(".py")
    if part == "__init__":
        return  # only re-exports, lazily
    allowed = set(CONTRACTS)
    for layer in LAYERS:
        allowed |= layer
        if part in layer:
            break
    else:
        assert part in CONTRACTS, f"{part} is in no layer"
        allowed = CONTRACTS | LAYERS[0] | {"format", "packages", "results"}
    for line, module in imports(path):
        top, _, rest = module.partition(".")
        if top == "hatframe" and rest:
            imported = rest.split(".")[0]
            if (CORE / imported).is_dir() or (CORE / f"{imported}.py").exists():
                assert imported in allowed, f"{path.name}:{line} imports hatframe.{imported}"


def test_the_core_neither_imports_nor_names_a_backend() -> None:
    names = {entry.name for entry in entry_points(group="hatframe") if entry.dist and entry.dist.name == "hatframe"}
    # Names that are also words: of a format, of a module of Python's, of a processor.
    names -= {"csv", "json", "junit", "hat", "cpu", "ctypes"}
    for path in files(CORE):
        text = path.read_text()
        assert "hatframe_builtin" not in text, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Constant) and node.value in names:
                # The contract tests name cffi too, as a module that is slow to import.
                assert node.value == "cffi" and "testing" in path.parts, f"{path}:{node.lineno}"  # noqa: PT018


@pytest.mark.parametrize("path", files(PLUGINS) + files(SAMPLE), ids=lambda path: str(path.relative_to(ROOT)))
def test_plugins_import_only_the_public_api_and_themselves(path: Path) -> None:
    for line, module in imports(path):
        parts = module.split(".")
        if parts[0] == "hatframe":
            assert module in PUBLIC or parts[:2] in PUBLIC_PARTS, f"{path.name}:{line} imports {module}"


def imported_by(code: str) -> set[str]:
    """The modules that a program has imported when it is done."""
    code = f"import sys\n{code}\nprint('\\n', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


def imported_by_command(*arguments: str) -> set[str]:
    """The modules that a command line has imported when it is done."""
    return imported_by(
        "import runpy\n"
        f"sys.argv = ['hatframe', *{list(arguments)!r}]\n"
        "try: runpy.run_module('hatframe', run_name='__main__')\n"
        "except SystemExit as stop: assert not stop.code"
    )


def test_help_and_inspect_import_nothing_heavy() -> None:
    heavy = {"numpy", "pandas", "lief", "cffi", "ml_dtypes"}
    sample = next((ROOT / "tests" / "data").glob("*.hat"))
    assert sorted(heavy & imported_by_command("bench", "--help")) == []
    assert sorted(heavy & imported_by_command("inspect", str(sample))) == []
    assert sorted(heavy & imported_by_command("plugins")) == []
    # Modules of hatframe that only operations need, and parts of Python that take more than a millisecond.
    heavy |= {f"hatframe.{name}" for name in ("bench", "binary", "building", "converting", "format.editing", "worker")}
    heavy |= {"rich", "hashlib"}
    assert sorted(heavy & imported_by_command("--help")) == []


def test_the_functions_of_the_api_import_no_plugins() -> None:
    plugins = {"importlib.metadata", "pluggy", "hatframe.registry", "hatframe_builtin"}
    heavy = {"numpy", "pandas", "cffi", "hashlib", "tempfile", "shutil", "pickle", "typer"}
    assert (
        sorted((plugins | heavy) & imported_by("import hatframe; hatframe.load, hatframe.read_package, hatframe.bench"))
        == []
    )


def test_opening_a_package_imports_neither_a_parser_of_c_nor_what_links(tmp_path: Path) -> None:
    hat = make_package(tmp_path, "void f(float *x) { x[0] = 1; }", {"f": function(affine("x", (1,), usage="output"))})
    code = f"import hatframe, numpy; hatframe.load({str(hat)!r}).f(numpy.zeros(1, 'float32'))"
    heavy = {
        "pycparser",
        "tree_sitter",
        "tomlkit",
        "pandas",
        "lief",
        "elftools",
        "typer",
        "hatframe.converting.linking",
    }
    assert sorted(heavy & imported_by(code)) == []


def test_the_product_uses_no_shell_and_evaluates_no_text() -> None:
    for path in files(CORE) + files(PLUGINS):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in {"eval", "exec", "os.system", "os.popen", "os.chdir"}, f"{path}:{node.lineno}"
                assert not any(word.arg == "shell" for word in node.keywords), f"{path}:{node.lineno}"


def test_only_the_command_line_prints_and_exits() -> None:
    for path in files(CORE) + files(PLUGINS):
        if path.is_relative_to(CORE / "cli") or path == CORE / "__main__.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in {"print", "sys.exit", "exit", "quit"}, f"{path}:{node.lineno} calls {called}"


def test_only_what_escapes_control_characters_prints() -> None:
    printing = {"common.py", "main.py", "options.py", "help.py", "schema.py"}
    for path in files(CORE / "cli"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and path.name not in printing:
                called = ast.unparse(node.func)
                assert called != "print" or not node.args, f"{path}:{node.lineno} prints"
                assert not called.startswith(("sys.stdout.write", "console().print")), f"{path}:{node.lineno} prints"


# What has no behaviour of its own to hold: declarations, and data without methods.
WITHOUT_TESTS = {
    "calling/interface.py": "abstract; the loaders for ctypes and cffi implement it",
    "hookspecs.py": "declarations; tests/test_docs.py holds each against the manual and against a test that runs it",
    "outcomes.py": "plain data",
    "verifying/options.py": "plain data; tests/cli/test_verify.py runs the command with them",
}


def test_every_module_has_its_mirrored_test_file() -> None:
    modules = {str(path.relative_to(CORE).as_posix()) for path in files(CORE) if not path.name.startswith("__")}
    mirrored = {
        str((path.parent / path.name.removeprefix("test_")).relative_to(ROOT / "tests").as_posix())
        for path in (ROOT / "tests").rglob("test_*.py")
    }
    assert sorted(modules - mirrored - WITHOUT_TESTS.keys()) == []
    assert WITHOUT_TESTS.keys() <= modules - mirrored
