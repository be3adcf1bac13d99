"""Command lines that option parsers cannot take."""

from __future__ import annotations

import pytest

from hatframe.cli.arguments import normal_arguments
from hatframe.errors import UsageError

SPELLINGS = {"--functions", "--verbose", "--size"}


@pytest.mark.parametrize(
    ("arguments", "normal"),
    [
        ("bench --functions a b --size M=1 p.hat", "bench --functions a --functions b --size M=1 p.hat"),
        ("bench --functions a b p.hat", "bench --functions a --functions b p.hat"),
        ("bench --functions a.hat", "bench --functions a.hat"),
        ("bench p.hat --verbose True", "bench p.hat --verbose"),
        ("bench p.hat --verbose false", "bench p.hat"),
        ("bench --verbose p.hat", "bench --verbose p.hat"),
        ("bench -- --functions a b", "bench -- --functions a b"),
        ("bench --functions", "bench --functions"),
    ],
)
def test_several_values_after_one_option_are_spelled_out(arguments: str, normal: str) -> None:
    assert normal_arguments(arguments.split(), SPELLINGS) == normal.split()


def test_an_option_in_place_of_a_name_is_a_usage_error() -> None:
    with pytest.raises(UsageError) as caught:
        normal_arguments(["--functions", "--size"], SPELLINGS)
    assert "--size" in str(caught.value)


def test_a_command_without_the_option_keeps_it() -> None:
    assert normal_arguments(["--functions", "a", "b"], set()) == ["--functions", "a", "b"]
