"""Loaders for host functions, one for each foreign function interface."""
