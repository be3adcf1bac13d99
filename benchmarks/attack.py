"""Attacks hatframe, and reports what is lost, hangs or ends in a traceback: ``python benchmarks/attack.py``.

- *fuzz*: damaged ``.hat`` files, C code, size expressions, libraries, archives, results and headers, each read in a
  process of limited memory; an error that is not a HatError, a crash, or an input that takes over 5 s is a finding.
- *kills*: benchmarks, builds, conversions and packing are killed at a random moment, by SIGKILL, SIGTERM, SIGINT or
  SIGHUP. Then every file must be whole, no result that was stored may be lost, and the command must work again.
- *threads*: several threads call one function by each loader, and each result must be right.
- *loaders*: random functions are called with random arguments, right and wrong; what one loader makes of a call, its
  values or its error, all must make of it.
- *leaks*: calls of every kind by each loader, after which the process must be as large as before.
- *caches*: the files of the cache are truncated or overwritten, and calls and benchmarks must work all the same.

All is drawn from ``--seed``, so that the same attack can be made again. Exits with 1 after a finding.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import multiprocessing
import os
import random
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hatframe
from hatframe import HatError, Kernel
from hatframe.binary.libraries import content_digest, extract_objects, identify
from hatframe.binary.symbols import read_symbols
from hatframe.building.describing import read_functions
from hatframe.c.headers import only_aliases
from hatframe.c.size_expressions import SizeExpression
from hatframe.calling.loaded import LoadedPackage
from hatframe.calling.plans import plan_call
from hatframe.converting.header_code import check_assembler, check_includes
from hatframe.format.editing import edit_text
from hatframe.format.reading import parse_document, parse_hat
from hatframe.results.reading import read_results, read_table
from hatframe.validating.validation import validate

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from random_calls import Comparison, host_loaders, make_functions, make_known_functions

ROOT = Path(__file__).parent.parent
MEMORY = 3 << 30
"""Bytes of address space of the process that fuzzes."""
TIME_LIMIT = 5
"""Seconds for one input."""
RANDOM_FUNCTIONS = 150
LEAK = 1 << 20
"""Bytes by which a process may grow: for parts of memory that the system gives out as a whole."""

TOKENS = (
    *(b"\0", b"\x1b[2J", b"\xff\xfe", b"\xe2\x80\xae", b"'''", b'"""', b"\\", b"\r", b"9" * 5000, b"-1", b"1e999"),
    *(b"[" * 300, b"{a=" * 100, b"a." * 300, b"(" * 300, b" " * 5000, b"/*", b"*/", b"#include", b"#endif", b"\n#"),
    *(b"asm", b"@hat x[n] output\n", b"@param", b"shape = [", b"18446744073709551616", b"0x", b"true", b"nan"),
)


def damaged(data: bytes, generator: random.Random) -> bytes:
    """The data with a few changes: bytes, tokens, parts cut, doubled or exchanged."""
    changed = bytearray(data)
    for _ in range(generator.randint(1, 4)):
        at = generator.randrange(len(changed) + 1)
        end = min(len(changed), at + generator.choice((1, 2, 8, 64, 512)))
        match generator.randrange(6):
            case 0:
                changed[at:end] = b""
            case 1:
                changed[at:at] = generator.choice(TOKENS)
            case 2:
                changed[at:at] = changed[at:end] * generator.choice((1, 2, 50))
            case 3:
                changed[at:end] = generator.randbytes(end - at)
            case 4:
                changed[at : at + 4] = struct.pack("<I", generator.choice((0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 20)))
            case _:
                other = generator.randrange(len(changed) + 1)
                changed[at:end] = changed[other : other + end - at]
    return bytes(changed[: 1 << 18])


