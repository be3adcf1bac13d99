"""The command line: one module a command. Only here is anything printed, and only here does the program exit."""
