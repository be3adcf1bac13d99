"""Running compilers, linkers and archivers."""
