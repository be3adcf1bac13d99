"""A plugin distribution outside hatframe adds a meter, a sink and a command: samples/hatframe-example, installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sample_packages import affine, function, make_package

EXAMPLE = Path(__file__).parents[2] / "samples" / "hatframe-example"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The distribution, installed into a folder of its own from a copy, so that the build leaves nothing here."""
    pytest.importorskip("hatchling", reason="hatchling builds the example, and it is not installed")
    folder = tmp_path_factory.mktemp("example")
    source = folder / "source"
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("__pycache__"))
    target = folder / "site"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    offline = ["--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run([*pip, *offline, "--target", target, source], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return target


def run(site: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )


def hatframe(site: Path, folder: Path, *arguments: str) -> str:
    done = run(site, folder, "hatframe", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = """
    void up(const float *x, float *y) { for (int i = 0; i < 64; i++) y[i] = x[i] + 1; }
    void down(const float *x, float *y) { for (int i = 0; i < 64; i++) y[i] = x[i] - 1; }
    """
    table = function(affine("x", [64]), affine("y", [64], usage="output"))
    return make_package(tmp_path_factory.mktemp("package"), source, {"up": table, "down": table})


def test_its_backends_are_listed_with_its_name_and_version(site: Path, tmp_path: Path) -> None:
    told = json.loads(hatframe(site, tmp_path, "plugins", "--json"))
    own = {
        (backend["kind"], backend["name"]): backend
        for backend in told["backends"]
        if backend["distribution"] == "hatframe-example"
    }
    assert set(own) == {("meter", "faults"), ("sink", "markdown")}
    assert all(backend["version"] == "0.1.0" and backend["available"] for backend in own.values())
    assert [plugin["status"] for plugin in told["plugins"] if plugin["distribution"] == "hatframe-example"] == [
        "loaded",
        "loaded",
    ]


def test_a_benchmark_uses_its_meter_its_sink_and_its_option(site: Path, package: Path, tmp_path: Path) -> None:
    quick = ["--min-time", "0.01", "--input-sets-minimum-size-MB", "0"]
    chosen = ["--meter", "faults", "--sink", "markdown=out.md", "--sink", "json=out.json"]
    hatframe(site, tmp_path, "bench", str(package), *chosen, "--markdown-title", "Up and down", *quick)
    lines = (tmp_path / "out.md").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# Up and down"
    assert sorted(line.split("|")[1].strip() for line in lines[4:]) == ["`down`", "`up`"]
    results = json.loads((tmp_path / "out.json").read_text())["results"]
    assert all("minor_page_faults" in result["counters"] for result in results)
    assert hatframe(site, tmp_path, "markdown", "out.json", "--title", "Up and down").splitlines() == lines


def test_its_option_alone_turns_its_sink_on(site: Path, package: Path, tmp_path: Path) -> None:
    quick = ["--min-time", "0.01", "--input-sets-minimum-size-MB", "0"]
    hatframe(site, tmp_path, "bench", str(package), "--markdown-title", "By option", *quick)
    assert (tmp_path / "results.md").read_text(encoding="utf-8").startswith("# By option\n")


@pytest.mark.parametrize("name", ["markdown", "hatframe-example"])
def test_it_can_be_disabled(name: str, site: Path, package: Path, tmp_path: Path) -> None:
    told = json.loads(hatframe(site, tmp_path, "--disable-plugin", name, "plugins", "--json"))
    assert not any(backend["name"] == "markdown" for backend in told["backends"])
    done = run(site, tmp_path, "hatframe", "--disable-plugin", name, "bench", str(package), "--sink", "markdown")
    assert done.returncode == 1
    assert "markdown" in done.stderr
    done = run(site, tmp_path, "hatframe", "--disable-plugin", name, "bench", str(package), "--markdown-title", "x")
    assert done.returncode == 2


def test_its_own_tests_pass(site: Path, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    done = run(site, tmp_path, "pytest", "-q", "-p", "no:cacheprovider", "tests")
    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout
