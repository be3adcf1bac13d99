"""Defaults from files and the environment: which of them counts, and what is wrong in a file."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import typer.main
from command_line import hatframe
from sample_packages import affine, function, make_package

from hatframe import Kernel
from hatframe.cli.configuration import TRUST, Table, _options, defaults, find_tables
from hatframe.cli.main import build_app
from hatframe.errors import UsageError

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
COMMAND = typer.main.get_command(build_app(Kernel()))
GLOBAL = {"quiet", "verbose", "log-level", "debug"}


def seed(folder: Path, *arguments: object, **variables: str) -> Any:
    """The seed that a run in ``folder`` records, by which the tests see where an option's value is from."""
    quick = ("--max-time", "0", "--batches", "2", "--input-sets-size", "0.01")
    environment = {**os.environ, **variables}
    done = hatframe(
        "bench", folder / "package.hat", *quick, "--json", *arguments, folder=folder, environment=environment
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["results"][0]["seed"]


def bench_defaults(folder: Path) -> Any:
    return defaults(COMMAND, find_tables(folder))["bench"]


@pytest.mark.slow
def test_precedence_is_command_line_environment_hatframe_toml_pyproject(tmp_path: Path) -> None:
    make_package(tmp_path, "void f(float *a) {}", {"f": function(affine("a", [1]))})
    assert seed(tmp_path) == 0
    (tmp_path / "pyproject.toml").write_text("[tool.hatframe.bench]\nseed = 1\n")
    assert seed(tmp_path) == 1
    (tmp_path / "hatframe.toml").write_text("[bench]\nseed = 2\n")
    assert seed(tmp_path) == 2
    assert seed(tmp_path, HATFRAME_BENCH_SEED="3") == 3
    assert seed(tmp_path, "--seed", "4", HATFRAME_BENCH_SEED="3") == 4
    assert seed(tmp_path, HATFRAME_NO_CONFIG="1") == 0


def test_files_are_found_upwards_and_the_nearest_counts(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "hatframe.toml").write_text("[bench]\nseed = 1\n")
    (tmp_path / "pyproject.toml").write_text("[tool.hatframe.bench]\nmax_time = 3\n")
    (tmp_path / "a" / "pyproject.toml").write_text("[project]\nname = 'hatframe-other'\n")
    assert bench_defaults(inner) == {"seed": "1", "max_time": "3"}
    (inner / "hatframe.toml").write_text("[bench]\nsink = 'csv'\nrace = false\n")
    assert bench_defaults(inner) == {"sink": ["csv"], "race": False, "max_time": "3"}


def test_no_config_ignores_files(tmp_path: Path) -> None:
    (tmp_path / "hatframe.toml").write_text("nonsense = 1\n")
    assert hatframe("plugins", folder=tmp_path).returncode == 2
    assert hatframe("--no-config", "plugins", folder=tmp_path).returncode == 0


def test_a_plugin_is_disabled_before_its_options_are_known(tmp_path: Path) -> None:
    (tmp_path / "hatframe.toml").write_text('disable-plugin = ["csv"]\n')
    assert "--results-file" not in hatframe("bench", "--help", folder=tmp_path, status=0).stdout


@pytest.mark.parametrize(
    ("text", "mentioned"),
    [
        ("[bench]\nmax-tim = 1\n", ["[bench]", "'max-tim'", "'max-time'"]),
        ("[bensh]\nseed = 1\n", ["'bensh'", "'bench'"]),
        ("max-time = 1\n", ["'max-time'", "bench"]),
        ("[bench]\nrace = 1\n", ["[bench]", "race"]),
        ("[bench]\nseed = [1, 2]\n", ["[bench]", "seed"]),
        ("[bench]\nhelp = true\n", ["'help'"]),
        ("bench = 1\n", ["[bench]"]),
        ("[cache.clear]\nolder = 1\n", ["[cache.clear]", "'older-than'"]),
        *((f"[bench]\n{name} = true\n", [f"'{name}'", f"--{name}"]) for name in ("force", "allow-outside")),
        ("[bench\n", ["hatframe.toml"]),
    ],
)
def test_errors_in_a_file_name_the_place_and_the_key(tmp_path: Path, text: str, mentioned: list[str]) -> None:
    (tmp_path / "hatframe.toml").write_text(text)
    with pytest.raises(UsageError) as caught:
        bench_defaults(tmp_path)
    for part in (str(tmp_path / "hatframe.toml"), *mentioned):
        assert part in str(caught.value)


def test_the_error_of_a_value_names_its_source(tmp_path: Path) -> None:
    environment = {**os.environ, "HATFRAME_BENCH_SEED": "many"}
    done = hatframe("bench", "x.hat", folder=tmp_path, environment=environment, status=2)
    assert "--seed" in done.stderr
    assert "HATFRAME_BENCH_SEED" in done.stderr
    (tmp_path / "hatframe.toml").write_text("[bench]\nseed = 'many'\n")
    assert "hatframe.toml" in hatframe("bench", "x.hat", folder=tmp_path, status=2).stderr


def test_parameters_are_named_as_options() -> None:
    """The names of environment variables come of them."""

    def check(command: Any) -> None:
        for name, option in _options(command):
            assert option.name == name.replace("-", "_")
        for child in getattr(command, "commands", {}).values():
            check(child)

    check(COMMAND)


# ------------------------------------------------------------------------------------------------- the document


def documented(path: str) -> set[str]:
    found = re.search(rf"^\| (?:`{re.escape(path)}`|{path}) \| (.*) \|$", PAGE, re.MULTILINE)
    assert found, f"{path} has no row"
    return set(re.findall(r"`([^`]+)`", found[1]))


def test_every_key_is_documented_and_no_other() -> None:
    def check(command: Any, path: str) -> None:
        keys = {name for name, _ in _options(command)} - set(TRUST) - GLOBAL
        if keys and path:
            assert documented(path) == keys
        for name, child in getattr(command, "commands", {}).items():
            check(child, f"{path}.{name}".lstrip("."))

    check(COMMAND, "")
    assert documented("top") == {name for name, _ in _options(COMMAND)}


def test_the_files_in_the_document_are_valid(tmp_path: Path) -> None:
    shown = re.findall(r"^```toml\n# (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert [name for name, _ in shown] == ["hatframe.toml", "pyproject.toml"]
    for name, text in shown:
        (tmp_path / name).write_text(text)
    found = defaults(COMMAND, find_tables(tmp_path))
    assert found["bench"]["max_time"] == "0.5"
    assert found["log_level"] == "warning"
    assert found["cache"]["clear"] == {"older_than": "30"}


def test_every_variable_of_the_source_is_documented() -> None:
    sources = (path.read_text(encoding="utf-8") for path in (Path(__file__).parents[2] / "hatframe").rglob("*.py"))
    named = {name for text in sources for name in re.findall(r'"(HATFRAME_[A-Z_]+)"', text)}
    assert {"HATFRAME_CACHE_DIR", "HATFRAME_STATE_DIR", "HATFRAME_DISABLE_PLUGINS"} <= named
    for name in named:
        assert f"| `{name}` |" in PAGE


def test_tables_name_their_place() -> None:
    table = Table(Path("hatframe.toml"), "", {"bench": {}})
    assert "hatframe.toml: [bench]" in str(table.child("bench").error("wrong"))
