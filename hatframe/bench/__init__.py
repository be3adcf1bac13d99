"""Benchmarking: input sets, sampling, and the run that goes through all functions."""
