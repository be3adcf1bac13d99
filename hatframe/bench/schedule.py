"""The schedule: measures all functions round by round in random order, so that the machine's drift affects all alike.

A function that crashes its worker, or does not return, gets that as its status; the others continue in a new worker.
If others ran in that worker before, any of them may have damaged it: the culprit is the one that fails in a new worker
of its own. What was measured in the damaged one does not count.
"""

from __future__ import annotations

import itertools
import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from time import perf_counter
from typing import Any

import msgspec

from hatframe.backends import Observer
from hatframe.bench.criterion import Criterion
from hatframe.bench.options import BenchOptions
from hatframe.bench.race import Race, Samples
from hatframe.bench.session import Batch, Check, Describe, Drop, Needs, Run, Warm, Warmed
from hatframe.errors import DamageError, HatError, UsageError
from hatframe.results.estimation import low_time
from hatframe.results.text import sized_name
from hatframe.rows import Row
from hatframe.worker.messages import Request
from hatframe.worker.process import Worker, WorkerEndedError

# The share of the available memory for the input sets of functions that are measured together.
_MEMORY_SHARE = 0.7

# Seconds between two savings: the most that is lost if the process is killed.
_SAVE_INTERVAL = 2.0

# Requests that are sent before their replies: enough that a worker never waits for one, and few enough for a pipe to
# hold them all, or a function that does not return would block this process too.
_AHEAD = 64


# Seconds: no run takes a year.
_LONGEST_BATCH = 3e7


class Record(msgspec.Struct, kw_only=True):
    """What is known of one row so far; checkpoints save it, and resumed runs start from it."""

    row: Row
    samples: Samples = msgspec.field(default_factory=Samples)
    calls: int = 0
    status: str = ""
    """Empty while it is measured."""
    message: str = ""
    warmed: Warmed | None = None
    restored: int = 0
    counters: dict[str, float] = {}
    measured_seconds: float = 0.0
    warm_up_seconds: float = 0.0
    reported: bool = False
    checks: tuple[str, ...] = ()
    """Those that were made before measuring."""

    @property
    def pristine(self) -> bool:
        """Whether inputs are restored after each use of an argument set."""
        return self.warmed is not None and self.warmed.pristine

    @property
    def batch_overhead(self) -> float:
        """The seconds that were subtracted from each batch."""
        return self.calls * self.warmed.overhead if self.warmed and self.warmed.overhead_subtracted else 0.0

    @property
    def label(self) -> str:
        """The name to show, with the sizes and scalars if it has any."""
        return sized_name(self.row.function, {**self.row.sizes, **self.row.values})

    def forget(self) -> None:
        """Forget what was measured."""
        self.samples, self.counters, self.restored = Samples(), {}, 0
        self.calls, self.measured_seconds = 0, 0.0


class _Turn:
    """A place for one of the workers that measure in turn, with the rows whose code the present one has run."""

    def __init__(self) -> None:
        self.worker: Worker | None = None
        self.number = 0
        self.ran: set[int] = set()

    def end(self) -> None:
        if self.worker is not None:
            self.worker.close()
            self.worker = None


