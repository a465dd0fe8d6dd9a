"""Benchmarks. Each script prints a table of this project and its peers, measured in one run."""
