"""The linker msvc: its command lines, finding the tools of Visual Studio, and libraries that LLVM's tools make."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import types
from collections.abc import Callable, Sequence
from pathlib import Path, PureWindowsPath

import msgspec
import pytest
from foreign import EXPORTS, RESULTS, static_library
from hatframe_builtin.linkers import msvc
from hatframe_builtin.linkers.msvc import commands, tools
from sample_packages import compiler

from hatframe.backends import Linker, SharedLibrary
from hatframe.binary.libraries import LibraryKind, identify
from hatframe.binary.symbols import read_symbols
from hatframe.errors import LinkError, UsageError
from hatframe.machine import Platform
from hatframe.testing import check_linker

X64 = Platform("windows", "x86_64", "msvc")
ARM64 = Platform("windows", "aarch64", "msvc")

# ------------------------------------------------------------------------------------------- command lines

BIN = PureWindowsPath(r"C:\Program Files\Microsoft Visual Studio\2022\Community\VC\Tools\MSVC\14.38.33130\bin")
MICROSOFT = tools.Toolchain(
    compiler=str(BIN / r"Hostx64\x64\cl.exe"),
    linker=str(BIN / r"Hostx64\x64\link.exe"),
    librarian=str(BIN / r"Hostx64\x64\lib.exe"),
    microsoft=True,
    headers=True,
    libraries=True,
)
LLVM = tools.Toolchain(
    compiler="/usr/bin/clang",
    linker="/usr/bin/lld-link",
    librarian="/usr/bin/llvm-lib",
    microsoft=False,
    headers=False,
    libraries=False,
)
FOLDER = PureWindowsPath(r"D:\my work\(x86) & more")

# The options in the form in which Microsoft's pages on the compiler, linker and library manager show them: what
# follows the option without a space, as a regular expression.
CL = {
    "/nologo": "",
    "/c": "",
    "/C": "",
    "/P": "",
    "/TC": "",
    "/w": "",
    "/utf-8": "",
    "/Od": "",
    "/O1": "",
    "/O2": "",
    "/MD": "",
    "/Z7": "",
    "/openmp": "",
    "/Fo": r"\S.*",
    "/Fi": r"\S.*",
    "/FI": r"\S.*",
    "/I": r"\S.*",
    "/D": r"[A-Za-z_]\w*([=#].*)?",
    "/U": r"[A-Za-z_]\w*",
    "/arch:": "AVX|AVX2|AVX512",
    "/fp:": "fast|precise|strict",
    "/std:": "c11|c17",
}
LINK = {
    "/NOLOGO": "",
    "/DLL": "",
    "/MACHINE:": "ARM64|X64|X86",
    "/OUT:": r"\S.*",
    "/IMPLIB:": r"\S.*",
    "/DEF:": r"\S.*",
    "/WHOLEARCHIVE:": r"\S.*",
    "/LIBPATH:": r"\S.*",
    "/DEFAULTLIB:": r"\S.*",
}
LIB = {option: LINK[option] for option in ("/NOLOGO", "/MACHINE:", "/OUT:", "/DEF:", "/LIBPATH:")}


def read_options(words: Sequence[str], documented: dict[str, str]) -> tuple[list[tuple[str, str]], list[str]]:
    """The options with their values, and the files of a command line, by the documented syntax; case counts."""
    options, inputs = [], []
    for word in words[1:]:
        if word[0] not in "/-":
            inputs.append(word)
            continue
        fitting = [
            (name, word[len(name) :])
            for name, value in documented.items()
            if word.startswith(name) and re.fullmatch(value, word[len(name) :])
        ]
        assert fitting, f"{word} is not documented"
        options.append(max(fitting, key=lambda found: len(found[0])))
    return options, inputs


def arguments_of(line: str) -> list[str]:
    """Take a Windows command line apart by the rules of CommandLineToArgvW."""
    program, line = re.fullmatch(r'\s*("[^"]*"|[^\s"]+)(.*)', line, re.DOTALL).groups()
    found, word, quoted, inside, position = [program.strip('"')], "", False, False, 0
    while position < len(line):
        slashes = len(line[position:]) - len(line[position:].lstrip("\\"))
        position += slashes
        character = line[position] if position < len(line) else ""
        if character == '"':
            word += "\\" * (slashes // 2)
            if slashes % 2:
                word += '"'
            else:
                quoted = not quoted
            inside = True
        else:
            word += "\\" * slashes
            if character in (" ", "\t", "") and not quoted:
                if inside or word:
                    found.append(word)
                word, inside = "", False
            else:
                word += character
        position += 1
    return [*found, word] if word or inside else found


def test_the_compiler_gets_documented_options() -> None:
    words = commands.compile_command(
        MICROSOFT,
        FOLDER / "source file.c",
        FOLDER / "source file.obj",
        platform=X64,
        include_folders=[FOLDER / "some headers"],
        flags=("-O3", "-DNAME=two words", '-DTEXT="quoted"', "-I", r"C:\other", "-fopenmp", "-mavx2", "-std=c99", "-g"),
    )
    assert words[0] == MICROSOFT.compiler
    options, inputs = read_options(words, CL)
    assert inputs == [str(FOLDER / "source file.c")]
    for option in (
        *(("/nologo", ""), ("/c", ""), ("/TC", ""), ("/utf-8", ""), ("/w", ""), ("/MD", ""), ("/O2", "")),
        *(("/D", "NAME=two words"), ("/D", 'TEXT="quoted"'), ("/I", r"C:\other"), ("/openmp", ""), ("/Z7", "")),
        *(("/arch:", "AVX2"), ("/I", str(FOLDER / "some headers")), ("/Fo", str(FOLDER / "source file.obj"))),
    ):
        assert option in options
    assert arguments_of(subprocess.list2cmdline(words)) == words


def test_the_preprocessor_gets_documented_options() -> None:
    flags = ("-include", r"C:\a b\first.h")
    words = commands.compile_command(
        MICROSOFT, FOLDER / "source.c", FOLDER / "source.i", platform=X64, flags=flags, preprocess=True
    )
    options, inputs = read_options(words, CL)
    assert inputs == [str(FOLDER / "source.c")]
    assert {("/P", ""), ("/C", ""), ("/Fi", str(FOLDER / "source.i")), ("/FI", r"C:\a b\first.h")} <= set(options)
    assert ("/c", "") not in options


@pytest.mark.parametrize("platform", [X64, ARM64])
def test_the_linker_gets_documented_options(platform: Platform) -> None:
    library = SharedLibrary(
        output=FOLDER / "made.dll",
        platform=platform,
        objects=(FOLDER / "one.obj",),
        archives=(FOLDER / "two.lib",),
        exports=("one",),
        libraries=("m", "pthread", "dl", "openblas", ":exact.lib", r"C:\a b\third.lib"),
        library_folders=(FOLDER / "libraries", FOLDER / "libraries"),
        flags=("-fopenmp", "-pthread"),
    )
    words = commands.link_command(
        MICROSOFT,
        library,
        output=FOLDER / "made.dll",
        import_library=FOLDER / "made.lib",
        definitions=FOLDER / "made.def",
    )
    options, inputs = read_options(words, LINK)
    assert inputs == [str(FOLDER / "one.obj"), "vcomp.lib", "openblas.lib", "exact.lib", r"C:\a b\third.lib"]
    assert options == [
        ("/NOLOGO", ""),
        ("/DLL", ""),
        ("/MACHINE:", {"x86_64": "X64", "aarch64": "ARM64"}[platform.architecture]),
        ("/OUT:", str(FOLDER / "made.dll")),
        ("/IMPLIB:", str(FOLDER / "made.lib")),
        ("/DEF:", str(FOLDER / "made.def")),
        ("/WHOLEARCHIVE:", str(FOLDER / "two.lib")),
        ("/LIBPATH:", str(FOLDER / "libraries")),
        ("/DEFAULTLIB:", "msvcrt.lib"),
        ("/DEFAULTLIB:", "vcruntime.lib"),
        ("/DEFAULTLIB:", "ucrt.lib"),
    ]
    assert arguments_of(subprocess.list2cmdline(words)) == words


def test_the_librarian_gets_documented_options() -> None:
    words = commands.archive_command(
        MICROSOFT, [FOLDER / "one.obj", FOLDER / "sub" / "one.obj"], FOLDER / "made.lib", platform=X64
    )
    options, inputs = read_options(words, LIB)
    assert options == [("/NOLOGO", ""), ("/MACHINE:", "X64"), ("/OUT:", str(FOLDER / "made.lib"))]
    assert inputs == [str(FOLDER / "one.obj"), str(FOLDER / "sub" / "one.obj")]
    assert arguments_of(subprocess.list2cmdline(words)) == words


def test_exports_are_quoted_since_they_may_be_keywords_of_definition_files() -> None:
    assert commands.definitions(["one", "DATA", "library"]) == 'EXPORTS\n    "one"\n    "DATA"\n    "library"\n'


def test_clang_gets_its_own_options_if_the_others_have_none() -> None:
    words = list(commands.translated(LLVM, ("-O3", "-mavx2", "-march=native", "-fno-math-errno", "-pthread", "/GS")))
    assert words == ["/O2", "/clang:-mavx2", "/clang:-march=native", "/clang:-fno-math-errno", "/GS"]
    words = commands.compile_command(LLVM, Path("/tmp/a.c"), Path("/tmp/a.obj"), platform=ARM64)
    # A path from the root looks like an option.
    assert words[-2:] == ["--", "/tmp/a.c"]
    assert "--target=aarch64-pc-windows-msvc" in words


def test_each_compiler_gets_its_own_optimization_options() -> None:
    def flags(toolchain: tools.Toolchain, level: int, processor: str = "", platform: Platform = X64) -> object:
        return commands.optimization(toolchain, level, processor, platform)

    assert [flags(MICROSOFT, level) for level in range(4)] == [("/Od",), ("/O1",), ("/O2",), ("/O2",)]
    assert [flags(LLVM, level) for level in range(4)] == [("/Od",), ("/O1",), ("/O2",), ("/clang:-O3",)]
    assert flags(MICROSOFT, 2, "AVX512") == ("/O2", "/arch:AVX512")
    assert flags(MICROSOFT, 2, "x86-64-v3") == ("/O2", "/arch:AVX2")
    assert flags(MICROSOFT, 2, "znver4") is None
    assert flags(MICROSOFT, 2, "AVX2", ARM64) is None
    assert flags(LLVM, 2, "znver3") == ("/O2", "/clang:-march=znver3")
    assert flags(LLVM, 2, "cortex-a72", ARM64) == ("/O2", "/clang:-mcpu=cortex-a72")


def test_the_native_instruction_set_is_the_best_that_windows_reports() -> None:
    assert msvc.native_instructions({39, 40, 41}.__contains__) == "avx512"
    assert msvc.native_instructions({39, 40}.__contains__) == "avx2"
    assert msvc.native_instructions({39}.__contains__) == "avx"
    assert msvc.native_instructions(set[int]().__contains__) == ""


# ------------------------------------------------------------------------------------------ finding the tools


def fake_visual_studio(root: Path, versions: Sequence[str], hosts: Sequence[str], targets: Sequence[str]) -> Path:
    for version in versions:
        for host in hosts:
            for target in targets:
                folder = root / "VC/Tools/MSVC" / version / "bin" / f"Host{host}" / target
                folder.mkdir(parents=True)
                (folder / "cl.exe").touch()
    return root


def fake_kits(root: Path, versions: Sequence[str]) -> Path:
    for version in versions:
        (root / "Include" / version / "ucrt").mkdir(parents=True)
    # The rest of a removed version.
    (root / "Include" / "10.0.99999.0").mkdir(parents=True)
    return root


def test_the_tools_are_found_by_their_folders(tmp_path: Path) -> None:
    kits = fake_kits(tmp_path / "Windows Kits" / "10", ["10.0.9.0", "10.0.22621.0", "10.0.19041.0"])
    studio = fake_visual_studio(tmp_path / "Visual Studio", ["14.38.33130"], ["x64"], ["x64", "arm64"])
    version = studio / "VC/Tools/MSVC/14.38.33130"
    found = tools.from_folders(version, kits, "aarch64", "x86_64")
    assert found is not None
    assert found.compiler == str(version / "bin/Hostx64/arm64/cl.exe")
    assert found.linker == str(version / "bin/Hostx64/arm64/link.exe")
    assert found.librarian == str(version / "bin/Hostx64/arm64/lib.exe")
    assert found.environment["INCLUDE"].split(";") == [
        str(version / "include"),
        *(str(kits / "Include/10.0.22621.0" / part) for part in ("ucrt", "shared", "um")),
    ]
    assert found.environment["LIB"].split(";") == [
        str(version / "lib/arm64"),
        *(str(kits / "Lib/10.0.22621.0" / part / "arm64") for part in ("ucrt", "um")),
    ]
    # A cross-compiler needs libraries of the native compiler.
    assert found.environment["PATH"].split(";")[:2] == [
        str(version / "bin/Hostx64/arm64"),
        str(version / "bin/Hostx64/x64"),
    ]
    assert found.microsoft


def test_arm64_uses_its_own_tools_or_those_for_x64(tmp_path: Path) -> None:
    kits = fake_kits(tmp_path / "kits", ["10.0.22621.0"])
    both = fake_visual_studio(tmp_path / "both", ["14.40.1"], ["x64", "arm64"], ["arm64"]) / "VC/Tools/MSVC/14.40.1"
    one = fake_visual_studio(tmp_path / "one", ["14.40.1"], ["x64"], ["arm64"]) / "VC/Tools/MSVC/14.40.1"
    assert "Hostarm64" in tools.from_folders(both, kits, "aarch64", "aarch64").compiler
    assert "Hostx64" in tools.from_folders(one, kits, "aarch64", "aarch64").compiler
    assert tools.from_folders(one, kits, "x86_64", "aarch64") is None
    assert tools.from_folders(one, tmp_path / "nothing", "aarch64", "aarch64") is None


def test_versions_are_compared_as_numbers(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("14.9.1", "14.29.30133", "14.38.33130", "v143", "14.")]
    assert tools.newest(folders) == tmp_path / "14.38.33130"
    assert tools.newest([]) is None


def test_the_newest_version_with_the_compiler_is_used(tmp_path: Path) -> None:
    programs = tmp_path / "Program Files" / "Microsoft Visual Studio"
    fake_visual_studio(programs / "2019" / "BuildTools", ["14.29.30133"], ["x64"], ["x64", "arm64"])
    fake_visual_studio(programs / "2022" / "Community", ["14.9.1", "14.38.33130"], ["x64"], ["x64"])
    kits = fake_kits(tmp_path / "kits", ["10.0.22621.0"])
    installations = tools.usual_installations({"ProgramFiles": str(tmp_path / "Program Files")})
    assert len(installations) == 2

    def version_for(architecture: str) -> str:
        found = tools.newest_installed(installations, kits, architecture, "x86_64")
        return found.compiler if found else ""

    assert "14.38.33130" in version_for("x86_64")
    assert "14.29.30133" in version_for("aarch64")
    assert tools.newest_installed([], kits, "x86_64", "x86_64") is None
    assert tools.usual_installations({}) == []


def test_an_installed_locator_is_used_and_never_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(**options: object) -> list[str]:
        assert options == {"products": "*", "prop": "installationPath"}
        return [str(tmp_path / "unusual")]

    def installations(path: Path | None) -> list[Path]:
        tools.located_installations.cache_clear()
        locator = types.SimpleNamespace(DEFAULT_PATH=path and str(path), find=asked)
        monkeypatch.setitem(sys.modules, "vswhere", locator)
        return tools.located_installations()

    assert installations(None) == []
    assert installations(tmp_path / "vswhere.exe") == []
    (tmp_path / "vswhere.exe").touch()
    assert installations(tmp_path / "vswhere.exe") == [tmp_path / "unusual"]
    tools.located_installations.cache_clear()
    monkeypatch.setitem(sys.modules, "vswhere", None)
    assert tools.located_installations() == []
    tools.located_installations.cache_clear()


@pytest.mark.skipif(sys.platform == "win32", reason="a program without a suffix is none there")
def test_a_developers_prompt_wins_for_its_processor(tmp_path: Path) -> None:
    folder = tmp_path / "bin" / "Hostx64" / "x64"
    folder.mkdir(parents=True)
    (folder / "cl").touch()
    (folder / "cl").chmod(0o755)
    prompt = {"PATH": str(folder), "INCLUDE": "headers", "LIB": "libraries"}
    found = tools.from_prompt("x86_64", prompt)
    assert found is not None
    assert found.linker == str(folder / "link.exe")
    assert found.environment == {"VSLANG": "1033"}
    assert tools.from_prompt("aarch64", prompt) is None
    assert tools.from_prompt("x86_64", {**prompt, "LIB": ""}) is None


@pytest.mark.skipif(sys.platform == "win32", reason="the tools' names have a suffix there")
def test_tools_of_llvm_are_found_with_a_version_in_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("clang-9", "clang-14", "clang-17", "lld-link-14", "llvm-lib"):
        # Availability must not run them.
        (tmp_path / name).write_text(f"#!/bin/sh\ntouch {tmp_path / 'ran'}\n")
        (tmp_path / name).chmod(0o755)
    found = tools.from_llvm({"INCLUDE": "", "LIB": "/somewhere"})
    assert found is not None
    assert found.compiler == str(tmp_path / "clang-17")
    assert found.linker == str(tmp_path / "lld-link-14")
    assert (found.headers, found.libraries) == (False, True)
    (linker,) = msvc.hatframe_linkers()
    assert linker.availability()
    assert not (tmp_path / "ran").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="the names of packages are Linux's")
def test_missing_tools_are_an_error_with_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (linker,) = msvc.hatframe_linkers()
    availability = linker.availability()
    assert not availability
    assert all(tool in availability.reason for tool in ("clang", "lld-link", "llvm-lib"))
    assert availability.install.startswith("apt install clang lld llvm")
    with pytest.raises(LinkError, match="apt install clang lld llvm"):
        linker.compile(tmp_path / "x.c", tmp_path / "x.obj", platform=X64)


# --------------------------------------------------------------- what Microsoft's tools say, without having them


@pytest.fixture
def speaking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Linker]:
    """The linker with tools that print a text and fail."""
    if os.name == "nt":
        pytest.skip("the tools that speak are shell scripts")

    def speaking(text: str) -> Linker:
        (tmp_path / "said").write_text(text)
        for name in ("cl.exe", "link.exe", "lib.exe"):
            (tmp_path / name).write_text(f'#!/bin/sh\n[ "$VSLANG" = 1033 ] && cat {tmp_path / "said"}\nexit 2\n')
            (tmp_path / name).chmod(0o755)
        found = msgspec.structs.replace(
            MICROSOFT,
            compiler=str(tmp_path / "cl.exe"),
            linker=str(tmp_path / "link.exe"),
            librarian=str(tmp_path / "lib.exe"),
            environment={"VSLANG": "1033"},
        )
        monkeypatch.setattr(msvc, "find", lambda architecture: found)
        (linker,) = msvc.hatframe_linkers()
        return linker

    return speaking


def test_undefined_symbols_are_read_from_microsofts_linker(speaking: Callable[[str], Linker], tmp_path: Path) -> None:
    linker = speaking(
        "   Creating library a.lib and object a.exp\n"
        "one.obj : error LNK2019: unresolved external symbol gone referenced in function one\n"
        "two.lib(two.obj) : error LNK2001: unresolved external symbol lost\n"
        "two.lib(two.obj) : error LNK2001: unresolved external symbol gone\n"
        "one.obj : error LNK2019: unresolved external symbol __imp_cblas_sgemm referenced in function one\n"
        'one.obj : error LNK2001: unresolved external symbol "int __cdecl f(int)" (?f@@YAHH@Z)\n'
        "made.dll : fatal error LNK1120: 4 unresolved externals\n"
    )
    with pytest.raises(LinkError, match=r"gone, lost, cblas_sgemm, \?f@@YAHH@Z.*BLAS"):
        linker.link_shared(SharedLibrary(output=tmp_path / "made.dll", platform=X64, exports=("one",)))


def test_other_errors_of_microsofts_tools_are_shown(speaking: Callable[[str], Linker], tmp_path: Path) -> None:
    linker = speaking("LINK : fatal error LNK1104: cannot open file 'openblas.lib'\n")
    with pytest.raises(LinkError, match=r"LNK1104: cannot open file 'openblas.lib'.*-L"):
        linker.link_shared(SharedLibrary(output=tmp_path / "made.dll", platform=X64))
    linker = speaking("bad.c\nC:\\work\\bad.c(1): error C2065: 'no_such': undeclared identifier\n")
    with pytest.raises(LinkError, match=r"C:\\work\\bad.c\(1\): error C2065: 'no_such'"):
        linker.compile(tmp_path / "bad.c", tmp_path / "bad.obj", platform=X64)
    linker = speaking("LINK : fatal error LNK1181: cannot open input file 'one.obj'\n")
    with pytest.raises(LinkError, match=r"lib\.exe failed: LINK : fatal error LNK1181"):
        linker.archive([tmp_path / "one.obj"], tmp_path / "made.lib", platform=X64)


def test_a_processor_unknown_to_microsofts_compiler_is_refused(speaking: Callable[[str], Linker]) -> None:
    linker = speaking("")
    assert linker.optimization(2, "AVX2", X64) == ("/O2", "/arch:AVX2")
    with pytest.raises(UsageError, match=r"znver4.*AVX, AVX2 or AVX512"):
        linker.optimization(2, "znver4", X64)


# ----------------------------------------------------------------------------------- for real, with LLVM's tools


@pytest.fixture
def linker(monkeypatch: pytest.MonkeyPatch) -> Linker:
    """The linker with LLVM's tools, and no folders of headers and libraries named."""
    monkeypatch.delenv("INCLUDE", raising=False)
    monkeypatch.delenv("LIB", raising=False)
    if tools.from_llvm({}) is None:
        pytest.skip("no clang, lld-link and llvm-lib on this machine")
    (chosen,) = msvc.hatframe_linkers()
    return chosen


