"""The sides of a comparison, from what the user names."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from result_documents import document, result
from sample_packages import document as hat_document
from sample_packages import element, function, hat_text, runtime

from hatframe.errors import UsageError
from hatframe.results.model import ResultsDocument
from hatframe.results.sources import Sizes, Values, result_sets
from hatframe.results.writing import encode_results


def never(sources: Sequence[str], sizes: Sizes, values: Values) -> ResultsDocument:
    raise AssertionError(f"measured {sources}")


def package(folder: Path, name: str, *arguments: dict[str, Any]) -> Path:
    path = folder / f"{name}.hat"
    path.write_text(hat_text(hat_document({"f": function(*arguments)}, "f.so")))
    return path


def test_documents_and_files_of_them_are_sides_without_a_measurement(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(encode_results(document(result("a"))))
    from_file, from_object = result_sets([path, document(result("b"))], never)
    assert from_file.name == str(path)
    assert [each.function_name for each in from_file.results] == ["a"]
    assert [each.function_name for each in from_object.results] == ["b"]


def test_packages_are_measured_together_and_each_gets_its_own_results(tmp_path: Path) -> None:
    one, two = package(tmp_path, "one"), package(tmp_path, "two")
    asked: list[Sequence[str]] = []

    def measure(sources: Sequence[str], sizes: Sizes, values: Values) -> ResultsDocument:
        assert sizes == []
        asked.append(list(sources))
        return document(result("f", hat_file=str(two)), result("f", hat_file=str(one)))

    first, second = result_sets([one, two], measure)
    assert asked == [[str(one), str(two)]]
    assert [each.hat_file for each in first.results] == [str(one)]
    assert [each.hat_file for each in second.results] == [str(two)]


def test_packages_are_measured_with_the_sizes_that_documents_have(tmp_path: Path) -> None:
    path = package(tmp_path, "one", element("n", "int64_t"), runtime("x", "n"))
    before = document(
        *(result("f_0123456789abcdef", sizes={"n": n}) for n in (8, 9)),
        result("f", sizes={"n": 8, "gone": 3}),
        result("other", sizes={"n": 10}),
    )
    asked: Sizes = []

    def measure(sources: Sequence[str], sizes: Sizes, values: Values) -> ResultsDocument:
        asked.extend(sizes)
        return document(result("f", hat_file=str(path)))

    result_sets([path, before], measure)
    assert asked == [{"n": 8}, {"n": 9}]


def test_packages_are_measured_with_the_values_on_which_all_documents_agree(tmp_path: Path) -> None:
    path = package(tmp_path, "one", element("n", "int64_t"), element("k", "int64_t"), runtime("x", "n"))
    before = document(
        result("f", sizes={"n": 8}, values={"k": 3, "gone": 1}),
        result("f", sizes={"n": 9}, values={"k": 3}),
        result("other", values={"k": 5}),
    )
    asked: list[Values] = []

    def measure(sources: Sequence[str], sizes: Sizes, values: Values) -> ResultsDocument:
        asked.append(values)
        return document(result("f", hat_file=str(path)))

    result_sets([path, before], measure)
    result_sets([path, before, document(result("f", values={"k": 4}))], measure)
    assert asked == [{"k": 3}, {}]


def test_one_package_cannot_be_two_sides(tmp_path: Path) -> None:
    path = package(tmp_path, "one")
    with pytest.raises(UsageError) as caught:
        result_sets([path, tmp_path], never)
    assert str(path) in str(caught.value)


def test_a_run_that_was_interrupted_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        result_sets([document(result("a"), complete=False)], never)
    assert len(caplog.records) == 1
