"""How many sampling steps a share of them stands for: every such rounding, by what the authors' codes do.

Products are floating-point numbers, as theirs: 0.58 * 50 is a little less than 29, and 0.28 * 50 a little more than 14.
"""

from math import ceil


def whole_steps(share: float, steps: int) -> int:
    """The whole steps within a share of ``steps``: int(share * steps), 28 for 0.58 of 50.

    So thresholds are turned into steps by Prompt-to-Prompt and Plug-and-Play (pnp-diffusers), and the strength of
    img2img by diffusers.
    """
    return int(share * steps)


def begun_steps(share: float, steps: int) -> int:
    """The number of steps i with i < share * steps, one that is begun included: 15 for 0.28 of 50.

    So StyleDiffusion's code compares tau_v with the step; guidance by attention maps does likewise, so that no share
    above 0 is none.
    """
    return ceil(share * steps)


def nearest_steps(share: float, steps: int) -> int:
    """The number of steps nearest to a share of ``steps``, where the authors give a number: 29 for 0.29 of 100."""
    return round(share * steps)
