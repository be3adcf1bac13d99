"""Code for other platforms than this machine's: a small library, and a program that uses it and prints the results."""

from __future__ import annotations

from pathlib import Path

from hatframe.backends import Linker
from hatframe.machine import Platform

# Without headers, so that compilers without a C library take them too. Nothing refers to `scaled` or `framed`.
SOURCES = {
    "one": """
        double sqrt(double);
        double root(double x) { return sqrt(x); }
        float scaled(float x, float factor) { return x * factor + 0.5f; }
    """,
    "two": """
        #include <stddef.h>
        void *malloc(size_t);
        void free(void *);
        void *memset(void *, int, size_t);
        void *memcpy(void *, const void *, size_t);
        int inner(const unsigned char *bytes, int n) {
            int sum = 0;
            for (int i = 0; i < n; i++) sum += bytes[i];
            return sum;
        }
        int copied(int n) {
            unsigned char *one = malloc(n), *other = malloc(n);
            memset(one, 3, n);
            memcpy(other, one, n);
            int sum = inner(other, n);
            free(one);
            free(other);
            return sum;
        }
        int framed(int n) {
            volatile unsigned char frame[300000];
            for (int i = 0; i < n; i++) frame[i] = 2;
            return inner((const unsigned char *)frame, n);
        }
    """,
}
EXPORTS = ("root", "scaled", "copied", "framed")
RESULTS = "4 6.5 3000 600000\n"

PROGRAM = r"""
#include <stdio.h>
#ifdef _WIN32
#include <windows.h>
#define OPEN(path) (void *)LoadLibraryA(path)
#define FIND(library, name) (void *)GetProcAddress((HMODULE)library, name)
#else
#include <dlfcn.h>
#define OPEN(path) dlopen(path, RTLD_NOW)
#define FIND(library, name) dlsym(library, name)
#endif

#ifdef LINKED
double root(double);
float scaled(float, float);
int copied(int);
int framed(int);
#endif

int main(int count, char **arguments) {
#ifndef LINKED
    void *library = OPEN(arguments[1]);
    if (!library) return 2;
    double (*root)(double) = (double (*)(double))FIND(library, "root");
    float (*scaled)(float, float) = (float (*)(float, float))FIND(library, "scaled");
    int (*copied)(int) = (int (*)(int))FIND(library, "copied");
    int (*framed)(int) = (int (*)(int))FIND(library, "framed");
    if (!root || !scaled || !copied || !framed) return 3;
#endif
    printf("%g %g %d %d\n", root(16.0), scaled(3.0f, 2.0f), copied(1000), framed(300000));
    return 0;
}
"""


def static_library(linker: Linker, folder: Path, platform: Platform, name: str) -> Path:
    """The sources as a static library in ``folder``."""
    objects = []
    for stem, source in SOURCES.items():
        (folder / f"{stem}.c").write_text(source)
        objects.append(folder / f"{stem}.o")
        flags = linker.optimization(2, platform=platform)
        linker.compile(folder / f"{stem}.c", objects[-1], platform=platform, flags=flags)
    linker.archive(objects, folder / name, platform=platform)
    return folder / name
