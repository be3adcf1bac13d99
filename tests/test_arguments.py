"""Arguments of operations: one value or several, text or data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hatframe import Kernel
from hatframe.arguments import as_flags, as_sizes, as_tuple, backend_options, chosen_sinks
from hatframe.errors import UsageError


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ()),
        ("a b", ("a b",)),
        (Path("a"), (Path("a"),)),
        (["a", "b"], ("a", "b")),
        ((each for each in "ab"), ("a", "b")),
        ({"M": 1}, ({"M": 1},)),
        (3, (3,)),
    ],
)
def test_one_value_is_a_sequence_of_one(value: Any, expected: tuple[Any, ...]) -> None:
    assert as_tuple(value) == expected


def test_flags_are_split_as_by_a_shell_unless_they_are_split_already() -> None:
    assert as_flags("-O2 -DX='a b'") == ("-O2", "-DX=a b")
    assert as_flags(["-DX=a b"]) == ("-DX=a b",)
    with pytest.raises(UsageError):
        as_flags("-DX='a")


def test_sizes_are_text_or_mappings() -> None:
    assert as_sizes("M=2, N=3") == ({"M": 2, "N": 3},)
    assert as_sizes([{"M": 4}, "M=5"]) == ({"M": 4}, {"M": 5})
    assert as_sizes(None) == ()


@pytest.mark.parametrize("text", ["M", "M=", "=3", "M=-1", "M=1.5", "M=2,M=3", "M=2;N=3"])
def test_a_malformed_size_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        as_sizes(text)


SINKS = Kernel().registry.sinks


def test_options_of_backends_become_settings_in_text() -> None:
    options = {"store_in_hat": True, "results_file": Path("a.csv")}
    assert backend_options(options, SINKS) == {"store_in_hat": "true", "results_file": "a.csv"}
    assert backend_options({"store_in_hat": False, "results_file": None}, SINKS) == {}
    with pytest.raises(UsageError) as caught:
        backend_options({"result_file": "a.csv"}, SINKS)
    assert "results_file" in str(caught.value)


def test_sinks_are_those_chosen_and_those_of_which_an_option_is_given() -> None:
    found = chosen_sinks(["csv=a.csv", "json"], {"store_in_hat": "true"}, SINKS)
    assert [(sink.name, path, sink.settings) for sink, path in found] == [
        ("csv", Path("a.csv"), {}),
        ("json", None, {}),
        ("hat", None, {"store_in_hat": "true"}),
    ]


@pytest.mark.parametrize(("choices", "named"), [(["csv="], "csv="), (["csv", "csv=b"], "csv")])
def test_a_choice_of_sinks_that_makes_no_sense_is_a_usage_error(choices: list[str], named: str) -> None:
    with pytest.raises(UsageError) as caught:
        chosen_sinks(choices, {}, SINKS)
    assert named in str(caught.value)
