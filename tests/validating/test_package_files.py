"""The files that the metadata name: missing, outside the folder, or of another build."""

from __future__ import annotations

from pathlib import Path

import pytest
import sample_packages
from hat_deviations import deviations, valid

from hatframe.packages.pairing import KEY
from hatframe.validating.validation import validate


@pytest.mark.parametrize("path", ["/etc/passwd", "../elsewhere/x.a", "C:\\x.lib"])
def test_paths_that_leave_the_folder_are_deviations(tmp_path: Path, path: str) -> None:
    document = valid()
    document["dependencies"].update(link_target=path, deploy_files=[path])
    keys = [
        deviation.key
        for deviation in deviations(tmp_path, document)
        if deviation.key.startswith(("link_target", "deploy_files"))
    ]
    assert keys == ["link_target", "deploy_files[0]"]


@pytest.mark.parametrize("name", ["x" * 300, "/" + "x" * 300, "x/" * 3000])
def test_a_name_that_the_system_refuses_is_a_deviation(tmp_path: Path, name: str) -> None:
    table = sample_packages.document({"f": sample_packages.function()}, name)
    table["dependencies"]["deploy_files"] = [name]
    table["dependencies"]["dynamic"] = [{"name": "", "version": "", "target_file": name}]
    path = tmp_path / "a.hat"
    path.write_text(sample_packages.hat_text(table))
    assert [each for each in validate(path) if "link_target" in each.key]


def test_a_library_of_another_build_is_an_error(tmp_path: Path) -> None:
    document = valid()
    document["dependencies"]["auxiliary"] = {KEY: {"f.so": "0" * 64}}
    assert [each.key for each in deviations(tmp_path, document) if each.severity == "error"] == [KEY]