def compiled(linker: Linker, folder: Path, name: str, source: str, flags: Sequence[str] = ()) -> Path:
    (folder / f"{name}.c").write_text(source)
    linker.compile(folder / f"{name}.c", folder / f"{name}.obj", platform=X64, flags=flags)
    return folder / f"{name}.obj"


@pytest.mark.slow
@pytest.mark.parametrize("platform", ["x86_64-windows", "x86_64-windows-msvc", "aarch64-windows"])
def test_it_fulfils_the_contract_of_linkers(linker: Linker, platform: str) -> None:
    check_linker(linker, Platform.parse(platform))


@pytest.mark.slow
def test_a_static_library_becomes_a_dll_that_works(
    linker: Linker, tmp_path: Path, results_on_windows: Callable[[Path, Path], Sequence[str]]
) -> None:
    archive = static_library(linker, tmp_path, X64, "static.lib")
    made, imports = tmp_path / "made.dll", tmp_path / "made.lib"
    linker.link_shared(
        SharedLibrary(output=made, platform=X64, archives=(archive,), exports=EXPORTS, import_library=imports)
    )
    symbols = read_symbols(made)
    assert symbols.defined == set(EXPORTS)
    assert symbols.needed == ("ucrtbase.dll",)
    assert identify(imports).kind is LibraryKind.IMPORT
    assert list(results_on_windows(made, imports)) == [RESULTS, RESULTS]


