"""``hatframe inspect``: what a package says of itself, without loading any of its code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import sample_packages
from command_line import hatframe

from hatframe.format.editing import store_in_auxiliary

DATA = Path(__file__).parent.parent / "data"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    functions = {
        "f_0123456789abcdef": sample_packages.function(
            sample_packages.affine("A", (2, 3), offset=-1),
            sample_packages.affine("", (2, 3), affine_map=(1, 2), offset=4, usage="output"),
            sample_packages.runtime("B", "N*2"),
            sample_packages.element("N"),
            returns=sample_packages.element("", "double"),
        ),
        "g": sample_packages.function(),
    }
    path = tmp_path / "p.hat"
    path.write_text(sample_packages.hat_text(sample_packages.document(functions, "p.so")))
    store_in_auxiliary(path, {"g": {"mean_duration_in_sec": 1.25e-6}})
    return path


def test_a_pipe_gets_a_line_for_each_parameter(package: Path) -> None:
    done = hatframe("inspect", package)
    assert (done.returncode, done.stderr) == (0, "")
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert ["file", str(package)] in rows
    assert ["functions", "2"] in rows
    assert ["library", f"{package.parent / 'p.so'} (missing)"] in rows
    assert ["target", f"{sample_packages.OS} {sample_packages.ARCHITECTURE}"] in rows
    assert [row for row in rows if len(row) == 6] == [
        ["f_0123456789abcdef", "A", "input", "float*", "2x3", ""],
        ["f_0123456789abcdef", "arg1", "output", "float*", "2x3 affine_map [1, 2] offset 4", ""],
        ["f_0123456789abcdef", "B", "input", "float*", "N*2", ""],
        ["f_0123456789abcdef", "N", "input", "int", "", ""],
        ["f_0123456789abcdef", "return", "", "double", "", ""],
        ["g", "return", "", "void", "", "1.25 µs"],
    ]


def test_it_says_which_processors_run_the_code_and_how_to_build_for_others(package: Path) -> None:
    document = sample_packages.document({"g": sample_packages.function()}, "p.so")
    document["target"]["required"]["CPU"] = {"architecture": "x86_64", "extensions": ["avx2", "avx512f"]}
    package.write_text(sample_packages.hat_text(document))
    facts = dict(line.split("\t") for line in hatframe("inspect", package).stdout.splitlines() if line.count("\t") == 1)
    assert facts["runs on"] == "Intel Xeon Skylake-SP, AMD Zen 4, and newer"
    assert "--processor x86-64-v3" in facts["for others"]
    assert "--processor none" in facts["for others"]
    assert "needs" not in facts
    document["target"]["required"]["os"] = "windows" if sample_packages.OS == "linux" else "linux"
    package.write_text(sample_packages.hat_text(document))
    assert "it is for " in hatframe("inspect", package).stdout


def test_references_are_shown_beside_the_functions(package: Path) -> None:
    functions = {"f": sample_packages.function(), "g": sample_packages.function(), "h": sample_packages.function()}
    functions["f"]["auxiliary"] = {"reference": "y = x\nreturn = 1"}
    functions["g"]["auxiliary"] = {"same_as": "f"}
    package.write_text(sample_packages.hat_text(sample_packages.document(functions, "p.so")))
    rows = [line.split("\t") for line in hatframe("inspect", package).stdout.splitlines()]
    assert [row[1] for row in rows if row[0] == "reference"] == ["f: y = x; return = 1", "g: same as f"]


def test_json_has_every_fact(package: Path) -> None:
    (printed,) = json.loads(hatframe("inspect", "--json", package).stdout)
    assert printed["hat_files"] == [str(package)]
    assert printed["library"] == str(package.parent / "p.so")
    assert printed["library_exists"] is False
    assert printed["target"]["required"]["os"] == sample_packages.OS
    first, second = printed["functions"]
    assert (first["name"], first["base_name"], first["stored_mean_in_sec"]) == ("f_0123456789abcdef", "f", None)
    assert first["arguments"][1]["affine_map"] == [1, 2]
    assert first["return"]["element_type"] == "double"
    assert second["stored_mean_in_sec"] == 1.25e-6


def test_several_packages_and_folders_are_shown_in_turn(package: Path) -> None:
    printed = json.loads(hatframe("inspect", "--json", package, DATA).stdout)
    names = [[Path(path).name for path in shown["hat_files"]] for shown in printed]
    # A file without functions is passed over in a folder.
    assert sorted(names) == [["gemm_cuda.hat"], ["gemm_static.hat"], ["p.hat"], ["scale_runtime.hat"]]


def test_device_functions_are_shown_with_the_gpu() -> None:
    shown = hatframe("inspect", DATA / "gemm_cuda.hat").stdout
    assert "functions\t1, and 1 on a device\n" in shown
    assert "GPU\tNVidia RTX A6000 CUDA\n" in shown
    assert "gemm_gpu_dd300edb3009cc4b__gpu__\targ2\tinput_output\tfloat*\t256x256\t\n" in shown


def test_a_file_without_functions_is_shown(tmp_path: Path) -> None:
    done = hatframe("inspect", DATA / "vadd_Globals.hat")
    assert done.returncode == 0
    assert "functions\t0\n" in done.stdout


def test_a_missing_file_is_an_error_of_one_line(tmp_path: Path) -> None:
    done = hatframe("inspect", tmp_path / "none.hat")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"hatframe: error: {tmp_path / 'none.hat'}: ")
    assert done.stderr.count("\n") == 1


def test_it_imports_neither_numpy_nor_pandas(package: Path) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "hatframe", "inspect", str(package)]
    imported = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    names = {line.rpartition("|")[2].strip() for line in imported.splitlines()}
    assert "hatframe.cli.inspect" in names
    assert not names & {"numpy", "pandas", "lief", "tomlkit", "cffi"}
