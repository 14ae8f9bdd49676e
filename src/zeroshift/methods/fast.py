"""What ``fast`` makes of every method: the same edit in fewer network passes.

Second-order steps (DPM-Solver++ 2M) come back to a photograph in 10 steps about as well as DDIM's in 50, in inversion,
reconstruction and edit alike; so where an inversion can walk them, fewer steps are taken. The figures are on
docs/fast.md.
"""

from collections.abc import Mapping
from types import MappingProxyType

_MULTISTEP: Mapping[str, object] = {"steps": 20, "inversion": {"grid": "multistep"}}
FAST: Mapping[str, Mapping[str, object]] = MappingProxyType(
    {
        "pix2pix-zero": _MULTISTEP,
        "ddim": _MULTISTEP,
        "prompt-to-prompt": _MULTISTEP,
        "plug-and-play": {"steps": 20, "inversion": {"grid": "multistep", "inversion_steps": None}},
        "rediffuser": _MULTISTEP,
        "mirror-diffusion": {"steps": 30},
        "sdedit": {"steps": 20, "extras": ({"kind": "second-order"},)},
        "style-diffusion": {"steps": 15, "inversion": {"inner_steps": 20}},
    }
)
"""nested options by method; a model's presets and what is asked for go before them"""
