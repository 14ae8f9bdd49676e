"""Benchmarks: run methods on them, score anybody's edits of them, and set the figures beside published ones."""
