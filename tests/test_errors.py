"""Errors say what was wrong, where, and what to do; and they cross processes."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from hatframe import errors
from hatframe.errors import HatError, UnknownFunctionError, printable, system_errors_named

KINDS = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, HatError)]


def test_the_text_has_the_place_the_fault_and_the_hint() -> None:
    assert str(HatError("it is broken", where="a.hat: functions.f", hint="mend it")) == (
        "a.hat: functions.f: it is broken; mend it"
    )
    assert str(HatError("it is broken")) == "it is broken"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_keeps_its_parts_in_another_process(kind: type[HatError]) -> None:
    error = kind("it is broken", where="a.hat", hint="mend it")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert (copy.message, copy.where, copy.hint) == ("it is broken", "a.hat", "mend it")
    assert str(copy) == str(error) == "a.hat: it is broken; mend it"


@pytest.mark.parametrize("base", [KeyError, AttributeError])
def test_an_unknown_function_is_an_error_of_mappings_and_of_attributes(base: type[Exception]) -> None:
    assert issubclass(UnknownFunctionError, base)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;owned\x07", "\\x1b]0;owned\\x07"),
        ("a\nhatframe: error: b\r", "a\\nhatframe: error: b\\r"),
        ("\x9b31m\x7f\x00", "\\x9b31m\\x7f\\x00"),
        ("\u202etxt.exe\u2066\u200f\ufeff", "\\u202etxt.exe\\u2066\\u200f\\ufeff"),
        ("\udcff\u2028", "\\udcff\\u2028"),
    ],
)
def test_what_a_terminal_would_obey_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert str(HatError(text, where=text, hint=text)) == f"{shown}: {shown}; {shown}"


@pytest.mark.parametrize("text", ["Jürgen", "ディスク\u3000容量", "ab\u200ccd", "👩\u200d🔬", "C:\\new", "a 'b' µs"])
def test_what_people_read_stays(text: str) -> None:
    assert printable(text) == text


def test_an_error_keeps_the_text_as_it_was() -> None:
    assert HatError("a\x1bb").message == "a\x1bb"


@pytest.mark.parametrize(
    ("cause", "place"),
    [
        (lambda: Path("x" * 300).stat(), "x" * 300),
        (lambda: os.open("a\0b", 0), "null"),
        (lambda: "\udcff".encode(), "udcff"),
    ],
)
def test_what_the_system_refuses_is_an_error_of_hatframe(cause: Callable[[], object], place: str) -> None:
    with pytest.raises(HatError) as caught, system_errors_named():
        cause()
    assert place in str(caught.value)


@pytest.mark.parametrize("error", [ValueError("mine"), BrokenPipeError("gone"), RuntimeError("mine")])
def test_other_errors_stay_as_they_are(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, system_errors_named():
        raise error
    assert caught.value is error
