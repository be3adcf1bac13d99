"""What all kinds of backends share."""

from __future__ import annotations

import inspect

import pytest

from hatframe import backends
from hatframe.backends import Availability, Backend, Option

KINDS = [value for value in vars(backends).values() if isinstance(value, type) and Backend in value.__bases__]


def test_an_option_is_a_keyword_in_snake_case() -> None:
    assert Option(names=("--store-in-hat", "--store_in_hat"), help="x").key == "store_in_hat"


def test_a_backend_that_is_not_available_is_false() -> None:
    assert Availability()
    assert not Availability(False, "there is no device")


def test_a_configured_backend_is_a_copy_with_the_options_that_it_declares() -> None:
    class Chosen(Backend):
        name = "chosen"
        summary = "for a test"
        options = (Option(names=("--device",), help="x"),)

    plain = Chosen()
    configured = plain.configured({"device": "1", "timer": "native"})
    assert configured.settings == {"device": "1"}
    assert plain.settings == {}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_says_what_it_is_for(kind: type[Backend]) -> None:
    assert inspect.getdoc(kind)
    assert kind.options == () or all(isinstance(option, Option) for option in kind.options)


def test_the_kinds_are_those_of_the_hooks() -> None:
    assert {kind.__name__ for kind in KINDS} >= {"Loader", "Linker", "Sink", "Probe", "Meter"}
