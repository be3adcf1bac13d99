"""Reading: every table into typed objects, tolerant where real files stray, with clear errors elsewhere."""

from __future__ import annotations

import copy
import datetime
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sample_packages
import tomli
from hypothesis import given
from toml_styles import TABLES, styled

from hatframe.errors import FormatError
from hatframe.format.model import HatFile, LogicalType, Usage
from hatframe.format.reading import parse_document, parse_hat, read_hat
from hatframe.format.rendering import same

DATA = Path(__file__).parent.parent / "data"


@pytest.mark.parametrize("name", ["gemm_static", "scale_runtime", "gemm_cuda", "vadd_Globals"])
def test_real_files_are_read_completely(name: str) -> None:
    path = DATA / f"{name}.hat"
    hat = read_hat(path)
    document = tomli.loads(path.read_text())
    assert hat.document == document
    assert hat.path == path
    assert hat.functions.keys() == document["functions"].keys()
    assert hat.dependencies.link_target == document["dependencies"]["link_target"]
    assert hat.declaration.code == document["declaration"]["code"]


def test_an_affine_array_is_read() -> None:
    function = read_hat(DATA / "gemm_static.hat").functions["gemm_16_64_64_be40a7debae14e0f"]
    argument = function.arguments[2]
    assert (argument.logical_type, argument.usage) == (LogicalType.AFFINE_ARRAY, Usage.INPUT_OUTPUT)
    assert (argument.shape, argument.affine_map, argument.affine_offset) == ((256, 256), (256, 1), 0)
    assert (argument.declared_type, argument.element_type, argument.name) == ("float*", "float", "")
    assert function.return_value.logical_type is LogicalType.VOID
    assert function.auxiliary == {"accera": {"parameters": {}}}


def test_runtime_arrays_and_their_dimensions_are_read() -> None:
    function = read_hat(DATA / "scale_runtime.hat").functions["scale2_a82fe556a6a893eb"]
    assert [(argument.name, argument.size) for argument in function.arguments] == [
        ("M", None),
        ("K", None),
        ("", "M*K"),
        ("", "M*K"),
    ]


def test_device_functions_and_the_gpu_are_read() -> None:
    hat = read_hat(DATA / "gemm_cuda.hat")
    host = hat.functions["gemm_gpu_dd300edb3009cc4b"]
    device = hat.device_functions[host.launches]
    assert (host.runtime, device.provider, device.calling_convention) == ("CUDA", "gemm_cuda.cu", "devicecall")
    assert device.launch_parameters == (16, 16, 1, 16, 16, 1)
    assert hat.target.required.gpu is not None
    assert hat.target.required.gpu.model == "NVidia RTX A6000"
    assert hat.library is None


def test_line_endings_and_a_byte_order_mark_make_no_difference() -> None:
    text = (DATA / "scale_runtime.hat").read_text()
    assert parse_hat("\ufeff" + text.replace("\n", "\r\n")) == parse_hat(text)


@given(styled())
def test_every_style_of_toml_gives_what_tomli_reads(case: tuple[str, dict[str, Any]]) -> None:
    text, document = case
    assert same(tomli.loads(text.removeprefix("\ufeff")), document)
    assert same(parse_document(text), document)


def test_a_date_with_a_time_zone_can_be_copied_and_pickled() -> None:
    hat = parse_hat("[[x]]\na = 1979-05-27T07:32:00Z\nb = 1979-05-27T07:32:00.5+01:30\n")
    assert copy.deepcopy(hat) == hat
    assert pickle.loads(pickle.dumps(hat)) == hat
    assert hat.document["x"][0]["b"].utcoffset() == datetime.timedelta(hours=1.5)


def test_what_a_file_leaves_out_has_a_default() -> None:
    hat = parse_hat("")
    assert hat == HatFile(document={})
    function = parse_hat("[functions.f]\narguments = []\n").functions["f"]
    assert (function.name, function.calling_convention) == ("f", "cdecl")
    assert function.return_value.logical_type is LogicalType.VOID


def test_paths_are_relative_to_the_folder_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "p.hat"
    path.write_text('[dependencies]\nlink_target = "sub/p.so"\n')
    assert read_hat(path).library == tmp_path / "sub" / "p.so"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[functions.f]\nname = 'f'\n", "functions.f: .*required field `arguments`"),
        ("[functions.f]\narguments = [{}]\n", r"functions.f.arguments\[0\]: .*required field `logical_type`"),
        (
            "[functions.ok]\narguments = []\n[functions.f]\narguments = [{ logical_type = 'list' }]\n",
            r"functions.f.arguments\[0\].logical_type: .*'list'",
        ),
        ("[functions]\nf = 1\n", "functions.f: expected `object`"),
        ("[dependencies]\nlink_target = 1\n", "dependencies.link_target: expected `str`, got `int`"),
        ("[target.required.CPU]\nextensions = 'avx'\n", "target.required.CPU.extensions: expected `array`"),
        ("functions = 1\n", "functions: expected `object`"),
        ("a = \n", "line 1"),
        ("a = " + "[" * 100_000, "line 1"),
    ],
)
def test_what_the_model_cannot_take_is_an_error_with_the_path_to_it(text: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        parse_hat(text, Path("p.hat"))


def test_unreadable_files_are_errors_that_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"none\.hat"):
        read_hat(tmp_path / "none.hat")
    with pytest.raises(FormatError, match="folder"):
        read_hat(tmp_path)
    (tmp_path / "p.so").write_bytes(b"\x7fELF\x02\x01\xff\xff")
    with pytest.raises(FormatError, match=r"p\.so.*byte 6"):
        read_hat(tmp_path / "p.so")
    (tmp_path / "nul.hat").write_bytes(b"a = 1\0\n")
    with pytest.raises(FormatError, match="line 1"):
        read_hat(tmp_path / "nul.hat")


def test_what_the_model_does_not_know_is_kept_in_the_document() -> None:
    text = sample_packages.hat_text(sample_packages.document({"f": sample_packages.function(odd={"x": 1})}, "f.so"))
    assert parse_hat(text).document["functions"]["f"]["odd"] == {"x": 1}


@given(styled(TABLES.map(lambda table: {"description": {"auxiliary": table}})))
def test_any_auxiliary_data_are_read_as_they_are(case: tuple[str, dict[str, Any]]) -> None:
    text, document = case
    hat = parse_hat(text)
    assert same(hat.document, document)
    assert same(hat.description.auxiliary, document["description"]["auxiliary"])


def test_reading_imports_nothing_heavy() -> None:
    script = (
        "import sys\nfrom hatframe.packages.package import read_package\n"
        f"read_package({str(DATA / 'gemm_static.hat')!r})\n"
        "print(sorted({'numpy', 'pandas', 'tomlkit', 'rich', 'lief', 'cffi'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("number", ["1" + "0" * 20, "-" + "9" * 25, "0x1" + "0" * 16])
def test_an_integer_beyond_64_bits_is_an_error_with_its_key(number: str) -> None:
    with pytest.raises(FormatError, match=r"functions\.f\.auxiliary\.n"):
        parse_document(f"[functions.f.auxiliary]\nn = {number}\n")


@pytest.mark.parametrize("number", ["9223372036854775807", "-9223372036854775808", "0x7fffffffffffffff"])
def test_the_largest_integers_are_read(number: str) -> None:
    assert parse_document(f"n = {number}") == {"n": int(number, 0)}
