"""The model of a .hat file has a default for what real files leave out."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from hatframe.format.model import HatFile, LogicalType, Parameter, Usage
from hatframe.format.reading import parse_hat


def test_an_empty_file_is_a_package_of_nothing() -> None:
    hat = parse_hat("[functions]\n")
    assert hat.functions == {}
    assert hat.library is None
    assert hat.target.required.gpu is None
    assert hat.target.required.auxiliary == {}


def test_a_function_needs_only_its_arguments() -> None:
    function = parse_hat("[functions.f]\narguments = [{ logical_type = 'element' }]\n").functions["f"]
    assert (function.calling_convention, function.runtime) == ("cdecl", "")
    assert function.return_value.logical_type is LogicalType.VOID
    (parameter,) = function.arguments
    assert (parameter.name, parameter.usage, parameter.shape) == ("", Usage.INPUT, None)


def test_paths_are_relative_to_the_folder_of_the_file() -> None:
    hat = parse_hat("[functions]\n[dependencies]\nlink_target = 'lib/a.so'\n", Path("in/a.hat"))
    assert hat.folder == Path("in")
    assert hat.library == Path("in/lib/a.so")


def test_unknown_keys_stay_in_the_document() -> None:
    hat = parse_hat("new = 1\n[functions]\n[target.required.GPU]\nmodel = 'x'\nstrange = 2\n")
    assert hat.document["new"] == 1
    assert hat.document["target"]["required"]["GPU"]["strange"] == 2
    assert hat.target.required.gpu is not None
    assert hat.target.required.gpu.model == "x"


def test_it_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        HatFile().path = Path("x")  # type: ignore[misc]
    parameter = Parameter(logical_type=LogicalType.ELEMENT)
    assert msgspec.structs.replace(parameter, name="x").name == "x"
    assert parameter.name == ""


def test_words_of_the_format_are_printed_as_it_spells_them() -> None:
    assert f"{Usage.INPUT_OUTPUT} {LogicalType.AFFINE_ARRAY}" == "input_output affine_array"
