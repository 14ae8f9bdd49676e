"""How much of a model is measured, and how much of it the aims are about."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Extent:
    """How much is measured; the defaults are what the aims are about."""

    per_class: int = 100
    """prompts of each animal"""
    per_coat: int = 50
    """prompts of each frequent pair of animal and coat; 0 leaves them out"""
    inversions: int = 50
    """photographs that are inverted; 0 leaves that out"""
    steps: int = 50
    """DDIM steps of samples, and of inversion and sampling"""
    bench_test: bool = False
    """whether the judge also reads the split bench-test, which nobody may tune on"""


FULL = Extent()


def check_full(extent: Extent) -> None:
    """Refuse to call less than everything a model's figures.

    Raises:
        ValueError: fewer samples or photographs are asked for than the aims are about, or other steps.
    """
    enough = all(getattr(extent, name) >= getattr(FULL, name) for name in ("per_class", "per_coat", "inversions"))
    if not enough or extent.steps != FULL.steps:
        raise ValueError(
            f"A card takes the figures of {FULL.per_class} prompts per animal, {FULL.per_coat} per animal and coat and "
            f"{FULL.inversions} inversions at least, all of {FULL.steps} steps; ask for these, or leave the card out."
        )
