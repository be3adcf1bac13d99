"""Faults in a process of its own: what it reports before it ends."""

from __future__ import annotations

import ctypes
import functools
import mmap
import signal
import sys
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from hatframe.verifying.faults import FaultReporter, astray, extent, misaligned
from hatframe.worker.messages import Faulted, Region, Request
from hatframe.worker.process import Context, ProcessWorker, WorkerEndedError

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux reports the address of a fault")
REGIONS = (Region("x", 1000, 1000, 1064, 500, 2000), Region("y", 5008, 5008, 5072, 4500, 6000))


class Access(Request, frozen=True):
    write: bool
    near_stack_end: bool = False


class Faulting:
    requests: ClassVar[Any] = Access

    def __init__(self, context: Context) -> None:
        self._reporter = FaultReporter(context)

    def handle(self, request: Access) -> None:
        memory = mmap.mmap(-1, mmap.PAGESIZE)
        address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        ctypes.CDLL(None).mprotect(ctypes.c_void_p(address), ctypes.c_size_t(mmap.PAGESIZE), 0)
        self._reporter.regions = [Region("memory", address, address, address, address, address + mmap.PAGESIZE)]
        if request.write:
            ctypes.memset(address + 24, 1, 1)
        else:
            ctypes.string_at(address + 24, 1)


@pytest.fixture
def worker() -> Iterator[ProcessWorker]:
    started = ProcessWorker(functools.partial(Faulting), lambda _: None, {})
    yield started
    started.close()


@needs_linux
@pytest.mark.parametrize("access", ["read", "write"])
def test_a_fault_is_reported_with_its_address_and_the_process_ends_by_its_signal(
    worker: ProcessWorker, access: str
) -> None:
    worker.submit(Access(write=access == "write"))
    with pytest.raises(WorkerEndedError) as caught:
        worker.result(5)
    fault = caught.value.fault
    assert fault
    assert (caught.value.message, fault.signal) == ("SIGSEGV", signal.SIGSEGV)
    region = astray(fault)
    assert region
    assert region.name == "memory"
    assert fault.address == region.begin + 24
    assert fault.access == access


def test_a_fault_is_blamed_on_the_argument_whose_surroundings_it_hits() -> None:
    assert astray(Faulted(signal=11, address=1500, regions=REGIONS)) == REGIONS[0]
    assert astray(Faulted(signal=11, address=3000, regions=REGIONS)) is None
    assert astray(Faulted(signal=11, address=None, regions=REGIONS)) is None


def test_a_misaligned_access_is_about_an_argument_that_is_not_aligned_and_that_a_register_points_to() -> None:
    fault = Faulted(signal=11, address=None, registers=(7, 1032), regions=REGIONS)
    assert misaligned(fault, 32) == ["x"]
    assert misaligned(Faulted(signal=11, address=None, regions=REGIONS), 32) == ["x", "y"]
    assert misaligned(Faulted(signal=11, address=None, regions=REGIONS), 16) == ["x"]


RSI, RAX = 9, 13
"""Positions among the registers."""


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("c5fc1006", (1040, 1072)),  # vmovups ymm0, [rsi]
        ("c5fc10448608", (1088, 1120)),  # vmovups ymm0, [rsi + 4*rax + 8]
        ("0fb606", (1040, 1041)),  # movzx eax, byte [rsi]
        ("c5fa100520000000", (9048, 9052)),  # vmovss xmm0, [rip + 32]
        ("62f17c491006", None),  # vmovups zmm0{k1}, [rsi]
        ("f3a4", None),  # rep movsb
        ("90", None),  # nop
        ("", None),
    ],
)
def test_the_extent_of_an_access_is_that_of_its_instruction(code: str, expected: tuple[int, int] | None) -> None:
    pytest.importorskip("iced_x86")
    registers = [0] * 16 + [9008]
    registers[RSI], registers[RAX] = 1040, 10
    address = expected[1] - 1 if expected else 1040
    fault = Faulted(11, address, "read", False, tuple(registers), REGIONS, bytes.fromhex(code))
    assert extent(fault) == expected
    elsewhere = Faulted(11, 77, "read", False, tuple(registers), REGIONS, bytes.fromhex(code))
    assert extent(elsewhere) is None, "the instruction is another"
