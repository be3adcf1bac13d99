"""The loader cffi: what it declares of the system is what cffi makes of these declarations."""

from __future__ import annotations

from pathlib import Path

import cffi
import hatframe_builtin.loaders
import pytest

DECLARATIONS = {
    "system_posix": """
        void *dlopen(const char *, int); void *dlsym(void *, const char *); char *dlerror(void); int dlclose(void *);
    """,
    "system_windows": """
        void *LoadLibraryW(const wchar_t *); void *GetProcAddress(void *, const char *);
        int GetLastError(void); int FreeLibrary(void *);
    """,
}


@pytest.mark.parametrize("name", DECLARATIONS)
def test_the_parsed_declarations_are_those_that_cffi_makes(tmp_path: Path, name: str) -> None:
    builder = cffi.FFI()
    builder.cdef(DECLARATIONS[name])
    builder.set_source(f"hatframe_builtin.loaders.{name}", None)
    builder.emit_python_code(str(tmp_path / "made.py"))
    (folder,) = hatframe_builtin.loaders.__path__
    assert Path(folder, f"{name}.py").read_text() == (tmp_path / "made.py").read_text()
