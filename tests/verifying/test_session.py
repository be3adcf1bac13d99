"""What verifies: functions with placed arrays, in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from facts import assert_names
from sample_packages import affine, element, function, make_package

from hatframe import Kernel
from hatframe.rows import Row
from hatframe.selection import RunBackends
from hatframe.verifying.inputs import SIGNED, Trial
from hatframe.verifying.options import VerifyOptions
from hatframe.verifying.session import Examine, Repeat, Report, Save, Session, Setup

SOURCE = """
float twice(const float *x, float *y) { for (int i = 0; i < 8; i++) y[i] = 2 * x[i]; return x[0]; }
void adds(const float *x, float *y) { for (int i = 0; i < 8; i++) y[i] += x[i]; }
void counts(const float *x, float *y) { static int calls; twice(x, y); y[3] = ++calls; }
"""
X, Y = affine("x", [8]), affine("y", [8], usage="output")
FUNCTIONS = {
    "twice": function(X, Y, returns=element("", "float", "output", "float")),
    "adds": function(X, Y),
    "counts": function(X, Y),
}


class Announced:
    """A context that ignores what it hears."""

    def calling(self, seconds: float) -> None: ...

    def returned(self) -> None: ...

    def faulted(self, fault: Any) -> None: ...


@pytest.fixture(scope="module")
def hat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_package(tmp_path_factory.mktemp("session"), SOURCE, FUNCTIONS)


@pytest.fixture
def ask(hat: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    # The handler belongs to a process that ends.
    monkeypatch.setattr("hatframe.verifying.faults.FaultReporter._install", lambda self: None)
    setup = Setup(packages=((hat,),), rows=tuple(Row(0, name) for name in FUNCTIONS), folder=tmp_path)
    session = Session(setup, RunBackends(Kernel(), VerifyOptions()), Announced())

    def handle(request: Any) -> Report:
        report: Report = session.handle(request)
        return report

    yield handle
    session.close()


def test_a_right_function_has_no_problems(ask: Any) -> None:
    assert ask(Examine(Trial(row=0))).problems == ()
    assert ask(Repeat(Trial(row=0))).problems == ()


def test_a_result_that_depends_on_what_an_output_held_is_a_problem_of_usage(ask: Any) -> None:
    (problem,) = ask(Examine(Trial(row=1))).problems
    assert (problem.check, problem.argument, problem.index) == ("usage", "y", (0,))


@pytest.mark.parametrize("request_type", [Examine, Repeat])
def test_a_result_that_is_another_in_each_call_is_a_problem_of_determinism(ask: Any, request_type: Any) -> None:
    (problem,) = ask(request_type(Trial(row=2))).problems
    assert (problem.check, problem.argument, problem.index) == ("determinism", "y", (3,))
    assert_names(problem.message, "equal inputs")


def test_outputs_are_saved_with_the_return_value_first(ask: Any, tmp_path: Path) -> None:
    ask(Save(Trial(row=0), SIGNED, "outputs"))
    returned, y = (np.load(tmp_path / f"outputs.{number}.npy") for number in range(2))
    assert y[0] == 2 * returned
    assert y.min() < 0
