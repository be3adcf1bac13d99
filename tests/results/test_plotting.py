"""Pictures of results: what they show, by their text."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from result_documents import document, failed, result

from hatframe.errors import HatError, UsageError
from hatframe.results.comparison import rankings
from hatframe.results.model import FunctionResult, ResultsDocument
from hatframe.results.plotting import plot_results


def ranked(*results: FunctionResult) -> ResultsDocument:
    return document(*results, rankings=rankings(results))


def sweep(name: str, factor: float) -> list[FunctionResult]:
    sizes = (1000, 8000, 64000)
    return [
        result(name, times=[factor * n * 1e-9, factor * n * 1.02e-9], sizes={"n": n}, group=f"dot_* (n={n})")
        for n in sizes
    ]


def texts(path: Path) -> list[str]:
    """All texts of an SVG, in their order."""
    root = ElementTree.parse(path).getroot()
    return ["".join(each.itertext()).strip() for each in root.iter("{http://www.w3.org/2000/svg}text")]


def test_functions_of_one_group_are_rows_from_the_fastest_down(tmp_path: Path) -> None:
    path = tmp_path / "run.svg"
    times = {"slow": 3e-6, "fast_$a$": 1e-6, "medium": 2e-6}
    results = [result(name, times=[t, 1.01 * t], group="g") for name, t in times.items()]
    plot_results([("run.json", ranked(*results, failed("broken", "it crashed")))], path)
    shown = texts(path)
    assert [text for text in shown if text in times] == ["fast_$a$", "medium", "slow"]
    assert "broken" not in shown
    assert "run.json, 2024-05-06 07:08 UTC" in shown
    assert "x86_64-linux, A processor" in shown
    assert any("95 %" in text for text in shown)
    assert any(re.fullmatch(r"[\d.]+ µs", text) for text in shown)


def test_several_sizes_are_an_axis_and_functions_are_curves(tmp_path: Path) -> None:
    path = tmp_path / "sweep.svg"
    plot_results([("run.json", ranked(*sweep("dot_a", 1), *sweep("dot_b", 2)))], path)
    shown = texts(path)
    assert {"1000", "8000", "64000", "n", "time of a call", "dot_a", "dot_b"} <= set(shown)


def test_sizes_that_are_not_one_number_are_named(tmp_path: Path) -> None:
    path = tmp_path / "sweep.svg"
    sizes = ({"M": 8, "N": 4}, {"M": 16, "N": 4}, {"M": 16, "N": 8})
    plot_results([("run.json", ranked(*(result("f", sizes=each) for each in sizes)))], path)
    assert {"M=8 N=4", "M=16 N=4", "M=16 N=8"} <= set(texts(path))
    square = [result("f", sizes={"M": n, "N": n, "K": 4}) for n in (8, 16)]
    plot_results([("run.json", ranked(*square))], path)
    assert {"8", "16", "M = N (K=4)"} <= set(texts(path))


def test_functions_that_do_not_compete_have_panels_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "run.svg"
    plot_results([("run.json", ranked(result("f", group="f"), result("g", group="g")))], path)
    assert len([text for text in texts(path) if "95 %" in text]) == 2


def test_several_runs_are_named_in_the_legend(tmp_path: Path) -> None:
    path = tmp_path / "runs.svg"
    before, after = ranked(*sweep("f", 1)), ranked(*sweep("f", 2))
    plot_results([("before.json", before), ("after.json", after)], path)
    assert {"before.json, 2024-05-06 07:08 UTC", "after.json, 2024-05-06 07:08 UTC", "f"} <= set(texts(path))


def test_the_same_results_give_the_same_file(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        plot_results([("run.json", ranked(*sweep("f", 1)))], tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_a_png_is_a_png(tmp_path: Path) -> None:
    plot_results([("run.json", ranked(result("f")))], tmp_path / "run.png")
    assert (tmp_path / "run.png").read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_drawn_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.svg"):
        plot_results([("run.json", ranked(result("f")))], tmp_path / "run.docx")
    with pytest.raises(HatError, match=r"run\.json"):
        plot_results([("run.json", ranked(failed("f", "it crashed")))], tmp_path / "run.svg")
    with pytest.raises(HatError, match=r"none"):
        plot_results([("run.json", ranked(result("f")))], tmp_path / "none" / "run.svg")


def test_without_matplotlib_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(HatError, match=r"hatframe\[plot\]"):
        plot_results([("run.json", ranked(result("f")))], tmp_path / "run.svg")
