"""Arguments of operations: one value or several, text or data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hatframe import Kernel
from hatframe.arguments import as_flags, as_sizes, as_tuple, as_values, backend_options, chosen_sinks
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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("n=1000,10000", [{"n": 1000}, {"n": 10000}]),
        ("n=2^10..2^13", [{"n": 1024}, {"n": 2048}, {"n": 4096}, {"n": 8192}]),
        ("n=10^2..10^4", [{"n": 100}, {"n": 1000}, {"n": 10000}]),
        ("n=1..7 step 3", [{"n": 1}, {"n": 4}, {"n": 7}]),
        ("n=2^3..2^4 step 4", [{"n": 8}, {"n": 12}, {"n": 16}]),
        ("n=5..6, 2^3", [{"n": 5}, {"n": 6}, {"n": 8}]),
        ("M=1,2,N=3,4", [{"M": 1, "N": 3}, {"M": 1, "N": 4}, {"M": 2, "N": 3}, {"M": 2, "N": 4}]),
    ],
)
def test_sizes_may_be_lists_and_ranges(text: str, expected: list[dict[str, int]]) -> None:
    assert as_sizes(text) == tuple(expected)


def test_a_mapping_may_have_several_sizes_for_a_name() -> None:
    assert as_sizes({"n": [1, 2], "m": "3..4"}) == (
        {"n": 1, "m": 3},
        {"n": 1, "m": 4},
        {"n": 2, "m": 3},
        {"n": 2, "m": 4},
    )


MALFORMED = ["M", "M=", "=3", "M=-1", "M=1.5", "M=2,M=3", "M=2;N=3", "3,M=1", "M=N=3"]
RANGES = ["n=2..1", "n=1..", "n=1..5 step 0", "n=1..50000", "n=2^99", "n=1..10000,m=1..2", "n=2^2^2", "n=0^0..5 by 2"]


@pytest.mark.parametrize("text", MALFORMED + RANGES)
def test_a_malformed_size_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        as_sizes(text)


def test_values_are_text_or_mappings() -> None:
    assert as_values(["limit=1000", "alpha=0.5,n=-3"]) == {"limit": 1000, "alpha": 0.5, "n": -3}
    assert as_values({"limit": 7}) == {"limit": 7}
    assert as_values(()) == {}


@pytest.mark.parametrize("text", ["limit", "limit=", "=3", "limit=x", "a=inf", "a=nan", ["a=1", "a=2"]])
def test_a_malformed_value_is_a_usage_error(text: Any) -> None:
    with pytest.raises(UsageError):
        as_values(text)


SINKS = Kernel().registry.sinks


def test_options_of_backends_become_settings_in_text() -> None:
    options = {"store_in_hat": True, "results_file": Path("a.csv")}
    assert backend_options(options, SINKS) == {"store_in_hat": "true", "results_file": "a.csv"}
    assert backend_options({"store_in_hat": False, "results_file": None}, SINKS) == {}
    with pytest.raises(UsageError) as caught:
        backend_options({"result_file": "a.csv"}, SINKS)
    assert "results_file" in str(caught.value)


def test_a_misspelt_keyword_of_an_operation_is_named() -> None:
    with pytest.raises(UsageError, match="max_time"):
        Kernel().bench("any.hat", maxtime=1)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="allow_outside"):
        Kernel().verify("any.hat", allow_outsid=True)


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
