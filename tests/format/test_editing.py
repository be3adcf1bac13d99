"""Editing: a changed key changes its own lines and no other byte, and nobody ever sees half a file."""

from __future__ import annotations

import copy
import datetime
import difflib
import re
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import sample_packages
import tomli
import tomlkit
from hypothesis import given
from hypothesis import strategies as st
from toml_styles import KEYS, SCALARS, TABLES, styled

from hatframe.errors import FormatError
from hatframe.format.editing import edit_hat, edit_text, store_in_auxiliary
from hatframe.format.positions import Keys, Positions
from hatframe.format.reading import parse_document, read_hat
from hatframe.format.rendering import same

DATA = Path(__file__).parent.parent / "data"
CUDA = (DATA / "gemm_cuda.hat").read_text()
FUNCTION = "gemm_gpu_dd300edb3009cc4b"


def changed(text: str, change: Any) -> tuple[str, list[str]]:
    """The text after ``change`` was done to its document, and the lines removed and added."""
    document = tomli.loads(text.removeprefix("\ufeff"))
    change(document)
    result = edit_text(text, document)
    diff = difflib.ndiff(text.splitlines(keepends=True), result.splitlines(keepends=True))
    return result, [line for line in diff if line[0] in "+-"]


# ------------------------------------------------------------------------------------------- the real files


@pytest.mark.parametrize("line_break", ["\n", "\r\n"])
def test_a_result_is_stored_beside_what_accera_wrote(line_break: str) -> None:
    text = CUDA.replace("\n", line_break)

    def store(document: dict[str, Any]) -> None:
        document["functions"][FUNCTION]["auxiliary"]["mean_duration_in_sec"] = 1.5e-06

    result, lines = changed(text, store)
    header = f"[functions.{FUNCTION}.auxiliary"
    assert lines == [f"+ {line_break}", f"+ {header}]{line_break}", f"+ mean_duration_in_sec = 1.5e-06{line_break}"]
    assert result.index(f"{header}]") < result.index(f"{header}.accera.parameters]")
    _, lines = changed(result, lambda d: d["functions"][FUNCTION]["auxiliary"].update(mean_duration_in_sec=2.0))
    assert lines == [f"- mean_duration_in_sec = 1.5e-06{line_break}", f"+ mean_duration_in_sec = 2.0{line_break}"]


def test_a_changed_argument_changes_only_its_own_value_on_the_line() -> None:
    result, _ = changed(CUDA, lambda d: d["functions"][FUNCTION]["arguments"][1].update(usage="output"))
    places = [match.start() for match in re.finditer('usage = "input"', CUDA)]
    assert result == CUDA[: places[1]] + 'usage = "output"' + CUDA[places[1] + len('usage = "input"') :]


@pytest.mark.parametrize("name", ["gemm_static", "scale_runtime", "gemm_cuda", "vadd_Globals"])
@pytest.mark.parametrize("change", ["table", "key", "in declaration"])
def test_what_is_added_anywhere_is_unseen_by_the_c_compiler(name: str, change: str, tmp_path: Path) -> None:
    text = (DATA / f"{name}.hat").read_text()

    def add(document: dict[str, Any]) -> None:
        if change == "in declaration":
            document["declaration"]["added"] = "it's"
        else:
            document["added"] = {"key": "it's"} if change == "table" else "it's"

    result, _ = changed(text, add)
    command = [sample_packages.compiler("gcc"), "-E", "-P", "-w", "-x", "c", "-"]
    before, after = (
        subprocess.run(command, input=source, capture_output=True, text=True, check=True).stdout
        for source in (text, result)
    )
    assert before == after
    assert result.rstrip().endswith("#endif // __" + text.rstrip().rpartition("__")[0].rpartition("__")[2] + "__")


def test_removing_what_was_added_gives_the_file_again() -> None:
    def add(document: dict[str, Any]) -> None:
        document["device_functions"][f"{FUNCTION}__gpu__"]["auxiliary"] = {"mean": 1.0}
        document["target"]["required"]["auxiliary"] = {"x": {"y": 1}}

    def remove(document: dict[str, Any]) -> None:
        del document["device_functions"][f"{FUNCTION}__gpu__"]["auxiliary"]
        del document["target"]["required"]["auxiliary"]

    result, _ = changed(CUDA, add)
    again, _ = changed(result, remove)
    assert tomli.loads(again) == tomli.loads(CUDA)
    assert [line for line in again.split("\n") if line] == [line for line in CUDA.split("\n") if line]


def test_a_renamed_function_stays_among_the_functions() -> None:
    def rename(document: dict[str, Any]) -> None:
        document["functions"]["other"] = document["functions"].pop(FUNCTION)

    result, _ = changed(CUDA, rename)
    assert result.index("[functions]") < result.index("[functions.other]") < result.index("[device_functions]")


