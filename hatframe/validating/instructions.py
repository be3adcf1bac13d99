"""The instruction sets that the code of a library uses, against those that ``target.required`` lists.

Code that chooses an implementation when it runs uses instruction sets that it does not require. So a function counts
with what it calls before its first condition, and other code is only noted.
"""

from __future__ import annotations

import bisect
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING

from hatframe.binary.code import Code, CodeFunction, read_code
from hatframe.binary.libraries import LibraryFile
from hatframe.calling.requirements import extension_key
from hatframe.errors import HatError, PackageError, listed
from hatframe.format.model import HatFile
from hatframe.format.positions import Keys
from hatframe.validating.report import Report

if TYPE_CHECKING:
    from iced_x86 import Instruction

_EXTENSIONS: Keys = ("target", "required", "CPU", "extensions")
_BITS = {"x86_64": 64, "x86": 32}

# iced's names of instruction sets, and LLVM's. Others are part of x86-64, hints that older processors ignore, or
# instructions for operating systems.
_LLVM_NAMES = {
    **{
        name.upper(): name
        for name in (
            *("sse3", "ssse3", "sse4a", "popcnt", "avx", "avx2", "fma", "fma4", "xop", "tbm", "f16c", "bmi2", "lzcnt"),
            *("movbe", "aes", "vaes", "vpclmulqdq", "gfni", "sha", "sha512", "sm3", "sm4", "rdseed", "adx"),
            *("avx512f", "avx512cd", "avx512dq", "avx512bw", "avx512vl", "avx512er", "avx512pf"),
        )
    },
    **{
        f"AVX512_{name.upper()}": f"avx512{name}"
        for name in ("ifma", "vbmi", "vbmi2", "vnni", "bitalg", "vpopcntdq", "bf16", "fp16", "vp2intersect")
    },
    **{f"AVX_{name.upper()}": f"avx{name.replace('_', '')}" for name in ("vnni", "ifma", "ne_convert")},
    **{f"AVX_VNNI_{name.upper()}": f"avxvnni{name}" for name in ("int8", "int16")},
    **{f"AMX_{name.upper()}": f"amx-{name}" for name in ("tile", "int8", "bf16", "fp16", "complex")},
    "SSE4_1": "sse4.1",
    "SSE4_2": "sse4.2",
    "BMI1": "bmi",
    "PCLMULQDQ": "pclmul",
    "RDRAND": "rdrnd",
    "CMPXCHG16B": "cx16",
    "D3NOW": "3dnow",
}
# What each includes (llvm/lib/Target/X86/X86.td).
_INCLUDED = {
    "ssse3": "sse3",
    "sse4.1": "ssse3",
    "sse4.2": "sse4.1",
    "sse4a": "sse3",
    "avx": "sse4.2",
    "avx2": "avx",
    "fma": "avx",
    "f16c": "avx",
    "fma4": "avx sse4a",
    "xop": "fma4",
    "vaes": "avx2 aes",
    "vpclmulqdq": "avx pclmul",
    "avxvnni": "avx2",
    "avxifma": "avx2",
    "avxneconvert": "avx2",
    "avxvnniint8": "avx2",
    "avxvnniint16": "avx2",
    "avx512f": "avx2 fma f16c",
    **{f"avx512{name}": "avx512f" for name in ("cd", "dq", "bw", "vl", "er", "pf", "vnni", "ifma", "vpopcntdq")},
    **{f"avx512{name}": "avx512bw" for name in ("vbmi", "vbmi2", "bitalg", "bf16")},
    "avx512vp2intersect": "avx512f",
    "avx512fp16": "avx512bw avx512dq avx512vl",
    **{f"amx-{name}": "amx-tile" for name in ("int8", "bf16", "fp16", "complex")},
}
# A shorter prefix of calls than any wrapper needs, so that odd code ends.
_MOST_INSTRUCTIONS = 10_000
_MOST_CALLS = 20
# Decoding takes a second for about five million bytes.
_MOST_CODE = 32 << 20


def check_instructions(report: Report, hat: HatFile, library: LibraryFile) -> None:
    """Report the instruction sets that are used but not required; raises :class:`HatError` without iced-x86."""
    if not library.architectures & _BITS.keys():
        report.note(_EXTENSIONS, f"--deep reads the code of x86 processors, and {library.path.name} is {library}")
        return
    _import_iced()
    known = _known_extensions(hat)
    exported = {name for name, function in hat.functions.items() if not function.runtime}
    of_functions: dict[str, set[str]] = {}
    of_others: dict[str, set[str]] = {}
    try:
        for code in read_code(library.path):
            if bits := _BITS.get(code.architecture):
                reader = _Reader(code, bits)
                for name, names in reader.used_by(exported):
                    of_functions.setdefault(name, set()).update(names - known)
                for name, names in reader.used_by_others():
                    of_others.setdefault(name, set()).update(names - known)
    except PackageError as error:
        report.error(("dependencies", "link_target"), f"{library.path.name}: {error.message}", error.hint)
        return
    for missing, users in _by_sets(of_functions):
        message = f"missing {', '.join(missing)}, which {listed(users, 5)} {'uses' if len(users) == 1 else 'use'}"
        report.error(_EXTENSIONS, message, "add what the code requires, or build it for any processor")
    for missing, users in _by_sets(of_others):
        message = f"not listed: {', '.join(missing)}, which other code uses: {listed(users, 5)}"
        report.note(_EXTENSIONS, message, "it may run only on processors that have them")


def _import_iced() -> None:
    try:
        import iced_x86  # noqa: F401
    except ImportError:
        raise HatError("iced-x86 is not installed", hint="pip install 'hatframe[deep]'") from None


