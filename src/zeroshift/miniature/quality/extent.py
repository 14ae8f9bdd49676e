"""How much of a model is measured."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Extent:
    """How much is measured."""

    per_class: int = 100
    """prompts of each animal"""
    per_coat: int = 50
    """prompts of each frequent pair of animal and coat; 0 leaves them out"""
    inversions: int = 50
    """photographs that are inverted; 0 leaves that out"""
    steps: int = 50
    """DDIM steps of samples, and of inversion and sampling"""
    bench_test: bool = False
    """whether the classifier also reads the split bench-test, which nobody may tune on"""
