"""What hatframe's timer reads, beside a C loop and Google Benchmark: ``python benchmarks/native.py``.

The same functions of one shared library are measured three ways, with a single set of inputs: by hatframe's timer; by
a loop in C that was written by hand; and by Google Benchmark (Debian's libbenchmark-dev, with g++), which is left out
where it is not installed. The last two are programs that open the library themselves. All run on the same core, on
arrays at the same places in their pages, and take turns batch by batch, so that a slower moment falls on all alike:
what counts is the median over the rounds, of the difference or of the ratio in each.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

from hatframe import Kernel
from hatframe.plugin import BoundFunction, Workload, WorkloadSpec

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from sample_packages import affine, compiler, function, make_package

SHORT = 20e-9
"""Seconds: functions that take less must come out within LIMIT_SECONDS, others within LIMIT_RATIO."""
LIMIT_SECONDS = 1.5e-9
LIMIT_RATIO = 0.05

ATTEMPTS = 3
"""Another program that runs at the same time can break a bound; it hardly does so three times."""

BATCH = 0.005
"""Seconds."""

LENGTHS = (64, 1024, 8192)

SOURCE = """
void empty(void) {}
void empty_three(const float *a, const float *b, float *c) { (void)a; (void)b; (void)c; }
void gemm_64(const float *a, const float *b, float *c) {
    for (int i = 0; i < 64; i++) {
        for (int j = 0; j < 64; j++) c[i * 64 + j] = 0;
        for (int k = 0; k < 64; k++)
            for (int j = 0; j < 64; j++) c[i * 64 + j] += a[i * 64 + k] * b[k * 64 + j];
    }
}
""" + "".join(
    # Not in place: a call that reads what the call before has just stored takes one of two times, as it happens.
    f"void saxpy_{length}(const float *x, const float *y, float *z) {{\n"
    f"    for (int i = 0; i < {length}; i++) z[i] = 0.5f * x[i] + y[i];\n"
    "}\n"
    for length in LENGTHS
)

# A program that serves requests of one line: a function, how many arrays it takes, where in their pages these begin,
# and how many calls to make. It answers with the nanoseconds of one call, after as many calls again by a tenth.
SERVER = """
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
typedef void (*none_t)(void);
typedef void (*three_t)(float *, float *, float *);
#define STRIDE 65536
static double measure(void *address, int arrays, float **a, long calls);
int main(int count, char **words) {
    void *library = count > 1 ? dlopen(words[1], RTLD_NOW) : 0;
    char *memory = (char *)aligned_alloc(4096, 3 * STRIDE), name[64];
    int arrays, places[3];
    long calls;
    if (!library || !memory) return 1;
    for (long i = 0; i < 3 * STRIDE / 4; i++) ((float *)memory)[i] = 1;
    while (scanf("%63s %d %d %d %d %ld", name, &arrays, places, places + 1, places + 2, &calls) == 6) {
        void *address = dlsym(library, name);
        float *a[3];
        if (!address) return 1;
        for (int i = 0; i < 3; i++) a[i] = (float *)(memory + i * STRIDE + places[i]);
        measure(address, arrays, a, calls / 10 + 1);
        printf("%.17g\\n", measure(address, arrays, a, calls));
        fflush(stdout);
    }
    return 0;
}
"""

C_LOOP = (
    """
#define _POSIX_C_SOURCE 200809L
#include <time.h>
"""
    + SERVER
    + """
#define TIMED(call) do { \\
    struct timespec start, end; \\
    clock_gettime(CLOCK_MONOTONIC, &start); \\
    for (long i = 0; i < calls; i++) call; \\
    clock_gettime(CLOCK_MONOTONIC, &end); \\
    return ((end.tv_sec - start.tv_sec) * 1e9 + (end.tv_nsec - start.tv_nsec)) / calls; \\
} while (0)
static double measure(void *address, int arrays, float **a, long calls) {
    if (arrays == 0) TIMED(((none_t)address)());
    TIMED(((three_t)address)(a[0], a[1], a[2]));
}
"""
)

GOOGLE_BENCHMARK = (
    "#include <benchmark/benchmark.h>\n"
    + SERVER
    + """
struct Kept : benchmark::BenchmarkReporter {
    double nanoseconds = 0;
    bool ReportContext(const Context &) override { return true; }
    void ReportRuns(const std::vector<Run> &runs) override {
        nanoseconds = runs.at(0).real_accumulated_time * 1e9 / runs.at(0).iterations;
    }
};
static double measure(void *address, int arrays, float **a, long calls) {
    Kept kept;
    benchmark::RegisterBenchmark("one", [=](benchmark::State &state) {
        float *x = a[0], *y = a[1], *z = a[2];
        if (arrays == 0) for (auto _ : state) ((none_t)address)();
        else for (auto _ : state) ((three_t)address)(x, y, z);
    })->Iterations(calls);
    benchmark::RunSpecifiedBenchmarks(&kept, "one");
    benchmark::ClearRegisteredBenchmarks();
    return kept.nanoseconds;
}
"""
)


class Subject(NamedTuple):
    """A function, and the arrays that it takes: three, or none."""

    bound: BoundFunction
    workload: Workload

    def request(self, calls: int) -> str:
        """What asks a server for a batch."""
        places = [array.ctypes.data % 4096 for array in self.workload.values(0)]
        return " ".join(map(str, (self.bound.name, len(places), *(places + [0] * 3)[:3], calls)))


class Server:
    """A program that measures on request."""

    def __init__(self, program: Path, library: Path) -> None:
        self._process = subprocess.Popen([program, library], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def seconds(self, subject: Subject, calls: int) -> float:
        """The seconds of one call, by a batch of ``calls``."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(subject.request(calls) + "\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline()) * 1e-9

    def close(self) -> None:
        self._process.communicate()