@pytest.mark.slow
def test_single_objects_become_a_dll_that_works(
    linker: Linker, tmp_path: Path, results_on_windows: Callable[[Path, Path], Sequence[str]]
) -> None:
    static_library(linker, tmp_path, X64, "static.lib")
    made, imports = tmp_path / "made.dll", tmp_path / "made.lib"
    linker.link_shared(
        SharedLibrary(
            output=made,
            platform=X64,
            objects=(tmp_path / "one.o", tmp_path / "two.o"),
            exports=EXPORTS,
            import_library=imports,
        )
    )
    assert list(results_on_windows(made, imports)) == [RESULTS, RESULTS]


RUNTIME = """
typedef unsigned long long size_t;
int printf(const char *, ...);
int snprintf(char *, size_t, const char *, ...);
int strcmp(const char *, const char *);
float hypotf(float, float);
float ldexpf(float, int);
float fabsf(float);
float frexpf(float, int *);
int started, constructed, attached;
static int start(void) { started = 1; return 0; }
static void construct(void) { constructed = started; }
#pragma section(".CRT$XIU", read)
#pragma section(".CRT$XCU", read)
__declspec(allocate(".CRT$XIU")) int (*starter)(void) = start;
__declspec(allocate(".CRT$XCU")) void (*constructor)(void) = construct;
int __stdcall DllMain(void *module, unsigned long reason, void *reserved) { attached = constructed; return 1; }
int guarded(int n) {
    volatile char buffer[8];
    for (int i = 0; i < n; i++) buffer[i] = 1;
    return buffer[0];
}
int check(void) {
    char text[8];
    int exponent;
    float fraction = frexpf(8, &exponent);
    int length = snprintf(text, sizeof text, "%d-%s", 12345, "six");
    printf("%d %s %g %g %g", length, text, hypotf(3, 4), ldexpf(1.5f, 3), fabsf(-2.5f));
    printf(" %g %d\\n", fraction, exponent);
    return attached && guarded(3);
}
"""
RUNTIME_PROGRAM = """
#include <windows.h>
int main(int count, char **arguments) {
    HMODULE library = LoadLibraryA("runtime.dll");
    int (*check)(void) = library ? (int (*)(void))GetProcAddress(library, "check") : 0;
    return check && check() == 1 ? 0 : 1;
}
"""


