"""The C code of a package cannot make a compiler read files outside it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import sample_packages

import hatframe
from hatframe.converting.header_code import check_assembler, check_includes
from hatframe.errors import CompileError, HatError, OutsideError, PackageError

DECLARED = "int f(int);\n"


def package(folder: Path, code: str) -> Path:
    """A static package with this C code in its header, and a definition that makes a compiler read it."""
    return sample_packages.make_package(
        folder / "package",
        "int f(int a) { return a; }",
        {"f": sample_packages.function(sample_packages.element("a"), returns=sample_packages.element(""))},
        static=True,
        code=f"{code}\n{DECLARED}int defined = 1;",
    )


def secret(folder: Path) -> Path:
    path = folder / "secret.h"
    path.write_text("int secret_number = 1234567;\n#error secret-text\n")
    return path


ATTACKS = {
    "absolute": '#include "SECRET"',
    "angled": "#include <SECRET>",
    "above": '#include "../secret.h"',
    "angled above": "#include <../secret.h>",
    "link": '#include "link.h"',
    "nested": '#include "inner.h"',
    "next": '#include_next "SECRET"',
    "import": '#import "SECRET"',
    "macro": '#define NAME "SECRET"\n#include NAME',
    "continued": '#inc\\\nlude "SECRET"',
    "continued with a blank": '#inc\\ \nlude "SECRET"',
    "comment inside": '#/**/include "SECRET"',
    "comment before": '/**/ #include "SECRET"',
    "comment after": '#include/**/"SECRET"',
    "digraph": '%:include "SECRET"',
    "hidden end": '#ifdef TOML\n%:endif\n#include "SECRET"\n#endif',
    "hidden begin": '/*\n#ifdef TOML\n*/\n#include "SECRET"\n/*\n#endif\n*/',
    "defined": '#define TOML\n#ifdef TOML\n#include "SECRET"\n#endif',
    "asked": '#if __has_include("SECRET")\n#endif',
    "dependency": '#pragma GCC dependency "SECRET"',
    "operator": '_Pragma("GCC dependency \\"SECRET\\"")',
    "pipe": '#include "fifo.h"',
    "pipe by angles": "#include <fifo.h>",
    "folder": '#include "folder"',
    "line": '#line 1 "/usr/include/stdio.h"\nasm(".incbin \\"SECRET\\"");',
    "marker": '# 1 "/usr/include/stdio.h" 3\nasm(".incbin \\"SECRET\\"");',
    "marker in a comment": '/*\n# 1 "/usr/include/stdio.h" 3\n*/\n__asm__(".incbin \\"SECRET\\"");',
    "asm": 'asm(".incbin \\"SECRET\\"");',
    "__asm__": '__asm__(".incbin \\"SECRET\\"");',
    "asm in a function": 'void g(void) { __asm volatile (".incbin \\"SECRET\\""); }',
    "pasted": '#define PASTE(a, b) a##b\nPASTE(as, m)(".incbin \\"SECRET\\"");',
    "label": 'int g __asm__("g\\n.incbin \\"SECRET\\"");',
    "section": '__attribute__((section("x\\n.incbin \\"SECRET\\"\\n.data"))) int g = 1;',
    "standard attribute": '[[gnu::section("x\\n.incbin \\"SECRET\\"\\n.data")]] int g = 1;',
}


@pytest.mark.skipif(not hasattr(os, "mkfifo") or not shutil.which("gcc"), reason="needs gcc and FIFOs")
@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_code_that_would_make_a_compiler_read_other_files_is_refused(tmp_path: Path, attack: str) -> None:
    path = secret(tmp_path)
    hat = package(tmp_path, attack.replace("SECRET", str(path)))
    (hat.parent / "link.h").symlink_to(path)
    (hat.parent / "inner.h").write_text('#include "../secret.h"\n')
    (hat.parent / "folder").mkdir()
    os.mkfifo(hat.parent / "fifo.h")
    with pytest.raises((OutsideError, PackageError)) as caught:
        hatframe.to_dynamic(hat, tmp_path / "out.hat", linker="gcc")
    assert "secret-text" not in str(caught.value)
    assert "1234567" not in str(caught.value)
    assert not (tmp_path / "out.hat").exists()
    assert not isinstance(caught.value, hatframe.errors.LinkError)


HARMLESS = {
    "standard headers": "#include <stdint.h>\n#include <math.h>\n#include <string.h>\n#include <stdio.h>",
    "a header of the package": '#include "own.h"',
    "a header in a folder": '#include "sub/deep.h"',
    "a comment": "/* an asm comment */ // #include is not here",
    "attributes": '__attribute__((section("mine"), aligned(16))) int g = 1;\n#define A __attribute__((unused))\n',
    "a question": "#ifdef __has_include\n#if __has_include(<stdint.h>)\n#include <stdint.h>\n#endif\n#endif",
    "texts": 'const char *g = "asm; #include <x>";',
}


@pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc")
@pytest.mark.parametrize("code", HARMLESS.values(), ids=HARMLESS.keys())
def test_usual_code_is_compiled(tmp_path: Path, code: str) -> None:
    hat = package(tmp_path, code)
    (hat.parent / "sub").mkdir()
    (hat.parent / "own.h").write_text("#pragma once\n#include <stdint.h>\n")
    (hat.parent / "sub" / "deep.h").write_text('#include "../own.h"\n')
    assert hatframe.to_dynamic(hat, tmp_path / "out.hat", linker="gcc").library.is_file()


@pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc")
def test_whoever_trusts_a_package_can_allow_it(tmp_path: Path) -> None:
    (tmp_path / "outside.h").write_text("int outside = 1;\n")
    hat = package(tmp_path, '#include "../outside.h"\nvoid g(void) { __asm__("nop"); }')
    with pytest.raises(HatError, match="allow-outside"):
        hatframe.to_dynamic(hat, tmp_path / "out.hat", linker="gcc")
    made = hatframe.to_dynamic(hat, tmp_path / "out.hat", linker="gcc", allow_outside=True)
    assert made.library.is_file()


def test_toml_that_looks_like_directives_is_not_code(tmp_path: Path) -> None:
    toml = '# include what you use\ntext = """\n# 1 first\n#include NAME\n"""\n'
    toml = f"#ifdef TOML\n{toml}#endif // TOML\nint f(int);\n"
    check_includes(toml, tmp_path / "a.hat")