class Schedule:
    """One run over all rows, by workers whose setup has the rows in the order of ``records``.

    Records that have a status already are not measured again. ``finished`` is called with each record as soon as it is
    final, and ``save`` every few seconds.
    """

    def __init__(
        self,
        records: Sequence[Record],
        options: BenchOptions,
        *,
        start_worker: Callable[[], Worker],
        observer: Observer,
        finished: Callable[[Record], None],
        save: Callable[[], None],
    ) -> None:
        self._records = records
        self._options = options
        self._start_worker = start_worker
        self._observer = observer
        self._finished = finished
        self._save = save
        self._saved = perf_counter()
        self._unsaved_ends = False
        # The leaders of an earlier run, which are measured anew.
        self._anchors: set[int] = set()
        # Rows that only run in workers of their own.
        self._isolated: set[int] = set()
        self._turns = [_Turn() for _ in range(options.processes)]
        self._processes = max((number for record in records for number in record.samples.processes), default=0)
        # Rows of one key share their argument sets, whose inputs are restored after each use or not.
        self._keys: dict[int, str] = {}
        self._restored: dict[str, bool] = {}
        self._criteria: dict[int, Criterion] = {}
        self._random = random.Random(options.seed)
        self._round = 1 + max((number for record in records for number in record.samples.rounds), default=0)

    def run(self) -> None:
        """Measure everything; the worker always ends."""
        try:
            open_rows = [index for index, record in enumerate(self._records) if not record.status]
            resumed = len(open_rows) < len(self._records)
            for keys, rows in self._groups(open_rows):
                if resumed:
                    rows = self._with_anchors(rows)
                self._measure(rows)
                self._drop(keys)
                for row in [row for row in rows if row in self._isolated]:
                    self._isolated.discard(row)
                    self._end_workers()
                    self._measure([row])
                    self._end_workers()
        finally:
            self._end_workers()

    def _exchange(self, requests: Iterable[tuple[int, Request]]) -> Iterator[tuple[int, Any]]:
        """Send all requests, and yield the replies with their rows. A row whose request fails gets a status instead."""
        turn = self._turn
        pending = deque(requests)
        sent = 0
        while pending:
            if turn.worker is None:
                turn.worker, sent = self._start_worker(), 0
                turn.ran = set()
                self._processes += 1
                turn.number = self._processes
            for _, request in itertools.islice(pending, sent, _AHEAD):
                turn.worker.submit(request)
                sent += 1
            row, request = pending.popleft()
            sent -= 1
            try:
                reply = turn.worker.result(self._options.timeout)
                _check_plausible(reply)
            except (WorkerEndedError, DamageError) as error:
                self._blame(turn, error, row, request)
                self._save_sometimes()
                # What was discarded begins anew.
                waiting = [(row, request), *pending]
                pending = deque(
                    (other, self._next(other) if isinstance(each, Run) else each)
                    for other, each in waiting
                    if self._is_open(other)
                )
            except UsageError:  # a wrong option is wrong for all rows
                raise
            except HatError as error:
                self._end(row, "failed", str(error))
            else:
                self._has_run(row, request)
                yield row, reply

    @property
    def _turn(self) -> _Turn:
        """The worker of this round: functions that are compared are measured in the same processes."""
        return self._turns[self._round % len(self._turns)]

    def _is_open(self, row: int) -> bool:
        return not self._records[row].status and row not in self._isolated

    def _has_run(self, row: int, request: Request) -> None:
        """Note that code of a row has run in the worker: of its function, or that which opening its library runs."""
        package = self._records[row].row.package
        ran = self._turn.ran
        if not isinstance(request, Describe) or all(self._records[other].row.package != package for other in ran):
            ran.add(row)

    def _blame(self, turn: _Turn, error: HatError, row: int | None = None, request: Request | None = None) -> None:
        """End a worker that failed at ``request`` of ``row``, and the row of the function that caused the error."""
        turn.end()
        suspects = sorted({other for other in turn.ran if self._is_open(other)} - {row})
        if row is None and len(suspects) == 1:
            row = suspects.pop()
        if row is not None and self._fails(row, self._alone(row, request) if turn.ran - {row} and request else error):
            # What ran before its first call is not affected.
            if row in turn.ran:
                self._discard(turn)
            return
        culprits = [other for other in suspects if self._fails(other, self._alone(other, Warm(other)))]
        self._discard(turn)
        if not culprits:
            # It takes more than one of them, or chance: from now on, each has a worker of its own.
            self._isolated |= {*suspects, *([] if row is None else [row])}

    def _alone(self, row: int, request: Request) -> HatError | None:
        """The error of a row in a worker of its own."""
        worker = self._start_worker()
        try:
            for each in (request, Check()):
                worker.submit(each)
                worker.result(self._options.timeout)
        except HatError as error:
            return error
        finally:
            worker.close()
        return None

    def _fails(self, row: int, error: HatError | None) -> bool:
        """End a row by the error of its function, if there is one."""
        if isinstance(error, WorkerEndedError):
            outcome = f"crashed: {error.message}" if error.status == "crashed" else error.message
            self._end(row, error.status, f"{self._records[row].label} {outcome}")
        elif error is not None:
            self._end(row, "failed", str(error))
        return error is not None

    def _discard(self, turn: _Turn) -> None:
        """Forget what was measured of rows that ran in a damaged worker; finished ones were checked before."""
        for row in filter(self._is_open, turn.ran):
            self._records[row].forget()
            self._criteria[row] = Criterion(self._options, len(self._records))
        turn.ran = set()

    def _end_workers(self) -> None:
        for turn in self._turns:
            turn.end()

    def _groups(self, rows: Sequence[int]) -> Iterator[tuple[list[str], list[int]]]:
        """The rows that are measured together, with the keys of their input sets: as many as their memory holds."""
        described: dict[int, Needs] = {}
        by_package: dict[int, list[int]] = {}
        for row in rows:
            by_package.setdefault(self._records[row].row.package, []).append(row)
        for first, *others in by_package.values():
            described.update(self._described([first]))
            opened = self._records[first]
            if opened.status not in ("", "failed"):
                # Opening the library ends the process, and would do so for each of its functions.
                for row in others:
                    self._end(row, opened.status, opened.message)
                continue
            described.update(self._described(others))
        keys: dict[str, list[int]] = {}
        for row, needs in described.items():
            keys.setdefault(needs.key, []).append(row)
        group: list[str] = []
        used: dict[str, int] = {}
        for key, (first, *_) in keys.items():
            needs = described[first]
            budget = float("inf") if needs.available is None else _MEMORY_SHARE * needs.available / len(self._turns)
            if group and used.get(needs.memory, 0) + needs.bytes > budget:
                yield group, [row for other in group for row in keys[other]]
                group, used = [], {}
            group.append(key)
            used[needs.memory] = used.get(needs.memory, 0) + needs.bytes
        if group:
            yield group, [row for other in group for row in keys[other]]

    def _described(self, rows: Iterable[int]) -> Iterator[tuple[int, Needs]]:
        for row, needs in self._exchange((row, Describe(row)) for row in rows):
            self._keys[row] = needs.key
            if self._records[row].warmed:  # in an earlier run
                self._decide(row)
            yield row, needs

    def _with_anchors(self, rows: list[int]) -> list[int]:
        """The rows, with the best one of each group that an earlier run finished: the new ones are compared with it."""
        everyone = self._grouped(range(len(self._records)))
        for group in self._grouped(rows):
            done = [row for row in everyone[group] if self._records[row].status == "ok"]
            if done:
                best = min(done, key=lambda row: low_time(self._records[row].samples.means))
                self._records[best].status = ""
                self._anchors.add(best)
                rows = [*rows, *(row for row, _ in self._described([best]))]
        return rows

    def _grouped(self, rows: Iterable[int]) -> dict[str, list[int]]:
        """Those of ``rows`` that compete, by their groups."""
        grouped: dict[str, list[int]] = {}
        for row in rows:
            grouped.setdefault(self._records[row].row.group, []).append(row)
        return grouped

    def _measure(self, rows: Sequence[int]) -> None:
        """Measure rows in turn, each until its criterion is met."""
        races = [(Race(len(rows)), members) for members in self._grouped(rows).values()]
        self._criteria = {}
        for row in rows:
            criterion = self._criteria[row] = Criterion(self._options, len(self._records))
            record = self._records[row]
            # An anchor needs as many new batches as any other row: it is compared by those.
            for mean in record.samples.means if row not in self._anchors else ():
                criterion.add_measurement(mean * record.calls, record.calls, record.batch_overhead)
            self._observer.function_started(record.label)
        for row, warmed in self._exchange((row, self._warm(row)) for row in self._random.sample(rows, len(rows))):
            self._warmed(row, warmed)
        # Where one of them needs its inputs restored, they are for all that share them: batches of those that were
        # warmed up before would have too many calls.
        changed = [
            row for row in filter(self._is_open, rows) if self._restored[self._keys[row]] != self._records[row].pristine
        ]
        for row, warmed in self._exchange((row, self._warm(row)) for row in changed):
            self._records[row].forget()
            self._criteria[row] = Criterion(self._options, len(self._records))
            self._warmed(row, warmed)
        self._round += 1
        self._save_sometimes()
        active = list(filter(self._is_open, rows))
        while active:
            requests = [(row, self._next(row)) for row in self._random.sample(active, len(active))]
            for row, reply in self._exchange(requests):
                if isinstance(reply, Warmed):
                    self._warmed(row, reply)
                else:
                    self._add(row, reply)
            active = list(filter(self._is_open, active))
            done = self._done(active, races)
            if done and self._are_undamaged():
                for row in done:
                    self._end(row, "ok")
            active = list(filter(self._is_open, active))
            self._round += 1
            self._save_sometimes()

    def _done(self, active: Iterable[int], races: Iterable[tuple[Race, Sequence[int]]]) -> set[int]:
        """The active rows that need no more batches."""
        active, criteria = set(active), self._criteria
        done = {row for row in active if criteria[row].exhausted}
        if not self._options.race:
            return done | {row for row in active if criteria[row].is_finished()}
        for race, members in races:
            if racing := [row for row in members if row in active]:
                measured = (row for row in members if self._records[row].status in ("", "ok"))
                behind = race.behind({row: self._records[row].samples for row in measured}, racing, self._round)
                done |= {row for row in racing if row in behind and criteria[row].may_stop()}
                done |= {row for row in racing if not race.undecided(row) and criteria[row].is_finished()}
        return done

    def _next(self, row: int) -> Request:
        calls = self._records[row].calls
        return Run(row, calls, self._records[row].pristine) if calls else self._warm(row)

    def _warm(self, row: int) -> Warm:
        return Warm(row, self._restored.get(self._keys[row]))

    def _decide(self, row: int) -> None:
        """Where a row has its inputs restored, so have all that share them."""
        key = self._keys[row]
        self._restored[key] = self._restored.get(key, False) or self._records[row].pristine

    def _warmed(self, row: int, warmed: Warmed) -> None:
        record = self._records[row]
        record.warmed = warmed
        self._decide(row)
        record.warm_up_seconds += warmed.seconds
        # A resumed run keeps the batches of the run before: they are compared.
        if not record.calls or record.calls == warmed.calls:
            record.calls = warmed.calls
            self._add(row, warmed.first)

    def _add(self, row: int, measured: Batch) -> None:
        record, criterion = self._records[row], self._criteria[row]
        record.samples.means.append(measured.seconds / record.calls)
        record.samples.rounds.append(self._round)
        record.samples.processes.append(self._turn.number)
        record.warm_up_seconds += measured.warm_up
        record.measured_seconds += measured.seconds + record.batch_overhead
        record.restored += measured.restored
        for name, value in measured.counters.items():
            record.counters[name] = record.counters.get(name, 0.0) + value
        criterion.add_measurement(measured.seconds, record.calls, record.batch_overhead)
        self._observer.progress(record.label, criterion.progress)

    def _end(self, row: int, status: str, message: str = "") -> None:
        record = self._records[row]
        record.status, record.message = status, message
        self._finished(record)
        self._unsaved_ends = True

    def _are_undamaged(self) -> bool:
        """Whether the memory of all workers is as it should be; whoever damaged it gets that as its status."""
        answers = [self._ask(turn, Check(), blame=True) for turn in self._turns]
        return all(answers)

    def _drop(self, keys: list[str]) -> None:
        for turn in self._turns:
            self._ask(turn, Drop(tuple(keys)), blame=False)

    def _ask(self, turn: _Turn, request: Request, blame: bool) -> bool:
        """Whether a worker, if there is one, serves a request that concerns no row."""
        if turn.worker is None:
            return True
        turn.worker.submit(request)
        try:
            turn.worker.result(self._options.timeout)
        except (WorkerEndedError, DamageError) as error:
            # After the last function, something that it left behind may end the worker.
            self._blame(turn, error) if blame else turn.end()
            return False
        return True

    def _save_sometimes(self) -> None:
        # A resumed run must not report a result twice.
        if self._unsaved_ends or perf_counter() - self._saved >= _SAVE_INTERVAL:
            self._save()
            self._saved = perf_counter()
            self._unsaved_ends = False


def _check_plausible(reply: Any) -> None:
    """Raise :class:`DamageError` for a time that cannot be."""
    batch = reply.first if isinstance(reply, Warmed) else reply
    if isinstance(batch, Batch) and not 0 <= batch.seconds < _LONGEST_BATCH:
        raise DamageError(f"a batch took {batch.seconds} s")