# ------------------------------------------------------------------------------------------------- each style


@pytest.mark.parametrize(
    ("text", "change", "expected"),
    [
        ("[a]\nx = 1 # one\n# on b\n\n[b]\ny=1", {"a": {"x": 2}}, "[a]\nx = 2 # one\n# on b\n\n[b]\ny=1"),
        ("[a]\nx = 1 # one\n# on b\n\n[b]\ny=1", {"a": {"z": 2}}, "[a]\nx = 1 # one\nz = 2\n# on b\n\n[b]\ny=1"),
        ("[a]\n  x = 1\n[b]\ny=1", {"b": {"z": "q"}}, '[a]\n  x = 1\n[b]\ny=1\nz = "q"'),
        ("[a]\n  x = 1\n[b]\ny=1", {"a": {"z": True}}, "[a]\n  x = 1\n  z = true\n[b]\ny=1"),
        ("[a]\r\nx = 1\r\n", {"a": {"y": 0.5}}, "[a]\r\nx = 1\r\ny = 0.5\r\n"),
        ("\ufeff[a]\nx = 1\n", {"top": 1}, "\ufefftop = 1\n\n[a]\nx = 1\n"),
        ("a.b = 1 # x\na.c = 2\n[t]\nq=1\n", {"a": {"d": 3}}, "a.b = 1 # x\na.c = 2\na.d = 3\n[t]\nq=1\n"),
        ("a = { x = 1 } # c\n", {"a": {"y": [1]}}, "a = { x = 1, y = [1] } # c\n"),
        ("a = {}\n", {"a": {"y": 1}}, "a = {y = 1}\n"),
        ("[a.b]\nx=1\n[c]\n[a.d]\n", {"a": {"k": 3}}, "[a]\nk = 3\n\n[a.b]\nx=1\n[c]\n[a.d]\n"),
        ("[a]\nx = [\n  1,\n  2, # two\n]\n", {"a": {"x": [1, 5]}}, "[a]\nx = [\n  1,\n  5, # two\n]\n"),
        ("[a]\nx = [\n  1,\n  2\n]\n", {"a": {"x": [1, 2, 3]}}, "[a]\nx = [\n  1,\n  2,\n  3\n]\n"),
        ("x = [1, 2, 3] # c\n", {"x": [1]}, "x = [1] # c\n"),
        ("[[t]]\na=1\n[[t]]\na=2\n[e]\n", {"t": [{"a": 1}]}, "[[t]]\na=1\n[e]\n"),
        ("[[t]]\na=1\n[e]\n", {"t": [{"a": 1}, {"b": 2}]}, "[[t]]\na=1\n\n[[t]]\nb = 2\n[e]\n"),
        ("[a]\nx = 1\n", {"a": {"x": 1.0}}, "[a]\nx = 1.0\n"),
        ("[a]\nx = 1\n", {"a": {"x": datetime.date(2020, 1, 2)}}, "[a]\nx = 2020-01-02\n"),
        ("#ifdef TOML\n#endif\n", {"a": {"x": 1}}, "#ifdef TOML\n[a]\nx = 1\n\n#endif\n"),
    ],
)
def test_each_style_keeps_its_style(text: str, change: dict[str, Any], expected: str) -> None:
    document = tomli.loads(text.removeprefix("\ufeff"))
    for key, value in change.items():
        if isinstance(value, dict):
            document.setdefault(key, {}).update(value)
        else:
            document[key] = value
    assert edit_text(text, document) == expected


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("a = { x = 1, y = 2, z = 3 }\n", ["a", "x"], "a = { y = 2, z = 3 }\n"),
        ("a = { x = 1, y = 2, z = 3 }\n", ["a", "z"], "a = { x = 1, y = 2 }\n"),
        ("[a]\nx = 1 # c\ny = 2\n", ["a", "x"], "[a]\ny = 2\n"),
        ("[a.b]\nx = 1\n\n[c]\n", ["a", "b"], "[a]\n\n[c]\n"),
        ("[a.b]\nx = 1\n\n[c]\n", ["a"], "[c]\n"),
        ("x = '''\na\n'''\ny = 1", ["x"], "y = 1"),
        ("t.a = 1\nt.b = 2\n", ["t", "b"], "t.a = 1\n"),
    ],
)
def test_a_removed_key_takes_only_its_own_lines(text: str, path: list[str], expected: str) -> None:
    document = tomli.loads(text)
    table = document
    for key in path[:-1]:
        table = table[key]
    del table[path[-1]]
    assert edit_text(text, document) == expected


