"""Results that are stored in packages."""

from __future__ import annotations

from pathlib import Path

import pytest
from hatframe_builtin.sinks.hat_sink import HatSink
from result_documents import document, result, run_info
from sample_packages import affine, element, function, hat_text, runtime
from sample_packages import document as hat_document

from hatframe.errors import HatError
from hatframe.format.editing import store_in_auxiliary
from hatframe.results.model import FunctionResult
from hatframe.results.stored import stored_runs


def package(folder: Path, *names: str) -> Path:
    path = folder / "pkg.hat"
    tables = {name: function(runtime("x", "n"), element("n")) for name in names}
    path.write_text(hat_text(hat_document({**tables, "fixed": function(affine("A", [4]))}, "pkg.so")))
    return path


def store(path: Path, *results: FunctionResult) -> None:
    run = HatSink().open(run_info(str(path)), None)
    run.close(document(*results))


def test_what_a_run_stored_is_read_with_its_date_and_machine(tmp_path: Path) -> None:
    path = package(tmp_path, "a", "b")
    store(path, *(result(name, hat_file=str(path), sizes={"n": 8}) for name in ("a", "b")))
    (found,) = stored_runs(path)
    assert (found.run.id, found.run.started) == (run_info().id, run_info().started)
    assert str(found.run.machine) == str(run_info().machine)
    assert [each.function_name for each in found] == ["a", "b"]
    assert [(each.sizes, each.batches) for each in found] == [({"n": 8}, 3)] * 2
    assert [each.statistics for each in found] == [result().statistics] * 2
    (ranking,) = found.rankings
    assert len(ranking.members) == 2


def test_every_size_is_read(tmp_path: Path) -> None:
    path = package(tmp_path, "a")
    store(path, *(result("a", hat_file=str(path), times=[n * 1e-9], sizes={"n": n}) for n in (8, 16)))
    (found,) = stored_runs(tmp_path)
    assert [(each.sizes, each.statistics and each.statistics.mean) for each in found] == [
        ({"n": 8}, pytest.approx(8e-9)),
        ({"n": 16}, pytest.approx(16e-9)),
    ]


def test_a_mean_of_another_tool_is_a_result(tmp_path: Path) -> None:
    path = package(tmp_path)
    store_in_auxiliary(path, {"fixed": {"duration_in_sec": 2.5e-6}})
    (found,) = stored_runs(path)
    (one,) = found
    assert one.statistics
    assert (one.function_name, one.statistics.mean, found.run.started) == ("fixed", 2.5e-6, "")


def test_a_package_without_results_is_an_error_that_says_how_to_store_some(tmp_path: Path) -> None:
    path = package(tmp_path, "a")
    with pytest.raises(HatError, match="--sink hat") as caught:
        stored_runs(path)
    assert caught.value.where == str(path)


def test_stored_figures_that_are_not_numbers_are_an_error(tmp_path: Path) -> None:
    path = package(tmp_path)
    store_in_auxiliary(path, {"fixed": {"duration_in_sec": 2.5e-6, "min_of_means_in_sec": "fast"}})
    with pytest.raises(HatError, match="fixed"):
        stored_runs(path)
