"""The sink ``json``: one results document for the run."""

from __future__ import annotations

from pathlib import Path

from hatframe import hookimpl
from hatframe.plugin import HatError, Option, RunInfo, Sink, SinkError, SinkRun, check_replaceable
from hatframe_builtin.sinks.documents import DocumentRun


class JsonSink(Sink):
    """The results document, replaced atomically as results arrive: after a crash it holds all results before.

    The document of another run is replaced only with ``--overwrite``, and then with the first result; no other file is.
    ``--resume`` continues the document of an interrupted run.
    """

    name = "json"
    summary = "writes all results, with the machine and the packages, to one document (results.json)"
    options = (Option(names=("--overwrite",), help="Replace a results document that another run wrote.", flag=True),)

    def open(self, run: RunInfo, path: Path | None) -> SinkRun:
        from hatframe.plugin import encode_results, read_results

        path = path or Path("results.json")
        check_replaceable(path)
        if path.exists() and path.stat().st_size:
            try:
                existing = read_results(path)
            except HatError as error:
                raise SinkError(
                    f"it is not replaced: {error.message}", where=str(path), hint="name another file, or move it away"
                ) from None
            same = bool(run.id) and existing.run.id == run.id
            resumed = same or (bool(run.options.get("resume")) and not existing.complete)
            if not (resumed or self.settings.get(self.options[0].key)):
                raise SinkError(
                    f"it holds the results of another run ({existing.run.started})",
                    where=str(path),
                    hint="name another file, or replace it with --overwrite",
                )
        return DocumentRun(run, path, encode_results)


@hookimpl
def hatframe_sinks() -> list[JsonSink]:
    return [JsonSink()]
