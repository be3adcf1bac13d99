"""The sizes at which functions tend to fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from hatframe.verifying.shapes import consistent, edge_shapes, shrunk_shape


def test_one_dimension_has_nothing_one_primes_and_the_edges_of_vectors() -> None:
    sizes = [choice["n"] for choice in edge_shapes(["n"])]
    assert sizes == sorted(sizes)
    assert {0, 1, 7, 8, 9, 13, 15, 16, 17, 61, 63, 64, 65, 1021} <= set(sizes)


def test_several_dimensions_differ_from_one_another() -> None:
    choices = edge_shapes(["m", "n", "k"])
    assert {"m": 0, "n": 0, "k": 0} in choices
    assert {"m": 5, "n": 0, "k": 5} in choices
    assert {"m": 17, "n": 17, "k": 33} in choices
    assert any(len(set(choice.values())) == 3 for choice in choices)


def test_distances_between_rows_are_no_shorter_than_the_rows() -> None:
    assert consistent({"m": 3, "n": 9, "lda": 1, "row_stride": 2}) == {"m": 3, "n": 9, "lda": 9, "row_stride": 9}


def test_a_function_without_dimensions_has_one_shape() -> None:
    assert edge_shapes([]) == []


def test_random_sizes_that_fail_are_shrunk_to_small_ones() -> None:
    found = shrunk_shape(["m", "n"], lambda sizes: sizes["m"] >= 20 and sizes["n"] > 2, seed=0)
    assert found
    assert found["m"] >= 20
    assert sum(found.values()) < 60


def test_a_function_that_never_fails_has_no_failing_size() -> None:
    tried = []
    assert shrunk_shape(["n"], lambda sizes: bool(tried.append(sizes)), seed=0) is None
    assert len(tried) > 10


def test_equal_seeds_try_equal_sizes() -> None:
    runs: list[list[dict[str, int]]] = [[], []]
    for run in runs:
        shrunk_shape(["n"], lambda sizes, run=run: bool(run.append(sizes)), seed=3)  # type: ignore[misc]
    assert runs[0] == runs[1]


def test_nothing_is_left_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shrunk_shape(["n"], lambda sizes: sizes["n"] > 7, seed=0)
    assert list(tmp_path.iterdir()) == []
