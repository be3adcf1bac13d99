"""Checkpoints: the samples of a run, saved every few seconds, so that an interrupted run can be resumed."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from hatframe import __version__, files
from hatframe.bench.options import BenchOptions
from hatframe.bench.schedule import Record
from hatframe.errors import HatError
from hatframe.machine import Machine
from hatframe.packages.store import KEY, Bucket, entry_name, read_own
from hatframe.results.model import PackageInfo

RUNS = Bucket(name="runs", summary="interrupted benchmarks, for --resume", pattern=rf"{KEY}\.json", rebuilt=False)

# What may differ between a run and the one that resumes it.
_FREE_OPTIONS = ("sinks", "resume")


class Checkpoint:
    """The saved state of a run, kept in the user's state folder and keyed by all that its figures depend on."""

    def __init__(
        self, packages: Sequence[PackageInfo], options: BenchOptions, machine: Machine, notify: Callable[[str], None]
    ) -> None:
        self._notify = notify
        plain = {name: value for name, value in options.recorded().items() if name not in _FREE_OPTIONS}
        given = Path(options.input_data)
        data = hashlib.sha256(given.read_bytes()).hexdigest() if given.is_file() else ""
        known = msgspec.to_builtins([packages, data, plain, machine, __version__], enc_hook=str)
        # Not msgspec's JSON, which cannot have file names that are not text.
        self._key = json.dumps(known, sort_keys=True).encode()

    def _path(self) -> Path:
        return RUNS.folder / f"{entry_name(RUNS.folder, [self._key])}.json"

    def load(self) -> list[Record] | None:
        """The records of the interrupted run; None, with a note, if there is none."""
        with contextlib.suppress(OSError, HatError, msgspec.MsgspecError):
            return msgspec.json.decode(read_own(self._path()), type=list[Record])
        self._notify("nothing to resume: no interrupted run has these packages and options; starting a new run")
        return None

    def save(self, records: Sequence[Record]) -> None:
        """Replace what was saved; if that fails, say so once and continue."""
        try:
            files.write_atomically(self._path(), msgspec.json.encode(records))
        except OSError as error:
            self._notify(f"{RUNS.folder}: this run cannot be resumed: {error.strerror or error}")
        except HatError as error:
            self._notify(f"this run cannot be resumed: {error}")

    def remove(self) -> None:
        """Forget the run: it is complete."""
        with contextlib.suppress(OSError, HatError):
            self._path().unlink()