def build(folder: Path) -> dict[str, Path]:
    """The programs that can be had here, by what they are called."""
    (folder / "loop.c").write_text(C_LOOP)
    subprocess.run([compiler(), "-O2", folder / "loop.c", "-o", folder / "loop", "-ldl"], check=True)
    programs = {"C loop": folder / "loop"}
    (folder / "google.cc").write_text(GOOGLE_BENCHMARK)
    command: list[str | Path] = [
        "g++",
        "-O2",
        folder / "google.cc",
        "-o",
        folder / "google",
        "-lbenchmark",
        "-lpthread",
        "-ldl",
    ]
    if shutil.which("g++") is None or subprocess.run(command, capture_output=True).returncode:
        print("Google Benchmark is not measured: install libbenchmark-dev and g++")
    else:
        programs["Google Benchmark"] = folder / "google"
    return programs


def make_subjects(hat: Path) -> Iterator[Subject]:
    """All functions of the library, with arrays of ones."""
    package = Kernel().load(hat, timer="native")
    for name in package:
        bound = package[name]
        workload = bound.workload(WorkloadSpec(input_data="ones"))
        workload.allocate(1)
        yield Subject(bound, workload)


def measure(subject: Subject, servers: dict[str, Server], rounds: int) -> dict[str, list[float]]:
    """Seconds of a call in each round, by what measured them."""

    def own(calls: int) -> float:
        subject.workload.run(calls // 10 + 1)
        return subject.workload.run(calls).seconds / calls

    calls = max(1, round(BATCH / min(own(1000) for _ in range(3))))
    ways: dict[str, Callable[[], float]] = {"hatframe": lambda: own(calls)}
    for name, server in servers.items():
        ways[name] = lambda server=server: server.seconds(subject, calls)  # type: ignore[misc]
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            times[name].append(way())
    return times


def compare(subject: Subject, servers: dict[str, Server], rounds: int) -> bool:
    """Measure one function, print its line, and return whether it is within the bound."""
    times = measure(subject, servers, rounds)
    own = times["hatframe"]
    line = f"{subject.bound.name:12} hatframe {median(own) * 1e9:9.2f} ns"
    good = True
    for name in servers:
        pairs = list(zip(own, times[name], strict=True))
        line += f"   {name} {median(times[name]) * 1e9:9.2f} ns: "
        if median(times[name]) < SHORT:
            difference = median(one - other for one, other in pairs)
            line += f"{difference * 1e9:+7.2f} ns"
            good &= abs(difference) <= LIMIT_SECONDS
        else:
            difference = median(one / other for one, other in pairs) - 1
            line += f"{difference:+7.2%}   "
            good &= abs(difference) <= LIMIT_RATIO
    print(line if good else f"{line}   out of bounds", flush=True)
    return good


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer batches")
    parser.add_argument("--hatlib-python", metavar="PATH", help="taken, as by the other scripts; not used here")
    options = parser.parse_args()
    rounds = 40 if options.quick else 200
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # the programs inherit it
    a, b, c = affine("a", (64, 64)), affine("b", (64, 64)), affine("c", (64, 64), usage="output")
    functions = {"empty": function(), "empty_three": function(a, b, c)}
    for length in LENGTHS:
        x, y, z = affine("x", (length,)), affine("y", (length,)), affine("z", (length,), usage="output")
        functions[f"saxpy_{length}"] = function(x, y, z)
    functions["gemm_64"] = function(a, b, c)
    print(f"at most {LIMIT_SECONDS * 1e9:g} ns apart, from {SHORT * 1e9:g} ns on {LIMIT_RATIO:.0%}")
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        hat = make_package(folder, SOURCE, functions, flags=["-O3"])
        programs = build(folder)
        subjects = list(make_subjects(hat))
        for attempt in range(ATTEMPTS):
            if attempt:
                print(f"once more: {', '.join(subject.bound.name for subject in subjects)}")
            servers = {name: Server(program, hat.with_suffix(".so")) for name, program in programs.items()}
            for server in servers.values():
                stack.callback(server.close)
            subjects = [subject for subject in subjects if not compare(subject, servers, rounds)]
            if not subjects:
                return
    sys.exit(f"out of bounds {ATTEMPTS} times: {', '.join(subject.bound.name for subject in subjects)}")


if __name__ == "__main__":
    main()
