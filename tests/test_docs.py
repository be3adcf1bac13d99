"""The documentation is true: hooks and contracts are in it with their exact arguments, and what it shows works."""

from __future__ import annotations

import inspect
import os
import re
import shlex
import shutil
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import command_line
import pytest
from sample_packages import compiler

import hatframe.testing
from hatframe import Kernel, backends, hookspecs

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "samples"
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PLUGINS = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")

# Their blocks measure, build and start other programs for many seconds.
SLOW = {"api.md", "benchmarking.md", "comparing.md", "plugins.md"}


def _marked(path: Path) -> Any:
    return pytest.param(path, marks=pytest.mark.slow) if path.name in SLOW else path


BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(path: Path, language: str) -> Iterator[tuple[int, str]]:
    """The code blocks of a document in a language, with the line before each."""
    text = path.read_text(encoding="utf-8")
    for match in BLOCK.finditer(text):
        if match[1] == language:
            yield text[: match.start(2)].count("\n"), match[2]


def commands(path: Path) -> list[str]:
    """The commands of hatframe that the console blocks of a document show, in order."""
    lines = []
    for _, block in blocks(path, "console"):
        lines += [line[2:].strip() for line in block.replace("\\\n", " ").splitlines() if line.startswith("$ ")]
    return [line for line in lines if "hatframe" in line.split()]


# ------------------------------------------------------------------------------------- hooks and contracts

HOOKS = [name for name in dir(hookspecs) if name.startswith("hatframe_")]


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_is_documented_with_its_exact_arguments(name: str) -> None:
    arguments = inspect.signature(getattr(hookspecs, name)).parameters
    assert f"### `{name}({', '.join(arguments)})`\n" in PLUGINS


def test_no_other_hook_is_documented() -> None:
    assert sorted(re.findall(r"^### `(hatframe_\w+)", PLUGINS, re.MULTILINE)) == sorted(HOOKS)


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_has_a_test(name: str) -> None:
    texts = (path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__))
    used = re.compile(rf"def {name}\b|\.{name}\(|\b(plugin|given)\(.*\b{name.removeprefix('hatframe_')}=")
    assert any(used.search(text) for text in texts)


def methods() -> Iterator[tuple[type[Any], str, Callable[..., Any]]]:
    own = [value for value in vars(backends).values() if getattr(value, "__module__", "") == backends.__name__]
    for contract in (value for value in own if isinstance(value, type)):
        for name, method in vars(contract).items():
            abstract = getattr(method, "__isabstractmethod__", False)
            optional = contract in (backends.Observer, backends.Backend) or (contract, name) in (
                (backends.Library, "close"),
                (backends.Linker, "version"),
                (backends.Loader, "unmet_requirements"),
                (backends.Memory, "free"),
                (backends.MeterSession, "close"),
                (backends.Probe, "readings"),
                (backends.Probe, "disturbances"),
                (backends.Workload, "release"),
            )
            if inspect.isfunction(method) and (abstract or (optional and not name.startswith("_"))):
                yield contract, name, method


@pytest.mark.parametrize(("contract", "name", "method"), list(methods()))
def test_every_method_of_a_contract_is_documented(contract: type[Any], name: str, method: Callable[..., Any]) -> None:
    parameters = list(inspect.signature(method).parameters.values())[1:]
    bare = [p.replace(annotation=inspect.Parameter.empty, default=inspect.Parameter.empty) for p in parameters]
    assert f"- `{contract.__name__}.{name}{inspect.Signature(bare)}`" in PLUGINS


@pytest.mark.parametrize(
    "data", [backends.LoadContext, backends.SharedLibrary, backends.Option, backends.Measurement, backends.Facts]
)
def test_every_field_that_a_contract_passes_is_documented(data: type[Any]) -> None:
    section = PLUGINS.partition("## The contracts")[2].partition("## The contract tests")[0]
    for field in data.__struct_fields__:
        assert re.search(rf"[`(, ]{field}[`),]", section), field


def test_every_check_is_documented() -> None:
    for name in hatframe.testing.__all__:
        assert re.search(rf"^\| `{name}\(", PLUGINS, re.MULTILINE), name
        named = re.search(rf"^\| `{name}\((.*?)\)`", PLUGINS, re.MULTILINE)
        parameters = inspect.signature(getattr(hatframe.testing, name)).parameters.values()
        assert named
        assert named[1].split(", ") == [p.name for p in parameters if p.default is p.empty]