@pytest.mark.parametrize("value", [None, object(), 2**63, {1: 2}, "\ud800", b"bytes"])
@pytest.mark.parametrize("key", ["a", "new"])
def test_what_toml_cannot_hold_is_refused(key: str, value: Any) -> None:
    for text in ("a = 1\n", "[a]\nb = 1\n", "a = { b = 1 }\n"):
        with pytest.raises(FormatError):
            edit_text(text, {**tomli.loads(text), key: value})


def test_toml_1_1_is_edited_around_what_only_it_allows() -> None:
    text = 'a = "\\e"\n[b]\nx = {\n  y = 1, # one\n}\n[c]\nz = 1\n'
    document = tomli.loads(text)
    document["b"]["x"]["y"] = 2
    document["c"]["z"] = 2
    assert edit_text(text, document) == text.replace("y = 1", "y = 2").replace("z = 1", "z = 2")
    with pytest.raises(FormatError):
        edit_text("a = 07:32\nb = 1\n", {"a": 1, "b": 1})


def test_a_text_that_looks_like_the_table_is_not_taken_for_it() -> None:
    table = "[b]\nx = 1\n[c]\n"
    text = f"a = '''\n{table}'''\n" + "\n".join(f"k{index} = 0" for index in range(20)) + f"\n{table}"
    changed = edit_text(text, {**tomli.loads(text), "b": {"x": 2}})
    assert changed == text.removesuffix(table) + table.replace("1", "2")


def test_tomlkit_would_break_the_files_of_accera() -> None:
    # Why edits are ours: where this test fails, tomlkit may have become good enough to make them.
    def edited(text: str) -> str:
        document = tomlkit.parse(text)
        document["added"] = {"key": 1}
        return tomlkit.dumps(document)

    result = edited(CUDA)
    assert result.index("[added]") > result.rindex("#endif")
    assert re.search(r"(?<!\r)\n", edited(CUDA.replace("\n", "\r\n")))
    with pytest.raises(tomlkit.exceptions.ParseError):
        edited(f"\ufeff{CUDA}")


# ------------------------------------------------------------------------------------------------- properties


def _mutated(draw: st.DrawFn, value: Any) -> Any:
    """The value with random keys and items changed, removed and added at any depth."""
    if isinstance(value, dict):
        result = {}
        for key, item in value.items():
            what = draw(st.sampled_from(["keep", "keep", "deeper", "deeper", "replace", "remove"]))
            if what == "replace":
                result[key] = draw(st.one_of(SCALARS, TABLES))
            elif what != "remove":
                result[key] = _mutated(draw, item) if what == "deeper" else item
        if draw(st.booleans()):
            result[draw(KEYS)] = draw(st.one_of(SCALARS, TABLES, st.lists(TABLES, max_size=2)))
        return result
    if isinstance(value, list):
        kept = [_mutated(draw, item) for item in value if draw(st.integers(0, 3))]
        return kept + draw(st.lists(st.one_of(SCALARS, TABLES), max_size=1))
    return draw(st.one_of(st.just(value), SCALARS))


@st.composite
def edits(draw: st.DrawFn) -> tuple[str, dict[str, Any], dict[str, Any]]:
    text, document = draw(styled())
    return text, document, _mutated(draw, copy.deepcopy(document))


@given(edits())
def test_any_edit_gives_what_was_asked_for_and_keeps_every_other_statement(
    case: tuple[str, dict[str, Any], dict[str, Any]],
) -> None:
    text, old, new = case
    result = edit_text(text, new)
    assert same(tomli.loads(result.removeprefix("\ufeff")), new)
    if "\r\n" in text:
        assert not re.search(r"(?<!\r)\n", result)
    positions = Positions(text)
    for section in positions.sections:
        for statement in section.statements:
            if _stays(old, new, statement.path):
                assert positions.source[statement.start : statement.end] in result.encode()


def _stays(old: Any, new: Any, path: Keys) -> bool:
    """Whether the value at ``path`` is the same, and so are the kinds of all tables around it."""
    for key in path:
        old = old[key]
        if isinstance(new, list) and not all(isinstance(item, dict) for item in new):
            # What holds anything else than tables can have no headers.
            return False
        if not isinstance(new, (dict, list)) or key not in (new if isinstance(new, dict) else range(len(new))):
            return False
        new = new[key]
    return same(old, new)


@given(styled())
def test_an_unchanged_document_changes_no_byte(case: tuple[str, dict[str, Any]]) -> None:
    text, document = case
    assert same(tomli.loads(text.removeprefix("\ufeff")), document)
    assert edit_text(text, document) == text


