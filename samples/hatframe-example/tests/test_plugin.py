"""The plugin keeps the contracts, and does what it is for."""

from __future__ import annotations

from pathlib import Path

import pytest
from hatframe_example import faults, markdown
from hatframe_example.faults import COUNTERS, FaultsMeter
from hatframe_example.markdown import MarkdownSink

import hatframe
from hatframe import Kernel
from hatframe.plugin import SharedLibrary
from hatframe.testing import check_meter, check_plugin, check_sink


@pytest.mark.parametrize("module", [faults, markdown])
def test_each_plugin_keeps_its_contract(module):
    check_plugin(module)


def test_the_meter_keeps_its_contract():
    check_meter(FaultsMeter())


def test_the_sink_keeps_its_contract(tmp_path):
    check_sink(MarkdownSink(), tmp_path, options={"markdown_title": "A title"})


def test_it_is_found_by_its_entry_points():
    reports = {(report.kind, report.name): report for report in Kernel().registry.backends}
    assert reports["meter", "faults"].distribution == "hatframe-example"
    assert reports["sink", "markdown"].available


def test_new_memory_causes_page_faults(tmp_path):
    hat = package(tmp_path)
    touching, resting = hatframe.bench(
        hat,
        meter="faults",
        min_time=0.05,
        input_sets_size=0,
        sink=f"markdown={tmp_path / 'faults.md'}",
        markdown_title="Faults",
    )
    assert set(touching.counters) == set(COUNTERS)
    # A megabyte of new pages in each call; a page has 4 to 64 KiB.
    assert touching.counters["minor_page_faults"] > 8
    assert resting.counters["minor_page_faults"] < 1
    lines = (tmp_path / "faults.md").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# Faults"
    assert [line.split("|")[1].strip() for line in lines[4:]] == ["`resting`", "`touching`"]


SOURCE = """
#include <stddef.h>
#include <sys/mman.h>
void touching(float *x) {
    char *memory = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 1 << 20; i += 4096) memory[i] = 1;
    x[0] += memory[4096];
    munmap(memory, 1 << 20);
}
void resting(float *x) { x[0] += 1; }
"""

HAT = """
[functions.{name}]
name = "{name}"
return = {{ logical_type = "void" }}
[[functions.{name}.arguments]]
name = "x"
logical_type = "affine_array"
declared_type = "float*"
element_type = "float"
usage = "input_output"
shape = [16]
affine_map = [1]
"""


def package(folder: Path) -> Path:
    linker = Kernel().linker()
    (folder / "faults.c").write_text(SOURCE)
    linker.compile(folder / "faults.c", folder / "faults.o")
    functions = ("touching", "resting")
    linker.link_shared(SharedLibrary(output=folder / "faults.so", objects=(folder / "faults.o",), exports=functions))
    hat = folder / "faults.hat"
    tables = "".join(HAT.format(name=name) for name in functions)
    hat.write_text(f'[dependencies]\nlink_target = "faults.so"\n{tables}')
    return hat
