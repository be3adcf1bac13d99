"""What the commands share."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from result_documents import failed, result

from hatframe.cli.common import log_failures, print_converted, print_json
from hatframe.outcomes import Converted

MADE = Converted(hat=Path("a.hat"), library=Path("a.dll.lib"), linker="zig", deploy_files=(Path("a.dll"),))


def test_json_has_paths_and_structs_as_plain_data(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"path": Path("a"), "made": MADE})
    printed = json.loads(capsys.readouterr().out)
    assert printed["path"] == "a"
    assert printed["made"]["hat"] == "a.hat"


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
