"""Faults: the address and the kind of an access that the system refuses, which name the argument to blame.

The handler runs in the thread that made the access, in the worker's process, and sends what it knows before the process
ends as it would have without it. Linux provides the address on all processors, and the kind of access on x86-64 and
AArch64; elsewhere, a fault is a crash without details.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

from hatframe.machine import Platform
from hatframe.worker.messages import Faulted, Region
from hatframe.worker.process import Context

# Room for Python to run in, also where the fault is that there is no stack left.
_STACK_BYTES = 1 << 20

_SA_SIGINFO, _SA_ONSTACK = 0x4, 0x08000000
_ADDRESS_OFFSET = 16  # of si_addr in siginfo_t
_SI_KERNEL = 0x80

# Positions in ucontext_t: of the general registers, their number, and those of the error code and the trap (x86-64).
_X86_REGISTERS, _X86_COUNT, _X86_ERROR, _X86_TRAP = 40, 17, 19, 20
_X86_GENERAL_PROTECTION, _X86_PAGE_FAULT = 13, 14
_X86_NAMES = [
    "R8",
    "R9",
    "R10",
    "R11",
    "R12",
    "R13",
    "R14",
    "R15",
    "RDI",
    "RSI",
    "RBP",
    "RBX",
    "RDX",
    "RAX",
    "RCX",
    "RSP",
    "RIP",
]
_LONGEST_INSTRUCTION = 15
_ARM_REGISTERS, _ARM_COUNT = 184, 32
# The record of AArch64 that has the exception's syndrome, in the reserved part of mcontext_t.
_ARM_RECORDS, _ARM_RECORDS_BYTES, _ARM_ESR_MAGIC = 464, 4096, 0x45535201

_ARCHITECTURE = Platform.host().architecture

_Handler = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)


class _Action(ctypes.Structure):
    """``struct sigaction`` of the C libraries of Linux."""

    _fields_ = (
        ("handler", _Handler),
        ("mask", ctypes.c_ulong * (128 // ctypes.sizeof(ctypes.c_ulong))),
        ("flags", ctypes.c_int),
        ("restorer", ctypes.c_void_p),
    )


class _Stack(ctypes.Structure):
    """``stack_t`` of Linux."""

    _fields_ = (("address", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


class FaultReporter:
    """Reports faults of this process through ``context``; ``regions`` are those of the present call."""

    def __init__(self, context: Context) -> None:
        self.regions: Sequence[Region] = ()
        self._context = context
        if sys.platform == "linux":
            self._install()

    def _install(self) -> None:
        library = ctypes.CDLL(None)
        # Kept as long as the process: the system has their addresses.
        self._memory = ctypes.create_string_buffer(_STACK_BYTES)
        self._handler = _Handler(self._report)
        stack = _Stack(ctypes.addressof(self._memory), 0, _STACK_BYTES)
        library.sigaltstack(ctypes.byref(stack), None)
        action = _Action(handler=self._handler, flags=_SA_SIGINFO | _SA_ONSTACK)
        for number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL):
            library.sigaction(int(number), ctypes.byref(action), None)

    def _report(self, number: int, info: int, context: int) -> None:
        # After this, the instruction is tried again, and ends the process.
        ctypes.CDLL(None).signal(number, None)
        self._context.faulted(_fault(number, info, context, tuple(self.regions)))


def _fault(number: int, info: int, context: int, regions: tuple[Region, ...]) -> Faulted:
    code = ctypes.c_int.from_address(info + 8).value
    address = ctypes.c_size_t.from_address(info + _ADDRESS_OFFSET).value
    access, protection = "", False
    registers: tuple[int, ...] = ()
    instruction = b""
    if _ARCHITECTURE == "x86_64":
        values = (ctypes.c_uint64 * 23).from_address(context + _X86_REGISTERS)
        registers = tuple(values[:_X86_COUNT])
        instruction = _memory_at(registers[-1], _LONGEST_INSTRUCTION)
        protection = values[_X86_TRAP] == _X86_GENERAL_PROTECTION
        if values[_X86_TRAP] == _X86_PAGE_FAULT:
            access = "write" if values[_X86_ERROR] & 2 else "read"
    elif _ARCHITECTURE == "aarch64":
        registers = tuple((ctypes.c_uint64 * _ARM_COUNT).from_address(context + _ARM_REGISTERS))
        access = _arm_access(context)
    has_address = number in (signal.SIGSEGV, signal.SIGBUS) and code != _SI_KERNEL
    return Faulted(int(number), address if has_address else None, access, protection, registers, regions, instruction)


def _memory_at(address: int, size: int) -> bytes:
    """Up to ``size`` bytes of this process's memory, without a fault where there is none."""
    with contextlib.suppress(OSError, OverflowError):
        file = os.open("/proc/self/mem", os.O_RDONLY)
        try:
            return os.pread(file, size, address)
        finally:
            os.close(file)
    return b""


def _arm_access(context: int) -> str:
    """The kind of access by the exception syndrome register, which the kernel adds for faults of data."""
    place, end = context + _ARM_RECORDS, context + _ARM_RECORDS + _ARM_RECORDS_BYTES
    while place < end:
        magic, size = (ctypes.c_uint32 * 2).from_address(place)
        if not magic or not size:
            break
        if magic == _ARM_ESR_MAGIC:
            syndrome = ctypes.c_uint64.from_address(place + 8).value
            return "write" if syndrome >> 6 & 1 else "read"
        place += size
    return ""


def astray(fault: Faulted) -> Region | None:
    """The region that the address of a fault lies in: that of the argument to blame."""
    if fault.address is None:
        return None
    return next((region for region in fault.regions if region.low <= fault.address < region.high), None)


def extent(fault: Faulted) -> tuple[int, int] | None:
    """The address at which the access of a fault begins, and the one at which it ends; None if they are unknown.

    They are those of the instruction, which iced-x86 decodes if it is installed.
    """
    if fault.address is None or not fault.code or len(fault.registers) != _X86_COUNT:
        return None
    try:
        import iced_x86
    except ImportError:
        return None
    instruction = iced_x86.Decoder(64, fault.code, ip=fault.registers[-1]).decode()
    known = {getattr(iced_x86.Register, name): each for name, each in zip(_X86_NAMES, fault.registers, strict=True)}
    known[iced_x86.Register.NONE] = 0
    base, index = known.get(instruction.memory_base), known.get(instruction.memory_index)
    # Of the lanes of a vector, a mask leaves some out.
    if base is None or index is None or instruction.op_mask != iced_x86.Register.NONE:
        return None
    begin = (base + index * instruction.memory_index_scale + instruction.memory_displacement) % (1 << 64)
    if instruction.is_ip_rel_memory_operand:
        begin = instruction.ip_rel_memory_address
    end = begin + iced_x86.MemorySizeExt.size(instruction.memory_size)
    return (begin, end) if begin <= fault.address < end else None


def misaligned(fault: Faulted, alignment: int) -> list[str]:
    """The arguments that a fault may be about whose pointers are not aligned to ``alignment`` bytes.

    They are those that a register points into or just around, since the processor does not report the address.
    """
    found: list[Any] = [region for region in fault.regions if region.pointer % alignment]
    near = [
        region
        for region in found
        if any(region.begin - alignment <= register < region.end + alignment for register in fault.registers)
    ]
    return [region.name for region in near or found]
