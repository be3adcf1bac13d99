"""Where a conversion writes, what it leaves alone, and that it writes all or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hatframe_builtin.linkers.gcc import Gcc
from sample_packages import document, element, function, hat_text, make_package

from hatframe.backends import Linker
from hatframe.converting.conversion import Made, check_not_inputs, convert, output_hat, write_package
from hatframe.converting.plan import plan_link
from hatframe.errors import LinkError, UsageError
from hatframe.format.reading import read_hat
from hatframe.packages.package import read_package

NEXT = function(element("x"), returns=element("", "int", "output", "int"))


@pytest.fixture
def package(tmp_path: Path) -> Path:
    stored = {**NEXT, "auxiliary": {"mean_duration_in_sec": 1e-6, "flops": 2}}
    return make_package(tmp_path / "in", "int next(int x) { return x + 1; }", {"next": stored}, static=True)


def make(linker: Linker, folder: Path, names: Sequence[str]) -> Made:
    made = {name: folder / name for name in names}
    for path in made.values():
        path.write_bytes(b"a library")
    return Made(libraries=made, included=frozenset())


def fail(linker: Linker, folder: Path, names: Sequence[str]) -> Made:
    raise LinkError("it failed")


def test_the_new_package_has_the_new_libraries_and_no_durations_of_the_old_one(package: Path, tmp_path: Path) -> None:
    plan = plan_link(read_package(package))
    done = convert(plan, tmp_path / "out.hat", Gcc(), lambda stem: [f"{stem}.lib", f"{stem}.dll"], make)
    assert (done.library, done.deploy_files) == (tmp_path / "out.lib", (tmp_path / "out.dll",))
    hat = read_hat(done.hat)
    assert (hat.dependencies.link_target, hat.dependencies.deploy_files) == ("out.lib", ("out.dll",))
    assert hat.functions["next"].auxiliary == {"flops": 2}


def test_nothing_is_written_where_it_fails(package: Path, tmp_path: Path) -> None:
    before = set(tmp_path.rglob("*"))
    with pytest.raises(LinkError):
        convert(plan_link(read_package(package)), tmp_path / "out.hat", Gcc(), lambda stem: [f"{stem}.so"], fail)
    assert set(tmp_path.rglob("*")) == before


def test_a_dependency_moves_with_its_path_unless_the_library_includes_it(package: Path, tmp_path: Path) -> None:
    table = document({"next": NEXT}, "package.a")
    table["dependencies"]["dynamic"] = [
        {"name": "", "version": "", "target_file": name} for name in ("./package.a", "m")
    ]
    package.write_text(hat_text(table))
    plan = plan_link(read_package(package))
    done = convert(plan, tmp_path / "out.hat", Gcc(), lambda stem: [f"{stem}.so"], make)
    targets = [reference.target_file for reference in read_hat(done.hat).dependencies.dynamic]
    assert targets == ["in/package.a", "m"]

    def including(linker: Linker, folder: Path, names: Sequence[str]) -> Made:
        return Made(libraries=make(linker, folder, names).libraries, included=frozenset({"./package.a"}))

    done = convert(plan, tmp_path / "out.hat", Gcc(), lambda stem: [f"{stem}.so"], including)
    assert [reference.target_file for reference in read_hat(done.hat).dependencies.dynamic] == ["m"]


def test_the_output_is_a_hat_file_or_a_folder_for_one(tmp_path: Path) -> None:
    assert output_hat(tmp_path, "a.hat") == tmp_path / "a.hat"
    assert output_hat(tmp_path / "b.hat", "a.hat") == tmp_path / "b.hat"
    for wrong in (tmp_path / "b.txt", tmp_path / "nowhere" / "b.hat"):
        with pytest.raises(UsageError):
            output_hat(wrong, "a.hat")


def test_no_input_is_an_output_by_whatever_name(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "link").symlink_to("a")
    (tmp_path / "hard").hardlink_to(tmp_path / "a")
    (tmp_path / "folder").mkdir()
    check_not_inputs([tmp_path / "b"], [tmp_path / "a"])
    for output in ("a", "link", "hard", "folder"):
        with pytest.raises(UsageError) as caught:
            check_not_inputs([tmp_path / output], [tmp_path / "a"])
        assert caught.value.where == str(tmp_path / output)


def test_files_of_a_package_are_written_together_or_not_at_all(tmp_path: Path) -> None:
    write_package({tmp_path / "a": b"1", tmp_path / "b": b"2"})
    assert [(tmp_path / name).read_bytes() for name in "ab"] == [b"1", b"2"]
    (tmp_path / "c").mkdir()
    with pytest.raises(LinkError):
        write_package({tmp_path / "a": b"new", tmp_path / "c": b"3"})
    assert (tmp_path / "a").read_bytes() == b"1"


def test_an_output_folder_that_does_not_exist_is_named_as_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="folder does not exist") as caught:
        output_hat(tmp_path / "out", "a.hat")
    assert caught.value.where == str(tmp_path / "out")