@pytest.mark.slow
def test_the_substitute_for_the_c_library_works(linker: Linker, tmp_path: Path, wine: Callable[..., str]) -> None:
    # With /GS objects check stack buffers, as Visual Studio's do.
    made = compiled(linker, tmp_path, "runtime", RUNTIME, flags=("-O1", "/GS"))
    assert "__security_check_cookie" in read_symbols(made).undefined
    linker.link_shared(
        SharedLibrary(output=tmp_path / "runtime.dll", platform=X64, objects=(made,), exports=("check",))
    )
    assert read_symbols(tmp_path / "runtime.dll").defined == {"check"}
    (tmp_path / "program.c").write_text(RUNTIME_PROGRAM)
    gcc = compiler("x86_64-w64-mingw32-gcc")
    subprocess.run([gcc, tmp_path / "program.c", "-o", tmp_path / "program.exe"], check=True)
    assert wine("program.exe", folder=tmp_path) == "9 12345-s 5 12 2.5 0.5 4\n"


@pytest.mark.slow
def test_every_listed_function_of_the_c_library_exists(linker: Linker, tmp_path: Path) -> None:
    """Held against the DLL that Wine has of it, which was written after Microsoft's."""
    library = next(Path("/usr/lib").glob("*/wine/x86_64-windows/ucrtbase.dll"), None)
    if library is None:
        pytest.skip("no Wine on this machine")
    text = (Path(msvc.__file__).parent / "runtime" / "ucrtbase.def").read_text()
    names = re.findall(r"^    (\w+)$", text, re.MULTILINE)
    assert len(names) > 150
    assert set(names) <= read_symbols(library).defined