def test_links_lead_somewhere() -> None:
    for path in [*DOCUMENTS, *(ROOT / f"{name}.md" for name in ("CHANGELOG", "CONTRIBUTING", "SECURITY"))]:
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


# ------------------------------------------------------------------------------------------- what is shown


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the samples, and packages of the first of them: gemm.hat, a dynamic one, and gemm_static.hat."""
    compiler()
    folder = tmp_path_factory.mktemp("sample")
    (folder / "samples").mkdir()
    for source in SAMPLES.glob("*.c"):
        (folder / "samples" / source.name).write_bytes(source.read_bytes())
    run(folder, "hatframe build samples/gemm.c -o gemm.hat")
    run(folder, "hatframe build samples/gemm.c -o gemm_static.hat --static")
    return folder


@pytest.fixture
def shown(sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh folder like that, as the current one."""
    shutil.copytree(sample, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(folder: Path, command: str) -> None:
    words = shlex.split(command)
    assert "|" not in words, f"this test runs no pipes: {command}"
    output = folder / words[words.index(">") + 1] if ">" in words else None
    start = words.index("hatframe")
    variables = {
        "HATFRAME_BENCH_MAX_TIME": "0.1",
        "HATFRAME_BENCH_VERIFY": "1",
        "HATFRAME_COMPARE_VERIFY": "1",
    }  # the numbers are not the point here
    variables.update(word.split("=", 1) for word in words[:start])
    words = words[start + 1 : words.index(">")] if output else words[start + 1 :]
    done = command_line.hatframe(*words, folder=folder, environment={**os.environ, **variables})
    assert done.returncode == 0, f"{command}\n{done.stderr}"
    if output:
        output.write_text(done.stdout, encoding="utf-8")


@pytest.mark.parametrize("path", [_marked(path) for path in DOCUMENTS], ids=lambda path: path.name)
def test_python_blocks_run(path: Path, shown: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All blocks of a document in order, as one module."""
    module = types.ModuleType("shown_in_the_documentation")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for line, code in blocks(path, "python"):
        exec(compile("\n" * line + code, str(path), "exec"), module.__dict__)


@pytest.mark.slow
@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_commands_run(path: Path, shown: Path) -> None:
    for command in commands(path):
        run(shown, command)


@pytest.mark.parametrize("path", [path for path in DOCUMENTS if list(blocks(path, "c"))], ids=lambda path: path.name)
def test_c_code_builds_without_a_deviation_and_leaves_nothing_out(path: Path, shown: Path) -> None:
    for line, code in blocks(path, "c"):
        source = shown / f"line{line}.c"
        source.write_text(code, encoding="utf-8")
        built = Kernel().build([source], shown)
        assert built.functions
        assert built.unsupported == ()
        assert Kernel().validate(built.written.hat) == []


def test_every_option_of_build_is_in_its_document() -> None:
    page = (ROOT / "docs" / "building.md").read_text(encoding="utf-8")
    done = command_line.hatframe("build", "--help", environment={**os.environ, "COLUMNS": "300"}, status=0)
    own = done.stdout.partition("Global options")[0]
    options = set(re.findall(r"(?<=[\s(])--?[A-Za-z][\w-]*", own))
    assert {"--output", "-o", "--target", "--cflags"} <= options
    # One spelling of each will do; the rest is of other commands, or of the command itself.
    short = {"--include": "-I", "--define": "-D", "--library": "-l", "--library-folder": "-L", "--output": "-o"}
    left = {short.get(option, option) for option in options}
    left -= {"-O", "--dynamic", "-std", "-fopenmp"}
    assert [option for option in sorted(left) if not re.search(rf"(?<![\w-]){option}(?![\w-])", page)] == []


@pytest.mark.slow
def test_the_workflows_for_ci_run(shown: Path) -> None:
    workflows = [code for _, code in blocks(ROOT / "docs" / "comparing.md", "yaml")]
    steps = [line for line in re.findall(r"- run: (.*)", "".join(workflows)) if line.startswith("hatframe")]
    for checkout in ("old", "new"):
        shutil.copytree(shown / "samples", shown / checkout / "samples")
    # Equal code passes; how precisely is not the point here.
    for step in steps:
        run(shown, step.replace("--fail-slower 5", "--fail-slower 400"))
    assert "gemm_tiled" in (shown / "comparison.md").read_text()
    assert {"verify.xml", "benchmark.json", "junit.xml"} <= {path.name for path in shown.iterdir()}
    assert len(steps) == 6


def test_the_readme_shows_commands_and_code() -> None:
    assert commands(ROOT / "README.md")
    assert list(blocks(ROOT / "README.md", "python"))