def _known_extensions(hat: HatFile) -> set[str]:
    """The instruction sets that the metadata list, with those that they include, by LLVM's names."""
    texts = [text.strip() for text in hat.target.required.cpu.extensions]
    keys = {extension_key(text) for text in texts if not text.startswith("-")}
    found: set[str] = set()
    waiting = [name for name in _LLVM_NAMES.values() if extension_key(name) in keys]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _INCLUDED.get(name, "").split()
    return found


def _by_sets(used: dict[str, set[str]]) -> list[tuple[list[str], list[str]]]:
    """The functions that use each set of instruction sets."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, missing in used.items():
        if missing:
            groups.setdefault(tuple(sorted(missing)), []).append(name)
    return [(list(missing), sorted(names)) for missing, names in sorted(groups.items())]


class _Reader:
    """Decodes the functions of one image."""

    def __init__(self, code: Code, bits: int) -> None:
        self._code = code
        self._bits = bits
        self._by_name = {function.name: function for function in code.functions.values() if function.name}
        self._starts = sorted(code.functions)
        self._left = _MOST_CODE
        self._counted: set[int] = set()
        # The instruction sets of each kind of instruction.
        self._of_kind: dict[int, frozenset[str]] = {}

    def used_by(self, names: Collection[str]) -> Iterator[tuple[str, set[str]]]:
        """The instruction sets that each named function certainly needs."""
        for name in names:
            function = self._by_name.get(name)
            if function and not function.is_resolver:
                certain = self._certain(function)
                self._counted.update(each.address for each in certain)
                yield name, set().union(*(self._used(each) for each in certain))

    def used_by_others(self) -> Iterator[tuple[str, set[str]]]:
        """The instruction sets of all code that did not count before."""
        for function in self._code.functions.values():
            if function.address not in self._counted:
                yield function.name or "code without a name", self._used(function)

    def _decoded(self, function: CodeFunction) -> Iterable[Instruction]:
        from iced_x86 import Decoder

        return Decoder(self._bits, function.code, ip=function.address)

    def _used(self, function: CodeFunction) -> set[str]:
        self._left -= len(function.code)
        if self._left < 0:
            return set()
        kinds = set()
        for instruction in self._decoded(function):
            kind = instruction.code
            if kind not in self._of_kind:
                self._of_kind[kind] = _extensions(instruction)
            kinds.add(kind)
        return set().union(*(self._of_kind[kind] for kind in kinds))

    def _certain(self, function: CodeFunction) -> list[CodeFunction]:
        """A function and what it calls before its first condition, and so on: what always runs."""
        found = [function]
        for each in found:
            found += [called for called in self._called(each) if called not in found]
            if len(found) > _MOST_CALLS:
                break
        return found

    def _called(self, function: CodeFunction) -> Iterator[CodeFunction]:
        from iced_x86 import Decoder, FlowControl

        decoder = Decoder(self._bits, function.code, ip=function.address)
        end = function.address + len(function.code)
        for _ in range(_MOST_INSTRUCTIONS):
            if not decoder.can_decode:
                return
            instruction = decoder.decode()
            flow = instruction.flow_control
            if flow in (FlowControl.NEXT, FlowControl.INTERRUPT):
                continue
            is_jump = flow in (FlowControl.UNCONDITIONAL_BRANCH, FlowControl.INDIRECT_BRANCH)
            if not is_jump and flow not in (FlowControl.CALL, FlowControl.INDIRECT_CALL):
                return
            target = instruction.near_branch_target
            if is_jump and function.address < target < end and not self._name_in(instruction):
                decoder.position, decoder.ip = target - function.address, target
                continue
            if (called := self._target(instruction)) and not called.is_resolver:
                yield called
            if is_jump:
                return

    def _target(self, instruction: Instruction) -> CodeFunction | None:
        """The function that a call or jump leads to, also through a table of the linker."""
        if name := self._name_in(instruction):
            return self._by_name.get(name)
        if instruction.is_ip_rel_memory_operand:
            return self._by_name.get(self._code.slots.get(instruction.ip_rel_memory_address, ""))
        found = self._code.functions.get(instruction.near_branch_target)
        return found if found and found.name else self._behind_stub(instruction.near_branch_target)

    def _name_in(self, instruction: Instruction) -> str:
        """The name that a relocation of an instruction's operand gives."""
        fields = range(instruction.ip + 1, instruction.next_ip)
        return next((self._code.targets[at] for at in fields if at in self._code.targets), "")

    def _behind_stub(self, address: int) -> CodeFunction | None:
        """The function behind a stub of the procedure linkage table, which jumps to where a slot points."""
        from iced_x86 import Decoder, FlowControl

        index = bisect.bisect_right(self._starts, address) - 1
        stubs = self._code.functions[self._starts[index]] if index >= 0 else None
        if stubs is None or address >= stubs.address + len(stubs.code):
            return None
        decoder = Decoder(self._bits, stubs.code, ip=stubs.address)
        decoder.position, decoder.ip = address - stubs.address, address
        for _ in range(3):
            if not decoder.can_decode:
                break
            instruction = decoder.decode()
            if instruction.flow_control == FlowControl.INDIRECT_BRANCH and instruction.is_ip_rel_memory_operand:
                return self._by_name.get(self._code.slots.get(instruction.ip_rel_memory_address, ""))
        return None


def _extensions(instruction: Instruction) -> frozenset[str]:
    """LLVM's names of the instruction sets that an instruction needs beyond x86-64."""
    from iced_x86 import CpuidFeature, Mnemonic

    # Compilers write it for processors without BMI too, which take it for bsf.
    if instruction.mnemonic == Mnemonic.TZCNT:
        return frozenset()
    return frozenset(
        llvm for iced, llvm in _LLVM_NAMES.items() if getattr(CpuidFeature, iced) in instruction.cpuid_features()
    )
