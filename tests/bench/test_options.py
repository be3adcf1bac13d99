"""The options of a run, as the results document keeps them."""

from __future__ import annotations

import json

from hatframe.bench.options import BenchOptions


def test_they_are_recorded_as_plain_data() -> None:
    recorded = BenchOptions(functions=("a",), sizes=({"M": 2},), max_time=0.5).recorded()
    plain = json.loads(json.dumps(recorded))
    assert plain["sizes"] == [{"M": 2}]
    assert plain["max_time"] == 0.5
    assert recorded.keys() == set(BenchOptions.__struct_fields__)
