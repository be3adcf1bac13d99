"""Linkers: gcc and clang."""
