"""What a package requires of the machine, and what this machine is known not to meet."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from hatframe.errors import TargetError
from hatframe.format.model import HatFile, Required
from hatframe.machine import Machine, normal_architecture, normal_os

_OPERATING_SYSTEMS = frozenset({"linux", "macos", "windows"})
_ARCHITECTURES = frozenset(
    ("x86", "x86_64", "arm", "aarch64", "riscv32", "riscv64", "ppc64", "ppc64le", "s390x", "loongarch64", "wasm32")
)

# Names that compilers and operating systems have for LLVM's features, without their punctuation.
_OTHER_NAMES = {
    "avx512": "avx512f",
    "sse4": "sse42",
    "pni": "sse3",
    "abm": "lzcnt",
    "bmi1": "bmi",
    "fma3": "fma",
    "aesni": "aes",
    "pclmulqdq": "pclmul",
    "rdrand": "rdrnd",
    "lahflm": "sahf",
    "3dnowprefetch": "prfchw",
    "shani": "sha",
    "asimd": "neon",
    "fp16": "fullfp16",
    "atomics": "lse",
}


def unmet(required: Required, machine: Machine) -> list[str]:
    """What ``machine`` is known not to meet, one sentence each; none where it meets all that is known.

    Names are compared whatever their letter case and punctuation (``AVX512`` is ``avx512f``, ``sse4_2`` is
    ``sse4.2``). A name that is not known, or a fact that no probe knows, is not held against the machine.
    An extension with a minus sign is not required, and of one that is listed twice the last counts.
    """
    host = machine.platform
    sentences = []
    system = normal_os(required.os)
    if system in _OPERATING_SYSTEMS and system != host.os:
        sentences.append(f"it is for {system}, and this machine runs {host.os}")
    architecture = normal_architecture(required.cpu.architecture)
    if architecture in _ARCHITECTURES and architecture != host.architecture:
        sentences.append(f"it is for {architecture} processors, and this one is {host.architecture}")
    abi = required.auxiliary.get("abi", "")
    if system == host.os == "linux" and abi and host.abi and abi != host.abi:
        sentences.append(f"it is for the C library {abi}, and this machine's is {host.abi}")
    known = {extension_key(name): has for name, has in machine.extensions.items()}
    wanted = {extension_key(name): name for name in required.cpu.extensions}
    missing = [
        name.strip().lstrip("+")
        for plain, name in wanted.items()
        if not name.strip().startswith("-") and known.get(plain) is False
    ]
    if missing:
        sentences.append(f"it needs {', '.join(missing)}, which this processor lacks")
    return sentences


def check_target(
    hat_files: Iterable[HatFile], find_unmet: Callable[[Required], Iterable[str]], force: bool = False
) -> None:
    """Refuse a package, given by its .hat files, with requirements that are known not to be met, unless ``force``.

    ``find_unmet`` returns them, one sentence each: :func:`unmet` for the machine, or a method of a loader for its
    devices. Raises :class:`TargetError` that names everything missing in the first such file.
    """
    if force:
        return
    for hat in hat_files:
        if sentences := list(find_unmet(hat.target.required)):
            raise TargetError(
                f"this package cannot work here: {'; '.join(sentences)}",
                where=str(hat.path or ""),
                hint="use --force (force=True in Python) to try anyway",
            )


def extension_key(name: str) -> str:
    """What all names of one instruction set have in common: ``AVX512`` and ``avx512f`` are the same."""
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    return _OTHER_NAMES.get(plain, plain)
