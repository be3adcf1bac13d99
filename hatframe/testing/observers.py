"""The contract of an observer."""

from __future__ import annotations

import msgspec

from hatframe.backends import Observer
from hatframe.results.model import ResultsDocument
from hatframe.testing.contract import Contract
from hatframe.testing.runs import failed_result, ok_result, run_info


def check_observer(observer: Observer) -> None:
    """Hold ``observer`` against :class:`hatframe.backends.Observer`: it takes every event of a run without an error.

    It is notified of a run with a function that was measured and one that failed, and of a run that ends at once.
    Raises :class:`AssertionError` with the clause that does not hold.
    """
    contract = Contract(f"observer {type(observer).__name__}")
    contract.require(isinstance(observer, Observer), "it is an instance of a subclass of Observer", repr(observer))
    run = run_info()
    results = (ok_result("add"), failed_result("missing"))
    document = ResultsDocument(run=run, results=results)
    contract.works("run_started(run, functions) raises nothing", observer.run_started, run, len(results))
    contract.works("message(text) raises nothing", observer.message, "the library was linked")
    for result in results:
        name = result.function_name
        contract.works("function_started(name) raises nothing", observer.function_started, name)
        for fraction in (0.0, 0.5, 1.0) if result.status == "ok" else ():
            contract.works("progress(name, fraction) raises nothing", observer.progress, name, fraction)
        clause = "function_finished(result) raises nothing, whether the function was measured or failed"
        contract.works(clause, observer.function_finished, result)
    contract.works("run_finished(document) raises nothing", observer.run_finished, document)
    nothing = msgspec.structs.replace(document, results=(), complete=False)
    contract.works("a run of no functions can start", observer.run_started, run, 0)
    contract.works("a run can end before its first result", observer.run_finished, nothing)
