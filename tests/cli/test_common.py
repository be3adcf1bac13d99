"""What the commands share."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from result_documents import failed, result

from hatframe.cli.common import log_failures, print_converted, print_json, print_table, show, show_line
from hatframe.outcomes import Converted

MADE = Converted(hat=Path("a.hat"), library=Path("a.dll.lib"), linker="zig", deploy_files=(Path("a.dll"),))


def test_json_has_paths_and_structs_as_plain_data(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"path": Path("a"), "made": MADE})
    printed = json.loads(capsys.readouterr().out)
    assert printed["path"] == "a"
    assert printed["made"]["hat"] == "a.hat"


def test_what_a_terminal_would_obey_is_escaped_however_it_is_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    show("a\x1b[2J\x9b")
    show_line("a\x1b", "b\nc")
    print_table(["name\x1b", "value"], [["f\x1b[31m", "1\n2"]])
    printed = capsys.readouterr().out
    assert not set(printed) & set("\x1b\x9b")
    assert printed.splitlines()[:2] == ["a\\x1b[2J\\x9b", "a\\x1b\tb\\nc"]
    assert "1\\n2" in printed


def test_json_escapes_what_a_terminal_would_obey_and_means_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"a": "\x1b\x7f\x9b\u202e\U000e0001é\n"}
    print_json(value)
    printed = capsys.readouterr().out
    assert not set(printed) & set("\x1b\x7f\x9b\u202e\U000e0001")
    assert json.loads(printed) == value
    assert "é" in printed


def test_json_has_file_names_that_are_not_text(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"path": Path("a\udcff")})
    assert json.loads(capsys.readouterr().out) == {"path": "a\udcff"}


def test_what_was_written_is_one_line_or_json(capsys: pytest.CaptureFixture[str]) -> None:
    print_converted(MADE, json=False)
    (line,) = capsys.readouterr().out.splitlines()
    assert all(name in line for name in ("a.hat", "a.dll.lib", "a.dll", "zig"))
    print_converted(MADE, json=True, functions=["f"])
    printed = json.loads(capsys.readouterr().out)
    assert (printed["library"], printed["functions"]) == ("a.dll.lib", ["f"])


def test_exports_that_cannot_be_left_out_are_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    many = tuple(f"extra_{number}" for number in range(7))
    print_converted(Converted(hat=Path("a.hat"), library=Path("a.so"), linker="zig", extra_exports=many), json=True)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "extra_0" in record.message
    assert "2 more" in record.message


def test_each_reason_is_logged_once_with_a_function(caplog: pytest.LogCaptureFixture) -> None:
    results = [result("good"), failed("a", "SIGSEGV"), failed("b", "SIGSEGV"), failed("c", "c is not exported")]
    assert log_failures(results, logging.ERROR)
    first, second = caplog.messages
    assert "a" in first
    assert "SIGSEGV" in first
    assert second == "c is not exported"
    assert not log_failures([result("good")], logging.ERROR)
