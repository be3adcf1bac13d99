"""Checks of what a package says of itself: metadata against the format, the files and the C code."""
