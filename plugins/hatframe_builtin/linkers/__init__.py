"""Linkers: gcc, clang, zig and msvc."""
