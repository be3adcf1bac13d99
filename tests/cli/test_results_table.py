"""Results as a table."""

from __future__ import annotations

import pytest
from result_documents import failed, result

from hatframe.cli.results_table import print_results
from hatframe.results.comparison import rankings
from hatframe.results.model import FunctionResult


def printed(capsys: pytest.CaptureFixture[str], *results: FunctionResult) -> list[str]:
    print_results(results, rankings(results))
    return capsys.readouterr().out.splitlines()


def measured(name: str, time: float, group: str, **more: object) -> FunctionResult:
    return result(name, times=[time] * 9, rounds=range(9), group=group, **more)


def test_one_ranking_is_one_table_with_the_fastest_first(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, measured("slow", 2e-6, "g"), failed("broken", "why"), measured("quick", 1e-6, "g"))
    assert lines[0].split()[0] == "function"
    assert [line.split()[0] for line in lines[1:3]] == ["quick", "slow"]
    assert lines[3].startswith("fastest: quick ")
    assert len(lines) == 4


def test_each_size_is_a_section_with_a_winner(capsys: pytest.CaptureFixture[str]) -> None:
    results = [
        measured(name, time * n, f"dot_* (n={n})", sizes={"n": n})
        for n in (1, 1000)
        for name, time in (("dot_a", 2e-6), ("dot_b", 2e-6 if n == 1 else 1e-6))
    ]
    lines = printed(capsys, *results)
    assert lines[2] == "dot_* (n=1)"
    assert lines[7] == "dot_* (n=1000)"
    assert lines[-1].startswith("fastest: dot_b ")
    assert sum(line.startswith("fastest: ") for line in lines) == 2


def test_a_ranking_with_sizes_names_them(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, *(measured(name, 1e-6, "f_* (n=8)", sizes={"n": 8}) for name in ("f_a", "f_b")))
    assert lines[2] == "f_* (n=8)"


def test_unrelated_functions_have_no_ranking(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, measured("f", 1e-6, "f (n=8)", sizes={"n": 8}), measured("g", 2e-6, "g"))
    assert lines[0].split()[:2] == ["function", "time"]
    assert "ratio" not in lines[0]
    assert lines[1].startswith("f (n=8) ")
    assert "fastest: " not in "\n".join(lines)


def test_functions_without_competitors_follow_the_rankings(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, measured("a", 1e-6, "g"), measured("alone", 1e-6, "h"), measured("b", 2e-6, "g"))
    assert lines[2] == "g"
    assert lines[5].startswith("fastest: a ")
    assert lines[7].startswith("not ranked")
    assert lines[8].startswith("alone ")


@pytest.mark.parametrize(
    ("files", "shown"), [(("a/x.hat", "a/y.hat"), {"x.hat", "y.hat"}), (("a/x.hat", "b/x.hat"), {"a/x.hat", "b/x.hat"})]
)
def test_packages_are_named_where_there_are_several(
    capsys: pytest.CaptureFixture[str], files: tuple[str, ...], shown: set[str]
) -> None:
    lines = printed(capsys, *(measured("f", 1e-6, "f", hat_file=file) for file in files))
    assert {line.split()[1] for line in lines[1:3]} == shown


def test_no_results_print_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, failed("f", "why")) == []
