"""The deviations that the checks of one .hat file report, each with its place in the text."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from hatframe.format.positions import Keys, Positions
from hatframe.format.rendering import path_text
from hatframe.outcomes import Deviation, Severity


class Report:
    """Collects the deviations of a .hat file, given as its text and the parsed document.

    ``broken`` are the paths of errors and all tables around them: further rules would only report the same error again.
    """

    def __init__(self, text: str, document: dict[str, Any]) -> None:
        self.text = text
        self.document = document
        self.deviations: list[Deviation] = []
        self.broken: set[Keys] = set()

    @cached_property
    def positions(self) -> Positions:
        return Positions(self.text)

    @property
    def has_errors(self) -> bool:
        return bool(self.broken)

    def error(self, path: Keys, message: str, hint: str = "") -> None:
        self.broken.update(path[:length] for length in range(len(path) + 1))
        self._report("error", path, message, hint)

    def warn(self, path: Keys, message: str, hint: str = "") -> None:
        self._report("warning", path, message, hint)

    def note(self, path: Keys, message: str, hint: str = "") -> None:
        self._report("note", path, message, hint)

    def table(self, *path: str) -> dict[str, Any]:
        """The table at ``path``, empty where there is none."""
        table: Any = self.document
        for key in path:
            table = table.get(key) if isinstance(table, dict) else None
        return table if isinstance(table, dict) else {}

    def _report(self, severity: Severity, path: Keys, message: str, hint: str) -> None:
        key_at = max((at for at, key in enumerate(path) if isinstance(key, str)), default=0)
        table, key = path_text(path[:key_at]), path_text(path[key_at:])
        self.deviations.append(Deviation(severity, table, key, self.positions.line(path), message, hint))
