"""What a comparison may differ by from what was recorded: margins that were chosen, not measured."""

from collections.abc import Mapping
from typing import TypeAlias

Interval: TypeAlias = tuple[float, float]
MARGINS = {"feature-structure": 0.2, "feature-distance": 0.15, "mse": 0.2}
"""shares of the recorded mean; other machines and versions of torch round otherwise, and edits amplify that"""
COUNTED = 7
"""items; one success less than recorded is let pass"""


def intervals(found: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, Interval]]:
    """What is let pass, by entry and figure, of what was measured."""
    return {
        entry: {
            "imagenet-success": (means["imagenet-success"] - 1 / COUNTED - 1e-6, 1.0),
            **{name: (means[name] * (1 - share), means[name] * (1 + share)) for name, share in MARGINS.items()},
        }
        for entry, means in found.items()
    }


def faults(found: Mapping[str, Mapping[str, float]], expected: Mapping[str, Mapping[str, Interval]]) -> list[str]:
    """Sentences about every mean that is outside of its interval, or missing."""
    return [
        f"{entry}: {name} is {found.get(entry, {}).get(name)}, and was from {low:.4f} to {high:.4f}."
        for entry, names in expected.items()
        for name, (low, high) in names.items()
        if not low <= found.get(entry, {}).get(name, float("nan")) <= high
    ]