def test_only_the_code_of_the_package_counts(tmp_path: Path) -> None:
    text = f'# 1 "/usr/include/x.h" 1 3\n__asm__("x");\n# 2 "{tmp_path}/a.hat" 2\nint f(int);\n'
    check_assembler(text, [tmp_path], "a.hat")
    with pytest.raises(OutsideError):
        check_assembler(text + '__asm__("x");', [tmp_path], "a.hat")


def test_headers_that_include_each_other_end(tmp_path: Path) -> None:
    (tmp_path / "a.h").write_text('#include "b.h"\n')
    (tmp_path / "b.h").write_text('#include "a.h"\n')
    check_includes('#include "a.h"', tmp_path / "a.hat")


@pytest.mark.parametrize("text", ["/*" * 100_000, "#" * 100_000, "\\\n" * 100_000, " " * 200_000, "#include " * 20_000])
def test_looking_costs_no_more_than_the_length(tmp_path: Path, text: str) -> None:
    try:
        check_includes(text, tmp_path / "a.hat")
    except OutsideError:
        assert "include" in text


@pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc")
@pytest.mark.parametrize("convert", [True, False])
@pytest.mark.parametrize("code", ["int g = undefined_symbol;", '#include "missing.h"'])
def test_the_hint_for_code_that_does_not_compile_is_about_that_code(tmp_path: Path, code: str, convert: bool) -> None:
    hat = package(tmp_path, code)
    out = tmp_path / "out.hat"
    use = (lambda: hatframe.to_dynamic(hat, out, linker="gcc")) if convert else (lambda: hatframe.load(hat)["f"])
    with pytest.raises(CompileError) as caught:
        use()
    assert "declaration.code" in caught.value.hint
    assert "-I" not in caught.value.hint
    assert "-l" not in caught.value.hint.replace("declaration", "").split()