@given(styled(), KEYS, SCALARS)
def test_an_added_key_of_the_root_only_adds_lines(case: tuple[str, dict[str, Any]], key: str, value: Any) -> None:
    text, document = case
    if key not in document:
        result = edit_text(text, {**document, key: value})
        rest = iter(result.removeprefix("\ufeff").splitlines())
        assert all(line in rest for line in text.removeprefix("\ufeff").splitlines())


@given(edits())
def test_a_known_document_that_shares_what_stays_gives_the_same_edit(
    case: tuple[str, dict[str, Any], dict[str, Any]],
) -> None:
    text, _, new = case
    old = parse_document(text)
    before = copy.deepcopy(old)
    assert edit_text(text, _sharing(old, new), old=old) == edit_text(text, new)
    assert same(old, before)


def _sharing(old: Any, new: Any) -> Any:
    """The new value with the very objects of the old one where they are the same."""
    if same(old, new):
        return old
    if isinstance(new, dict) and isinstance(old, dict):
        return {key: _sharing(old.get(key), value) for key, value in new.items()}
    return new


def test_a_text_that_is_not_what_it_is_said_to_be_is_not_edited() -> None:
    with pytest.raises(FormatError):
        edit_text("a = 1\nb = 2\n", {"a": 1, "b": 3, "c": 4}, old={"a": 1, "b": 2, "c": 4})


# ------------------------------------------------------------------------------------------------------ files


def test_many_results_are_stored_in_one_edit_and_other_auxiliary_data_stays(tmp_path: Path) -> None:
    path = tmp_path / "f.hat"
    functions = {f"f{i}": sample_packages.function(auxiliary={"mine": i, "mean": 9.0}) for i in range(3)}
    path.write_text(sample_packages.hat_text(sample_packages.document(functions, "f.so")))
    before = path.read_text()
    store_in_auxiliary(path, {"f0": {"mean": 1e-9}, "f2": {"mean": 2.0, "median": 3.0}})
    stored = {name: function.auxiliary for name, function in read_hat(path).functions.items()}
    assert stored == {
        "f0": {"mine": 0, "mean": 1e-9},
        "f1": {"mine": 1, "mean": 9.0},
        "f2": {"mine": 2, "mean": 2.0, "median": 3.0},
    }
    lines = path.read_text().splitlines()
    assert len(lines) == len(before.splitlines()) + 1


def test_storing_for_an_unknown_function_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "f.hat"
    path.write_text(CUDA)
    with pytest.raises(FormatError, match="'other'"):
        store_in_auxiliary(path, {FUNCTION: {"mean": 1.0}, "other": {"mean": 1.0}})
    assert path.read_text() == CUDA


def test_an_exception_in_the_block_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "f.hat"
    path.write_text(CUDA)

    def fail() -> None:
        with edit_hat(path) as document:
            document["functions"].clear()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert path.read_text() == CUDA
    assert list(tmp_path.iterdir()) == [path]


def test_an_edit_that_changes_nothing_does_not_write(tmp_path: Path) -> None:
    path = tmp_path / "f.hat"
    path.write_text(CUDA)
    before = path.stat()
    with edit_hat(path) as document:
        document["dependencies"]["link_target"] = ""
    after = path.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_links_are_followed_and_the_mode_is_kept(tmp_path: Path) -> None:
    real = tmp_path / "real" / "f.hat"
    real.parent.mkdir()
    real.write_text(CUDA)
    real.chmod(0o640)
    link = tmp_path / "link.hat"
    link.symlink_to(real)
    with edit_hat(link) as document:
        document["dependencies"]["link_target"] = "x.so"
    assert link.is_symlink()
    assert read_hat(real).dependencies.link_target == "x.so"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert sorted(tmp_path.iterdir()) == [link, real.parent]


def test_two_writers_lose_nothing_and_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "f.hat"
    path.write_text(CUDA)
    script = (
        "import sys\n"
        "from hatframe.format.editing import store_in_auxiliary\n"
        "for i in range(15):\n"
        f"    store_in_auxiliary(sys.argv[1], {{'{FUNCTION}': {{f'{{sys.argv[2]}}{{i}}': i}}}})\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", script, path, name]) for name in ("one", "two")]
    done = threading.Event()
    reads = 0
    while not done.is_set():
        assert read_hat(path).declaration.code
        reads += 1
        if all(writer.poll() is not None for writer in writers):
            done.set()
    assert [writer.wait() for writer in writers] == [0, 0]
    assert reads > 1
    stored = read_hat(path).functions[FUNCTION].auxiliary
    assert {f"{name}{i}" for name in ("one", "two") for i in range(15)} <= stored.keys()
    assert list(tmp_path.iterdir()) == [path]
