"""``hatframe bench`` on functions that misbehave, and ended from outside: results are kept, nothing runs on."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import hatframe
from sample_packages import LINKERS, affine, compiler, function, make_package

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux can do that")

FAST = ("--min-time", "0", "--batches", "3", "--max-time", "0.05", "--cache", "hot")

BAD = {
    "segfault": ("*(volatile int *)8 = 1;", "crashed", "SIGSEGV"),
    "aborts": ("abort();", "crashed", "SIGABRT"),
    "exits": ("exit(0);", "exited", "exit(0)"),
    "loops": ("for (;;) endless = 1;", "timeout", "1 s"),
    "overflows": ("b[0] = deeper(1000000000, a);", "crashed", "SIGSEGV"),
    "divides": ("b[0] = ten / nought;", "crashed", "SIGFPE"),
    "illegal": ("__builtin_trap();", "crashed", "SIGILL"),
}
SOURCE = """
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
volatile int endless, nought, ten = 10;
__attribute__((noinline)) static float deeper(int n, const float *a) {
    volatile char page[4096];
    page[0] = (char)n;
    return n ? deeper(n - 1, a) + page[0] : a[0];
}
void prints(const float *a, float *b) { b[0] = a[0]; puts("printed"); fflush(stdout); }
void naps(const float *a, float *b) { b[0] = a[0]; usleep(5000); }
void naps_more(const float *a, float *b) { b[0] = a[0]; usleep(6000); }
"""
ARRAYS = function(affine("a", [16]), affine("b", [16], usage="output"))


def package(folder: Path, functions: dict[str, str], table: dict[str, Any] | None = None, **more: Any) -> Path:
    source = SOURCE + "".join(
        f"void {name}(const float *a, float *b) {{ {body} }}\n" for name, body in functions.items()
    )
    return make_package(folder, source, table or dict.fromkeys(functions, ARRAYS), **more)


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "hatframe", "bench", *map(str, arguments)]


def bench(*arguments: object, folder: Path, options: Sequence[str] = FAST) -> subprocess.CompletedProcess[str]:
    return hatframe("bench", *arguments, *options, folder=folder)


def results_of(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    return {result["function_name"]: result for result in json.loads(done.stdout)["results"]}


def errors_of(done: subprocess.CompletedProcess[str]) -> list[str]:
    """What was said, but for warnings about this machine."""
    return [line for line in done.stderr.splitlines() if line.startswith("hatframe: error: ")]


def csv_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


# ------------------------------------------------------------------------------------------- functions that misbehave


@posix
@pytest.mark.slow
def test_each_way_to_end_the_process_has_a_status_and_the_others_are_measured(tmp_path: Path) -> None:
    bodies = {}
    for number, (name, (body, _, _)) in enumerate(BAD.items()):
        bodies[f"good_{number}"] = f"b[0] = a[0] + {number};"
        bodies[name] = body
    bodies["good_last"] = "b[1] = a[1];"
    hat = package(tmp_path, bodies)
    done = bench(hat, "--timeout", "1", "--sink", "csv", "--json", folder=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    results = results_of(done)
    assert list(results) == list(bodies)
    for name, result in results.items():
        if name.startswith("good"):
            assert result["status"] == "ok", result
            assert result["batches"] >= 3
            assert result["statistics"]["mean"] > 0
        else:
            _, status, reason = BAD[name]
            assert result["status"] == status, result
            assert reason in result["message"]
            assert f"error: {result['message']}" in done.stderr
            assert result["statistics"] is None
    assert {row["function_name"]: row["status"] for row in csv_rows(tmp_path / "results.csv")} == {
        name: result["status"] for name, result in results.items()
    }


@posix
@pytest.mark.slow
def test_a_function_that_crashes_only_after_many_calls_keeps_the_others_results(tmp_path: Path) -> None:
    bodies = {"good": "b[0] = a[0];", "late": "static int calls; if (++calls == 30) abort(); usleep(2000); b[0] = 1;"}
    done = bench(
        package(tmp_path, bodies), "--min-time", "0.2", "--json", "--no-race", folder=tmp_path, options=FAST[2:4]
    )
    assert done.returncode == 1
    results = results_of(done)
    assert results["late"]["status"] == "crashed"
    assert results["good"]["status"] == "ok"
    assert sum(results["good"]["batch_means"]) * results["good"]["calls_per_batch"] >= 0.2


@posix
def test_a_library_that_crashes_on_loading_fails_alone(tmp_path: Path) -> None:
    bad = make_package(
        tmp_path / "bad",
        "#include <stdlib.h>\n__attribute__((constructor)) static void up(void) { abort(); }\n"
        "void first(const float *a, float *b) { b[0] = a[0]; }\n",
        {"first": ARRAYS},
    )
    good = package(tmp_path / "good", {"second": "b[0] = a[0];"})
    done = bench(bad, good, "--json", folder=tmp_path)
    assert done.returncode == 1
    results = results_of(done)
    assert results["first"]["status"] == "crashed"
    assert "SIGABRT" in results["first"]["message"]
    assert results["second"]["status"] == "ok"


def test_what_functions_print_is_not_in_the_document(tmp_path: Path) -> None:
    hat = package(tmp_path, {}, {"prints": ARRAYS})
    done = bench(hat, "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert results_of(done)["prints"]["status"] == "ok"
    assert "printed" in done.stderr
    assert "printed" not in done.stdout


@pytest.mark.slow
@posix
def test_a_note_of_several_workers_is_shown_once(tmp_path: Path) -> None:
    hat = package(tmp_path, {"aborts": "abort();", "exits": "exit(3);", "good": "b[0] = a[0];"})
    environment = {**os.environ, "HATFRAME_DISABLE_PLUGINS": ",".join(LINKERS)}
    done = hatframe("bench", hat, "--json", *FAST, folder=tmp_path, environment=environment)
    assert done.returncode == 1
    assert results_of(done)["good"]["timer"] == "python"
    assert len([line for line in done.stderr.splitlines() if "timing in Python" in line]) == 1


# ------------------------------------------------------------------------------------------------ ended from outside


@contextlib.contextmanager
def started(*arguments: object, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A run in a process group of its own, as a terminal starts it; it is ended at last."""
    process = subprocess.Popen(
        command(*arguments),
        cwd=folder,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def children(pid: int) -> list[int]:
    """The processes that ``pid`` started and that run."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[1]) == pid and fields[0] != "Z":
                found.append(int(stat.parent.name))
    return found


def wait_for(condition: Any, seconds: float = 20.0) -> Any:
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)
    return value


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def one_finished(path: Path) -> bool:
    return path.exists() and len(path.read_text().splitlines()) >= 2


# The first finishes at once, as it fails; the others are measured as long as they may be.
ENDLESS = ("--min-time", "60", "--max-time", "60", "--cache", "hot")
SLOW = {"fails": "abort();", "one": "b[0] = a[0];", "two": "usleep(3000);"}


@linux
@pytest.mark.parametrize(
    ("number", "group", "code"), [(signal.SIGINT, True, 130), (signal.SIGTERM, False, 143), (signal.SIGHUP, False, 129)]
)
def test_a_signal_ends_the_run_and_the_worker_and_keeps_the_results(
    tmp_path: Path, number: signal.Signals, group: bool, code: int
) -> None:
    hat = package(tmp_path, SLOW)
    arguments = (hat, "--sink", "csv=r.csv", "--sink", "json=r.json", *ENDLESS)
    with started(*arguments, folder=tmp_path) as process:
        wait_for(lambda: one_finished(tmp_path / "r.csv"))
        (worker,) = wait_for(lambda: children(process.pid))
        time.sleep(0.3)
        (os.killpg if group else os.kill)(process.pid, number)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == code, errors
    assert "Traceback" not in errors
    assert not runs(worker)
    (row,) = csv_rows(tmp_path / "r.csv")
    assert (row["function_name"], row["status"]) == ("fails", "crashed")
    document = json.loads((tmp_path / "r.json").read_text())
    assert document["complete"] is False
    assert [result["function_name"] for result in document["results"]] == ["fails"]


@posix
def test_a_library_that_does_not_open_is_given_up_after_the_time_limit(tmp_path: Path) -> None:
    source = """
    #include <unistd.h>
    __attribute__((constructor)) static void start(void) { for (;;) pause(); }
    void one(float *x) { x[0] = 1; }
    void two(float *x) { x[0] = 2; }
    """
    hat = make_package(tmp_path, source, dict.fromkeys(("one", "two"), function(affine("x", [1], usage="output"))))
    done = bench(hat, "--json", "--timeout", "0.5", folder=tmp_path)
    assert {result["status"] for result in results_of(done).values()} == {"timeout"}


SLOW_COMPILER = """#!/bin/sh
case "$1" in --version) exec {gcc} "$@";; esac
echo $$ >> {folder}/compilers
sleep 600
"""


@pytest.fixture
def slow_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A compiler that writes its number to the file that is returned, and hangs."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "temporary").mkdir()
    fake = tmp_path / "bin" / "gcc"
    fake.write_text(SLOW_COMPILER.format(gcc=compiler("gcc"), folder=tmp_path))
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HATFRAME_DISABLE_PLUGINS", "clang,zig")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    return tmp_path / "compilers"


LOAD = [sys.executable, "-c", "import hatframe, sys; hatframe.load(sys.argv[1])"]


@linux
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
@pytest.mark.parametrize("what", ["bench", "load"])
def test_a_signal_ends_compilers_and_removes_temporary_folders(
    tmp_path: Path, slow_compiler: Path, what: str, number: signal.Signals
) -> None:
    hat = package(tmp_path / "package", {"one": "b[0] = a[0];"}, static=True)
    words = [*LOAD, str(hat)] if what == "load" else command(hat)
    with subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, start_new_session=True) as process:
        started = wait_for(lambda: slow_compiler.exists() and slow_compiler.read_text().split())
        process.send_signal(number)
        process.communicate(timeout=20)
    if what == "load" and number == signal.SIGKILL:
        # Nobody is left who could; the compiler ends by itself, and the next process removes the folder.
        os.killpg(int(started[0]), signal.SIGKILL)
        for left in (tmp_path / "temporary").iterdir():
            os.utime(left, (0, 0))
        code = "from hatframe.toolchain.tool import private_folder\nwith private_folder(): pass"
        subprocess.run([sys.executable, "-c", code], check=True)
    for pid in started:
        wait_for(lambda pid=pid: not runs(int(pid)), 5)
    wait_for(lambda: not list((tmp_path / "temporary").iterdir()), 5)


@linux
@pytest.mark.slow
def test_a_worker_in_an_endless_function_ends_with_a_run_that_is_killed(tmp_path: Path) -> None:
    hat = package(tmp_path, {"loops": "for (;;) endless = 1;"})
    with started(hat, *ENDLESS, folder=tmp_path) as process:
        (worker,) = wait_for(lambda: children(process.pid))
        # It shall be in the function, not in its imports.
        time.sleep(1.5)
        process.kill()
        process.wait(10)
    wait_for(lambda: not runs(worker), 5)


@linux
@pytest.mark.slow
def test_a_killed_run_resumes(tmp_path: Path) -> None:
    bodies = {
        "fast": "b[0] = a[0];",
        "fails": "abort();",
        "far_behind": "for (int r = 0; r < 3000; r++) for (int i = 0; i < 16; i++) ((volatile float *)b)[i] = a[i];",
        "tie": "b[1] = a[1];",
    }
    hat = package(tmp_path, bodies)
    arguments = (hat, "--sink", "csv=r.csv", "--max-time", "2", "--batches", "600", "--cache", "hot")
    runs = Path(os.environ["HATFRAME_STATE_DIR"]) / "runs"

    def saved_records() -> dict[str, Any]:
        texts = [path.read_text() for path in runs.glob("*.json")]
        return {record["row"]["function"]: record for text in texts for record in json.loads(text)["records"]}

    def measured_in_part() -> bool:
        records = saved_records()
        return bool(records) and all(
            len(records[name]["samples"]["means"]) > 10 for name in ("fast", "tie", "far_behind")
        )

    with started(*arguments, folder=tmp_path) as process:
        wait_for(lambda: one_finished(tmp_path / "r.csv"))
        wait_for(measured_in_part)
        process.kill()
        process.wait(10)
    first = [row["function_name"] for row in csv_rows(tmp_path / "r.csv")]
    assert first == ["fails"]
    (saved,) = runs.glob("*.json")
    before = saved_records()
    done = bench(*arguments, "--resume", "--json", folder=tmp_path, options=())
    assert done.returncode == 1, done.stderr
    results = results_of(done)
    for name in ("fast", "tie", "far_behind"):
        means = before[name]["samples"]["means"]
        assert results[name]["status"] == "ok"
        assert results[name]["batch_means"][: len(means)] == means
        assert len(results[name]["batch_means"]) > len(means)
    assert results["fails"]["status"] == "crashed"
    rows = [row["function_name"] for row in csv_rows(tmp_path / "r.csv")]
    assert sorted(rows) == sorted(bodies), "each once"
    assert not saved.exists(), "a run that came to its end is forgotten"


@linux
@pytest.mark.slow
def test_finished_functions_are_not_measured_again_but_for_the_leader(tmp_path: Path) -> None:
    # Each call leaves a mark, so that it shows which functions a run has called. The times of two functions jump so
    # much that their means are not known for long after that of the steady one.
    mark = 'FILE *file = fopen("{0}.called", "w"); fclose(file); b[0] = a[0]; usleep({1});'
    jumps = "rand() % 2 ? 500 : 20000"
    bodies = {name: mark.format(name, pause) for name, pause in [("done", "2000"), ("one", jumps), ("two", jumps)]}
    hat = package(tmp_path, bodies)
    asked = [
        "--sink",
        "csv=r.csv",
        "--cache",
        "hot",
        "--max-time",
        "4",
        "--batches",
        "20",
        "--no-race",
        "--precision",
        "8",
    ]
    with started(hat, *asked, folder=tmp_path) as process:
        wait_for(lambda: one_finished(tmp_path / "r.csv"), 30)
        time.sleep(0.3)  # in the same round it is saved that this one was reported
        process.kill()
        process.wait(10)
    finished = {row["function_name"] for row in csv_rows(tmp_path / "r.csv")}
    unfinished = set(bodies) - finished
    assert unfinished, "it was killed in the middle"
    for path in tmp_path.glob("*.called"):
        path.unlink()
    done = bench(hat, *asked, "--resume", "--json", folder=tmp_path, options=())
    assert done.returncode == 0, done.stderr
    called = {path.stem for path in tmp_path.glob("*.called")}
    anchors = called - unfinished
    assert unfinished <= called
    assert len(anchors) == 1
    results = results_of(done)
    (anchor,) = anchors
    common = set(results[anchor]["rounds"]) & set(results[next(iter(unfinished))]["rounds"])
    assert len(common) >= 4, "enough to compare the new ones with it in pairs"
    assert sorted(row["function_name"] for row in csv_rows(tmp_path / "r.csv")) == sorted(bodies)


@linux
@pytest.mark.slow
@pytest.mark.parametrize("changed", ["option", "library"])
def test_a_changed_run_is_not_resumed(tmp_path: Path, changed: str) -> None:
    hat = package(tmp_path, SLOW)
    arguments = [hat, "--max-time", "60", "--min-time", "60", "--cache", "hot", "--sink", "csv=r.csv"]
    with started(*arguments, folder=tmp_path) as process:
        wait_for(lambda: one_finished(tmp_path / "r.csv"))
        process.terminate()
        process.wait(10)
    if changed == "library":
        package(tmp_path, {**SLOW, "fails": "b[0] = a[0];"})
    else:
        arguments += ["--seed", "7"]
    with started(*arguments, "--resume", folder=tmp_path) as process:
        assert process.stderr
        assert any("resume" in line for line in process.stderr), "a note that it starts anew"
        if changed == "option":
            wait_for(lambda: len(csv_rows(tmp_path / "r.csv")) == 2)
        process.terminate()
        process.communicate(timeout=10)
    names = [row["function_name"] for row in csv_rows(tmp_path / "r.csv")]
    assert names == (["fails", "fails"] if changed == "option" else ["fails"])


# -------------------------------------------------------------------------------------------- where, and with what data


@linux
def test_the_functions_run_on_the_chosen_processor(tmp_path: Path) -> None:
    cpu = max(os.sched_getaffinity(0))
    body = f"if (sched_getcpu() != {cpu}) abort(); b[0] = a[0];"
    hat = package(tmp_path, {"where": body}, flags=["-D_GNU_SOURCE", "-include", "sched.h"])
    done = bench(hat, "--cpu", cpu, "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["run"]["options"]["cpu"] == cpu


@linux
def test_a_missing_processor_is_an_error_of_one_line(tmp_path: Path) -> None:
    done = bench(package(tmp_path, {"one": "b[0] = a[0];", "two": ""}), "--cpu", "5000", folder=tmp_path)
    assert done.returncode == 2
    (line,) = errors_of(done)
    assert "5000" in line
    assert done.stdout == ""


@pytest.mark.parametrize(("cache", "sets"), [("hot", 1), ("cold", 16)])
def test_the_cache_mode_decides_the_number_of_input_sets(tmp_path: Path, cache: str, sets: int) -> None:
    hat = package(tmp_path, {"one": "b[0] = a[0];"})
    options = ("--batches", "2", "--max-time", "0", "--cache", cache, "--input-sets-minimum-size-MB", "0.002048")
    result = results_of(bench(hat, "--json", folder=tmp_path, options=options))["one"]
    assert (result["input_sets"], result["cache"], result["input_set_bytes"]) == (sets, cache, 128)


INT = function(affine("n", [3], "int32_t"), affine("x", [2, 2], "double"), affine("y", [4], "float", "output"))
SEES = (
    "#include <stdint.h>\n#include <stdlib.h>\nvoid sees(const int32_t *n, const double *x, float *y) {{ "
    "if (!(n[0] == {0} && n[1] == {1} && n[2] == {2} && x[0] == {3} && x[1] == {4} && x[3] == {5})) abort(); "
    "y[0] = 1; }}\n"
)


@pytest.mark.parametrize(
    ("data", "values"), [("zeros", [0] * 6), ("ones", [1] * 6), ("given.npz", [5, -6, 7, 0.5, 1.5, 3.5])]
)
def test_functions_receive_the_chosen_input_data(tmp_path: Path, data: str, values: list[float]) -> None:
    np.savez(tmp_path / "given.npz", n=np.array([5, -6, 7], np.int32), x=np.array([[0.5, 1.5], [2.5, 3.5]]))
    hat = make_package(tmp_path, SEES.format(*values), {"sees": INT})
    done = bench(hat, "--input-data", data, "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert results_of(done)["sees"]["input_data"] == data


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"n": np.zeros(3, np.int32), "x": np.zeros((2, 3))}, "'x'"),
        ({"n": np.zeros(3, np.int64), "x": np.zeros((2, 2))}, "'n'"),
        ({"n": np.zeros(3, np.int32)}, "'x'"),
        (None, "given.npz"),
        (b"", "given.npz"),
        (b"PK\x03\x04 and no more", "given.npz"),
        (np.zeros(3), "given.npz"),
    ],
)
def test_input_data_that_do_not_fit_are_an_error_of_one_line(tmp_path: Path, arrays: Any, message: str) -> None:
    path = tmp_path / "given.npz"
    if isinstance(arrays, dict):
        np.savez(path, **arrays)
    elif isinstance(arrays, bytes):
        path.write_bytes(arrays)
    elif arrays is not None:
        with path.open("wb") as file:
            np.save(file, arrays)
    hat = make_package(tmp_path, SEES.format(*[0] * 6), {"sees": INT})
    done = bench(hat, "--input-data", path.name, folder=tmp_path)
    assert done.returncode == 1
    (line,) = errors_of(done)
    assert message in line
    assert "given.npz" in line


def test_drifting_values_are_restored_and_integers_are_not(tmp_path: Path) -> None:
    source = """
    #include <math.h>
    #include <stdint.h>
    #include <stdlib.h>
    #include <unistd.h>
    void grows(float *b) { usleep(200); for (int i = 0; i < 8; i++) if (isinf(b[i] *= 1.5f)) abort(); }
    void counts(int32_t *n) { for (int i = 0; i < 8; i++) n[i] = (int32_t)((uint32_t)n[i] * 3u); }
    void still(float *b) { b[0] += 0.0f; }
    """
    table = {
        "grows": function(affine("b", [8], usage="input_output")),
        "counts": function(affine("n", [8], "int32_t", "input_output")),
        "still": function(affine("b", [8], usage="input_output")),
    }
    hat = make_package(tmp_path, source, table)
    # A batch has so few calls that the values stay finite within it.
    done = bench(hat, "--json", "--batches", "12", "--no-race", folder=tmp_path, options=FAST[4:])
    results = results_of(done)
    assert results["counts"]["restored"] == 0
    assert results["counts"]["status"] == results["still"]["status"] == "ok"
    assert results["grows"]["restored"] > 0


@posix
def test_input_sets_larger_than_memory_are_refused_with_the_numbers(tmp_path: Path) -> None:
    big = function(affine("a", [1 << 20, 1 << 20]), affine("b", [1], usage="output"))
    small = function(affine("a", [16]), affine("b", [16], usage="output"))
    source = SOURCE + "void vast(const float *a, float *b) { b[0] = a[0]; }\nvoid fits(float *a, float *b) {}\n"
    hat = make_package(tmp_path, source, {"vast": big, "fits": small})
    done = bench(hat, "--json", folder=tmp_path)
    assert done.returncode == 1
    results = results_of(done)
    assert results["vast"]["status"] == "failed"
    assert "1 input sets of 4,398,046.5 MB each do not fit" in results["vast"]["message"]
    assert results["fits"]["status"] == "ok"


def test_a_library_that_ends_its_process_is_opened_once(tmp_path: Path) -> None:
    source = """
    #include <stdio.h>
    #include <stdlib.h>
    __attribute__((constructor)) static void start(void) { fprintf(stderr, "opened\\n"); abort(); }
    """ + "".join(f"void f{number}(float *x) {{ x[0] = {number}; }}\n" for number in range(20))
    functions = {f"f{number}": function(affine("x", [1], usage="output")) for number in range(20)}
    hat = make_package(tmp_path, source, functions)
    done = hatframe("bench", hat, "--json", folder=tmp_path)
    assert done.returncode == 1
    assert {result["status"] for result in json.loads(done.stdout)["results"]} == {"crashed"}
    assert done.stderr.count("opened") == 1
    assert "SIGABRT" in done.stderr