def test_code_without_dependencies_needs_no_dll(linker: Linker, tmp_path: Path) -> None:
    made = compiled(linker, tmp_path, "one", "float one(float x) { return x * 2; }")
    linker.link_shared(SharedLibrary(output=tmp_path / "one.dll", platform=X64, objects=(made,), exports=("one",)))
    assert read_symbols(tmp_path / "one.dll").needed == ()


def test_exports_may_be_keywords_of_definition_files(linker: Linker, tmp_path: Path) -> None:
    made = compiled(linker, tmp_path, "words", "int DATA(void) { return 1; } int NAME(void) { return 2; }")
    library = SharedLibrary(output=tmp_path / "words.dll", platform=X64, objects=(made,), exports=("DATA", "NAME"))
    linker.link_shared(library)
    assert read_symbols(tmp_path / "words.dll").defined == {"DATA", "NAME"}


def test_missing_headers_are_an_error_except_the_compilers_own(linker: Linker, tmp_path: Path) -> None:
    headers = ("stdint", "stddef", "stdbool", "stdarg", "float", "limits", "immintrin")
    source = "".join(f"#include <{name}.h>\n" for name in headers)
    compiled(linker, tmp_path, "own", source + "bool own(int32_t x) { return x > INT_MAX / 2; }")
    with pytest.raises(LinkError, match=r"math\.h.*--linker zig.*INCLUDE"):
        compiled(linker, tmp_path, "other", "#include <math.h>\n")


