"""Checkpoints: the samples of a run, saved every few seconds, so that an interrupted run can be resumed."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from hatframe import __version__, files
from hatframe.bench.options import BenchOptions
from hatframe.bench.schedule import Record
from hatframe.errors import HatError
from hatframe.packages.package import Package
from hatframe.packages.store import KEY, Bucket, entry_name, read_own
from hatframe.packages.stored import without_results
from hatframe.results.model import RunInfo

RUNS = Bucket(name="runs", summary="interrupted benchmarks, for --resume", pattern=rf"{KEY}\.json", rebuilt=False)

# What may differ between a run and the one that resumes it.
_FREE_OPTIONS = ("sinks", "resume")


class SavedRun(msgspec.Struct):
    """What is saved of a run: the ``id`` and start that its results have, and its records."""

    id: str
    started: str
    records: list[Record]


class Checkpoint:
    """The saved state of a run, kept in the user's state folder and keyed by all that its figures depend on."""

    def __init__(
        self, packages: Sequence[Package], options: BenchOptions, run: RunInfo, notify: Callable[[str], None]
    ) -> None:
        self._notify = notify
        plain = {name: value for name, value in options.recorded().items() if name not in _FREE_OPTIONS}
        given = Path(options.input_data)
        data = files.sha256_of(given) if given.is_file() else ""
        # .hat files count by what they say: sinks store results in them.
        files_ = [
            msgspec.structs.replace(
                info, other_files={name: sha for name, sha in info.other_files.items() if name not in info.hat_files}
            )
            for info in run.packages
        ]
        documents = [[_without_results(hat.document) for hat in package.hat_files] for package in packages]
        known = msgspec.to_builtins([files_, documents, data, plain, run.machine, __version__], enc_hook=str)
        # Not msgspec's JSON, which cannot have file names that are not text.
        self._key = json.dumps(known, sort_keys=True).encode()

    def _path(self) -> Path:
        return RUNS.folder / f"{entry_name(RUNS.folder, [self._key])}.json"

    def load(self) -> SavedRun | None:
        """The interrupted run; None, with a note, if there is none."""
        with contextlib.suppress(OSError, HatError, msgspec.MsgspecError):
            return msgspec.json.decode(read_own(self._path()), type=SavedRun)
        self._notify("nothing to resume: no interrupted run has these packages and options; starting a new run")
        return None

    def save(self, run: RunInfo, records: Sequence[Record]) -> None:
        """Replace what was saved; if that fails, say so once and continue."""
        try:
            saved = SavedRun(run.id, run.started, list(records))
            files.write_atomically(self._path(), msgspec.json.encode(saved))
        except OSError as error:
            self._notify(f"{RUNS.folder}: this run cannot be resumed: {error.strerror or error}")
        except HatError as error:
            self._notify(f"this run cannot be resumed: {error}")

    def remove(self) -> None:
        """Forget the run: it is complete."""
        with contextlib.suppress(OSError, HatError):
            self._path().unlink()


def _without_results(document: dict[str, Any]) -> dict[str, Any]:
    functions: dict[str, dict[str, Any]] = document.get("functions", {})
    kept = {
        name: {**function, "auxiliary": without_results(function.get("auxiliary", {}))}
        for name, function in functions.items()
    }
    return {**document, "functions": kept}
