"""Seeing at once where a network returns no numbers: later steps would only carry them on."""

from collections.abc import Sequence

import torch
from torch import Tensor


class NotNumbers(ValueError):
    """A network returned NaN or infinity."""


def check_finite(values: Sequence[Tensor], part: str, when: str) -> None:
    """Refuse values that are no numbers; all are looked at in one go, which a device waits for once.

    Args:
        values: what was returned, of whatever shapes.
        part: what the sentence says of where they come from, as in "the UNet".
        when: as in "at step 3 of 50 of the edit".

    Raises:
        NotNumbers: one is NaN or infinite.
    """
    if not torch.stack([x.isfinite().all() for x in values]).all():
        raise NotNumbers(
            f"{part[0].upper()}{part[1:]} returned values that are not numbers {when}; use `precision` bf16 or fp32, "
            "or a lower guidance weight."
        )