def test_the_environment_can_give_folders_of_headers(
    linker: Linker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "some headers").mkdir()
    (tmp_path / "some headers" / "math.h").write_text("#define MINE 1\n")
    monkeypatch.setenv("INCLUDE", str(tmp_path / "some headers"))
    compiled(linker, tmp_path, "other", "#include <math.h>\nint other(void) { return MINE; }")


def test_undefined_symbols_are_named_once_with_an_alternative(linker: Linker, tmp_path: Path) -> None:
    source = "int gone(void); int lost(void); int one(void) { return gone() + gone() + lost(); }"
    made = compiled(linker, tmp_path, "one", source)
    library = SharedLibrary(output=tmp_path / "made.dll", platform=X64, objects=(made,), exports=("one",))
    with pytest.raises(LinkError, match=r"gone, lost.*-l.*--linker zig"):
        linker.link_shared(library)
    assert not (tmp_path / "made.dll").exists()


def test_an_archive_is_new_and_keeps_members_of_the_same_name(linker: Linker, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    first = compiled(linker, tmp_path, "same", "int first(void) { return 1; }")
    second = compiled(linker, tmp_path / "sub", "same", "int second(void) { return 2; }")
    other = compiled(linker, tmp_path, "other", "int other(void) { return 3; }")
    archive = tmp_path / "made.lib"
    linker.archive([other], archive, platform=X64)
    linker.archive([first, second], archive, platform=X64)
    assert read_symbols(archive).defined == {"first", "second"}
    with pytest.raises(LinkError, match="x64 conflicts with"):
        linker.archive([first], archive, platform=ARM64)


def test_a_command_that_is_too_long_for_windows_uses_a_file(linker: Linker, tmp_path: Path) -> None:
    found = tools.find("x86_64")
    one = compiled(linker, tmp_path, "one", "int one(void) { return 1; }")
    output = tmp_path / "made library.lib"
    command = commands.archive_command(found, [one], output, platform=X64)
    assert commands.shortened(command, tmp_path) == command
    long = commands.shortened([*command, *["/IGNORE:4006"] * 4000], tmp_path)
    assert long == [found.librarian, f"@{tmp_path / 'arguments.rsp'}"]
    subprocess.run(long, check=True, capture_output=True)
    assert read_symbols(output).defined == {"one"}


def test_non_ascii_text_is_preserved(linker: Linker, tmp_path: Path) -> None:
    (tmp_path / "größe.c").write_text('/* Maß */ const char *text = "ß";\n', encoding="utf-8")
    text = linker.preprocess(tmp_path / "größe.c", platform=X64)
    assert '/* Maß */ const char *text = "ß";' in text


def test_it_supports_only_windows(linker: Linker, tmp_path: Path) -> None:
    assert linker.platforms() == {X64, ARM64}
    for other in ("x86_64-linux", "x86_64-windows-gnu", "x86-windows", "aarch64-macos"):
        with pytest.raises(LinkError, match=f"msvc.*{other}"):
            linker.compile(tmp_path / "x.c", tmp_path / "x.obj", platform=Platform.parse(other))
    with pytest.raises(UsageError, match="level 7"):
        linker.optimization(7, platform=X64)


def test_its_version_names_compiler_and_linker(linker: Linker) -> None:
    assert re.search(r"clang version \d+.*, .*LLD \d+", linker.version())


def test_it_leaves_no_files_behind(linker: Linker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    made = compiled(linker, tmp_path, "one", "int one(void) { return 1; }")
    library = SharedLibrary(output=tmp_path / "made.dll", platform=X64, objects=(made,), exports=("one",))
    linker.link_shared(library)
    linker.preprocess(tmp_path / "one.c", platform=X64)
    with pytest.raises(LinkError):
        compiled(linker, tmp_path, "bad", "int")
    assert not list(temporary.iterdir())
    assert {path.name for path in tmp_path.iterdir()} == {"tmp", "one.c", "one.obj", "made.dll", "bad.c"}
