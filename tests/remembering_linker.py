"""A linker that runs its tools once for the same inputs, for tests that compile the same library many times."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from hatframe.backends import Linker, SharedLibrary
from hatframe.machine import Platform


class RememberingLinker(Linker):
    """Hands on to ``real``, and writes what it wrote before where the inputs have the same contents."""

    summary = "for tests"
    made: dict[tuple[Any, ...], bytes]

    def __init__(self, real: Linker) -> None:
        self.real = real
        self.name = real.name
        self.made = {}

    def version(self) -> str:
        return self.real.version()

    def platforms(self) -> frozenset[Platform]:
        return self.real.platforms()

    def compile(self, source: Path, output: Path, **options: Any) -> None:
        key = ("compile", _hash(source), repr(options))
        self._make(key, output, lambda: self.real.compile(source, output, **options))

    def preprocess(self, source: Path, **options: Any) -> str:
        return self.real.preprocess(source, **options)

    def optimization(self, level: int, processor: str = "", platform: Platform | None = None) -> tuple[str, ...]:
        return self.real.optimization(level, processor, platform)

    def link_shared(self, library: SharedLibrary) -> None:
        fields = msgspec.structs.asdict(library)
        output = fields.pop("output")
        objects = [_hash(path) for path in fields.pop("objects")]
        self._make(("link", *objects, repr(fields)), output, lambda: self.real.link_shared(library))

    def archive(self, objects: Sequence[Path], output: Path, *, platform: Platform | None = None) -> None:
        self.real.archive(objects, output, platform=platform)

    def _make(self, key: tuple[Any, ...], output: Path, make: Callable[[], None]) -> None:
        if key in self.made:
            output.write_bytes(self.made[key])
        else:
            make()
            self.made[key] = output.read_bytes()


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
