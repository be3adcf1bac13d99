"""What noise does to rankings and verdicts: ``python benchmarks/noise.py``, quiet and with ``--busy 2``.

60 schedules of one product, some of them near-ties, are measured in three runs of ``hatframe bench`` with its defaults.
Kendall's tau between any two, over the pairs that differ by more than 3 %, must be 0.97 (0.9 beside two busy loops);
each run must end within 30 s, and leave at most 10 ties for the first place where nothing else runs.

Then the package is compared with a copy of itself by ``hatframe compare``, until there are 300 ratios. With an interval
of 95 %, one in 20 is significant by chance: fewer than 7 % must be.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ranking import figures, run_hatframe, show, winners

from hatframe import Kernel

LIMIT_SECONDS = 30.0
MOST_TIES = 10
RATIOS = 300

SCHEDULE = """
/* @hat C input_output */
void gemm_{order}_{i}_{j}_{k}(const float A[128][128], const float B[128][128], float C[128][128])
{{
    for (int ii = 0; ii < 128; ii += {i})
        for (int jj = 0; jj < 128; jj += {j})
            for (int kk = 0; kk < 128; kk += {k})
                for (int {outer}) for (int {inner}) {{
                    float a = A[i][k];
                    for (int j = jj; j < jj + {j}; j++) C[i][j] += a * B[k][j];
                }}
}}
"""


def schedules(count: int) -> str:
    """The C source of ``count`` schedules of one product: 20 or 60."""
    made = []
    for order, i, j, k in itertools.product(("ik", "ki"), (4, 8, 16, 32, 64), (32, 64, 128), (32, 128)):
        loops = {"i": f"i = ii; i < ii + {i}; i++", "k": f"k = kk; k < kk + {k}; k++"}
        made.append(SCHEDULE.format(order=order, i=i, j=j, k=k, outer=loops[order[0]], inner=loops[order[1]]))
    return "".join(made[:: len(made) // count])


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    """Run busy loops beside the block."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def verdicts(one: Path, other: Path) -> list[bool]:
    """Whether each ratio of one comparison is significant."""
    command = [sys.executable, "-m", "hatframe", "compare", str(one), str(other), "--format", "json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    return [function["ratios"][0]["significant"] for function in json.loads(done.stdout)["functions"]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="20 schedules, two runs and one comparison, looser bounds")
    parser.add_argument("--busy", type=int, default=0, metavar="N", help="run busy loops beside the measurements")
    parser.add_argument("--hatlib-python", metavar="PATH", help="taken, as by the other scripts; not used here")
    options = parser.parse_args()
    count, runs = (20, 2) if options.quick else (60, 3)
    least_tau = 0.9 if options.quick or options.busy > 1 else 0.97
    found: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        one, other = (Path(name, folder, "schedules.hat") for folder in ("one", "other"))
        one.parent.mkdir()
        source = one.with_suffix(".c")
        source.write_text(schedules(count))
        Kernel().build(source, one)
        shutil.copytree(one.parent, other.parent)
        with busy(options.busy):
            documents = [run_hatframe(one) for _ in range(runs)]
            tau = show("hatframe", [figures(document) for document in documents])
            significant = verdicts(one, other)
            while not options.quick and len(significant) < RATIOS:
                significant += verdicts(one, other)
    ties = max(len(winners(document)) for document in documents)
    seconds = max(document.seconds for document in documents)
    share = sum(significant) / len(significant)
    print(f"at most {ties} in the first place, {seconds:.1f} s a run")
    print(f"compared with itself: {share:.1%} of {len(significant)} ratios are significant")
    if tau < least_tau:
        found.append(f"tau is {tau:.3f}, below {least_tau}")
    if not options.quick:
        if seconds > LIMIT_SECONDS:
            found.append(f"a run took {seconds:.0f} s, over {LIMIT_SECONDS:g}")
        if ties > MOST_TIES and not options.busy:
            found.append(f"{ties} functions share the first place, over {MOST_TIES}")
    # Of 20 ratios, one or two are significant by chance; more than four hardly ever.
    if share > (0.2 if options.quick else 0.07):
        found.append(f"{share:.1%} of the ratios of equal code are significant")
    if found:
        sys.exit("; ".join(found))


if __name__ == "__main__":
    main()