class Fuzz:
    """The inputs to begin with, and what reads each kind of them."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "input"
        hats = [path.read_bytes() for path in (ROOT / "tests" / "data").glob("*.hat")]
        sources = [path.read_bytes() for path in (ROOT / "samples").glob("*.c")]
        made = folder / "made"
        made.mkdir()
        built = hatframe.build(ROOT / "samples" / "reduce.c", made, static=True).written
        self.package = hatframe.build(ROOT / "samples" / "reduce.c", made / "dynamic.hat").written
        libraries = [path.read_bytes() for path in made.iterdir() if path.suffix in (".a", ".so")]
        libraries.append(struct.pack(">7I", 0xCAFEBABE, 1, 0x01000007, 3, 28, 64, 0) + b"\xcf\xfa\xed\xfe" + bytes(60))
        libraries.append(b"MZ" + bytes(58) + struct.pack("<I", 64) + b"PE\0\0" + bytes(200))
        results = [folder / "r.json", folder / "r.csv"]
        hatframe.bench(built.hat, max_time=0.01, size="n=64", sink=[f"{path.suffix[1:]}={path}" for path in results])
        document, table = (path.read_bytes() for path in results)
        self.kinds: dict[str, tuple[list[bytes], Callable[[bytes], object]]] = {
            "hat": ([*hats, built.hat.read_bytes()], self.hat),
            "validate": ([*hats, built.hat.read_bytes()], self.validate),
            "edit": (hats, self.edit),
            "C": (sources, lambda data: read_functions(data.decode("utf-8", "replace"), [""])),
            "header": (hats, self.header),
            "size": ([b"(rows + 1) * lda", b"M*K", b"n/2%3-1"], self.size),
            "library": (libraries, self.library),
            "package": (libraries, self.whole_package),
            "json": ([document], lambda data: read_results(self.written(data))),
            "csv": ([table], lambda data: read_table(self.written(data))),
        }

    def written(self, data: bytes) -> Path:
        self.file.write_bytes(data)
        return self.file

    def hat(self, data: bytes) -> None:
        for function in parse_hat(data.decode("utf-8", "replace")).functions.values():
            with contextlib.suppress(HatError):
                plan_call(function)

    def validate(self, data: bytes) -> None:
        validate(self.written(data))

    def whole_package(self, data: bytes) -> None:
        self.package.library.write_bytes(data)
        validate(self.package.hat, deep=True)

    def edit(self, data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        edit_text(text, {**parse_document(text), "added": {"key": 1}})

    def header(self, data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        only_aliases(text, self.file.parent)
        check_assembler(text, [Path("/")], "")
        check_includes(text, self.file)

    def size(self, data: bytes) -> None:
        expression = SizeExpression(data.decode("utf-8", "replace"))
        expression.value(dict.fromkeys(expression.names, 7))

    def library(self, data: bytes) -> None:
        path = self.written(data)
        content_digest(path)
        file = identify(path)
        read_symbols(path)
        folder = self.file.parent / "extracted"
        if file.kind.name == "ARCHIVE":
            extract_objects(file, folder)
            shutil.rmtree(folder, ignore_errors=True)


def isolate(folder: Path) -> None:
    """Give a process that may die no logs, no core dumps and folders of its own."""
    logging.disable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.environ |= {"HATFRAME_CACHE_DIR": str(folder / "cache"), "HATFRAME_STATE_DIR": str(folder / "state")}


def fuzz(first: int, count: int, seed: int, folder: Path, position: Any, findings: Any) -> None:
    """Read inputs ``first`` to ``count``; runs in a process of its own, which may die of one."""
    isolate(folder)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    with tempfile.TemporaryDirectory(dir=folder) as own:
        attack = Fuzz(Path(own))
        names = list(attack.kinds)
        for number in range(first, count):
            position.value = number
            generator = random.Random(f"{seed} {number}")
            name = names[number % len(names)]
            starts, read = attack.kinds[name]
            data = damaged(generator.choice(starts), generator)
            signal.alarm(TIME_LIMIT)
            try:
                read(data)
            except HatError:
                pass
            except BaseException as error:
                where = traceback.extract_tb(error.__traceback__)[-1]
                findings.put(f"fuzz {number} ({name}): {type(error).__name__}: {str(error)[:80]} at {where.name}")
            signal.alarm(0)


def surviving(attack: Callable[..., None], count: int, seed: int, folder: Path) -> list[str]:
    """Run ``attack`` with numbers up to ``count``, and go on in a new process after a number that ends the process."""
    context = multiprocessing.get_context("spawn")
    position, findings = context.Value("q", 0), context.SimpleQueue()
    first, found = 0, []
    while first < count:
        process = context.Process(target=attack, args=(first, count, seed, folder, position, findings))
        process.start()
        while process.is_alive() or not findings.empty():
            if findings.empty():
                process.join(0.1)
            else:
                found.append(findings.get())
        first = position.value + 1
        if process.exitcode:
            found.append(f"{attack.__name__} {position.value}: the process ended with {process.exitcode}")
        if len(found) > 100:
            break
    return found


def fuzzed(count: int, seed: int, folder: Path) -> list[str]:
    return surviving(fuzz, count, seed, folder)


def compare_loaders(first: int, count: int, seed: int, folder: Path, position: Any, findings: Any) -> None:
    """Make the calls ``first`` to ``count`` by every loader; runs in a process of its own, which may die of one."""
    isolate(folder)
    hat = folder / "random" / "package.hat"
    if not hat.exists():
        make_functions(hat.parent, seed, RANDOM_FUNCTIONS)
    comparison = Comparison(hat, seed)
    for number in range(first, count):
        position.value = number
        signal.alarm(TIME_LIMIT)
        if difference := comparison.difference(number):
            findings.put(f"loaders {number}: {difference[:1000]}")
        signal.alarm(0)


def loaders_compared(count: int, seed: int, folder: Path) -> list[str]:
    return surviving(compare_loaders, count, seed, folder)


def leak(loader: str, count: int, hat: Path, findings: Any) -> None:
    """Make ``count`` calls by a loader; runs in a process of its own, whose memory is that of the calls."""
    import numpy as np
    import psutil

    isolate(hat.parent)
    package = Kernel().load(hat, loader=loader)
    a, x, y = np.ones(64, np.float32), np.arange(5.0), np.zeros(5)
    add, scale, made = package.add, package.scale, package.series

    def calls(times: int) -> int:
        for _ in range(times // 5):
            add(a, 1.5)
            scale(5, x, y, 2.0)
            scale(x, y, by=2)
            made(4)
            with contextlib.suppress(HatError):
                add(x, 1.5)
        size: int = psutil.Process().memory_info().rss
        return size

    before = calls(count // 10)
    if (grown := calls(count) - before) > LEAK:
        findings.put(f"leaks: {count} calls by {loader} take {grown} bytes")


def leaked(count: int, seed: int, folder: Path) -> list[str]:
    hat = make_known_functions(folder)
    context = multiprocessing.get_context("spawn")
    findings = context.SimpleQueue()
    for loader in host_loaders():
        process = context.Process(target=leak, args=(loader, count, hat, findings))
        process.start()
        process.join()
        if process.exitcode:
            findings.put(f"leaks: the process of {loader} ended with {process.exitcode}")
    found = []
    while not findings.empty():
        found.append(findings.get())
    return found


SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def killed(count: int, seed: int, folder: Path) -> list[str]:
    """Kill commands over and over in one folder, as a user with bad luck would."""
    found: list[str] = []
    generator = random.Random(seed)
    environment = {
        **os.environ,
        **{"HATFRAME_CACHE_DIR": str(folder / "cache"), "HATFRAME_STATE_DIR": str(folder / "state")},
        "TMPDIR": str(folder / "temporary"),
    }
    (folder / "temporary").mkdir(exist_ok=True)
    work = folder / "work"
    work.mkdir()
    hatframe.build(ROOT / "samples" / "gemm.c", work / "static.hat", static=True)
    hatframe.build(ROOT / "samples" / "gemm.c", work / "gemm.hat")
    sinks = ("--sink", "csv=r.csv", "--sink", "json=r.json", "--overwrite", "--sink", "hat")
    commands = {
        "bench": ["bench", "gemm.hat", "--max-time", "0.05", "--resume", *sinks],
        "build": ["build", str(ROOT / "samples" / "gemm.c"), "-o", "built.hat"],
        "to-dynamic": ["to-dynamic", "static.hat", "dynamic.hat"],
        "pack": ["pack", "gemm.hat", "-o", "gemm.zip"],
    }
    made = {"build": "built.hat", "to-dynamic": "dynamic.hat", "pack": "gemm.zip"}
    rows = 0

    def run(name: str, limit: float | None, number: int = 0) -> int | None:
        command = [sys.executable, "-m", "hatframe", *commands[name]]
        streams: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        process = subprocess.Popen(command, cwd=work, env=environment, start_new_session=True, **streams)
        try:
            _, errors = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
            try:
                _, errors = process.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                found.append(f"kills: {name} does not end after signal {number}")
                process.kill()
                _, errors = process.communicate()
        # A signal may also come while Python itself starts, which then shows its own traceback.
        if b"Traceback" in errors and b"hatframe/" in errors.replace(b"hatframe/__init__", b""):
            found.append(f"kills: {name}: {errors.decode(errors='replace').strip().splitlines()[-1][:150]}")
        return process.returncode

    def check(name: str) -> None:
        nonlocal rows
        try:
            hatframe.read_package(work / "gemm.hat")
            for output in made.values():
                if (work / output).exists() and not output.endswith(".zip"):
                    with hatframe.load(work / output) as package:
                        next(iter(package.values()))
            if (work / "gemm.zip").exists():
                hatframe.read_package(work / "gemm.zip")
            if (work / "r.json").exists():
                read_results(work / "r.json")
            now = len(read_table(work / "r.csv")) if (work / "r.csv").exists() else 0
            if now < rows:
                found.append(f"kills: after {name}, r.csv has {now} rows instead of {rows}")
            rows = now
        except Exception as error:
            found.append(f"kills: after {name}: {type(error).__name__}: {str(error)[:200]}")

    started = time.perf_counter()
    for name in commands:
        run(name, None)
    typical = (time.perf_counter() - started) / len(commands)
    done = 0
    while done < count:
        name = generator.choice(list(commands))
        if run(name, generator.uniform(0.2, 1.3) * typical, generator.choice(SIGNALS)) != 0:
            done += 1
        check(name)
        if len(found) > 20:
            break
    for path in (*work.iterdir(), *(folder / "temporary").iterdir()):
        # What is a few seconds old may be of a process that has not locked it yet.
        os.utime(path, (time.time() - 3600,) * 2)
    found += [f"kills: {name} fails after the kills" for name in commands if run(name, None)]
    if left := [path.name for path in work.iterdir() if path.suffix == ".tmp"]:
        found.append(f"kills: {len(left)} temporary files stay, such as {left[0]}")
    if left := [path.name for path in (folder / "temporary").iterdir()]:
        found.append(f"kills: {len(left)} temporary folders stay, such as {left[0]}")
    return found


def called_by_threads(count: int, seed: int, folder: Path) -> list[str]:
    import numpy as np

    wrong: list[str] = []
    hat = make_known_functions(folder)

    def work(package: LoadedPackage, thread: int) -> None:
        array = np.full(64, thread, np.float32)
        results = ((package.add(array, number % 100), number % 100) for number in range(count // 8))
        wrong.extend(f"threads: {result} in {thread}" for result, start in results if result != 64 * thread + start)

    for loader in host_loaders():
        with Kernel().load(hat, loader=loader) as package:
            threads = [threading.Thread(target=work, args=(package, thread)) for thread in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    return wrong


def caches_damaged(count: int, seed: int, folder: Path) -> list[str]:
    found: list[str] = []
    generator = random.Random(seed)
    hat = hatframe.build(ROOT / "samples" / "gemm.c", folder / "cached.hat", static=True).written.hat
    cache = folder / "damaged"
    environment = {**os.environ, "HATFRAME_CACHE_DIR": str(cache), "HATFRAME_STATE_DIR": str(folder / "state")}
    command = [sys.executable, "-m", "hatframe", "bench", str(hat), "--max-time", "0.01", "--functions", "gemm_naive"]
    for number in range(count + 1):
        try:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
        except subprocess.TimeoutExpired:
            found.append(f"caches: damage {number} makes bench hang")
            continue
        if done.returncode:
            found.append(f"caches: damage {number}: {done.stderr.strip()[-200:]}")
        files = [path for path in cache.rglob("*") if path.is_file() and path.stat().st_size]
        path = generator.choice(files)
        data = bytearray(path.read_bytes())
        at = generator.randrange(len(data))
        data[at:] = b"" if number % 2 else generator.randbytes(len(data) - at)
        path.write_bytes(data)
    return found


# What makes each attack, and how often: in full, and in the short form.
ATTACKS: dict[str, tuple[Callable[[int, int, Path], list[str]], int, int]] = {
    "fuzz": (fuzzed, 1_000_000, 3_000),
    "kills": (killed, 500, 8),
    "threads": (called_by_threads, 200_000, 16_000),
    "loaders": (loaders_compared, 100_000, 3_000),
    "leaks": (leaked, 10_000_000, 100_000),
    "caches": (caches_damaged, 40, 4),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a thousandth of it")
    parser.add_argument("--hatlib-python", metavar="PATH", help="not used: all benchmarks take it")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=tuple(ATTACKS), action="append")
    for name, (_, count, _) in ATTACKS.items():
        parser.add_argument(f"--{name}", type=int, default=count, help=f"how many (default: {count})")
    options = parser.parse_args()
    found: list[str] = []
    print(f"seed {options.seed}\n{'attack':10}{'number':>10}{'seconds':>10}{'findings':>10}")
    for name, (attack, _, quick) in ATTACKS.items():
        if options.only and name not in options.only:
            continue
        count = quick if options.quick else getattr(options, name)
        with tempfile.TemporaryDirectory(prefix="hatframe-attack-") as folder:
            started = time.perf_counter()
            findings = attack(count, options.seed, Path(folder))
        print(f"{name:10}{count:10}{time.perf_counter() - started:10.1f}{len(findings):10}", flush=True)
        found += findings
    for text in dict.fromkeys(found):
        print(text)
    if found:
        sys.exit(f"{len(found)} findings")


if __name__ == "__main__":
    main()
