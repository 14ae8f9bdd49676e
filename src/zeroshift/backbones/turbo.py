"""Checkpoints that were distilled to one to four steps without guidance: SD-Turbo and SDXL-Turbo.

Adversarial diffusion distillation (Sauer et al. 2023, arXiv:2311.17042).
"""

from pathlib import Path

from zeroshift.backbones.families import index_of
from zeroshift.backbones.whole import read_object

STEPS, GUIDANCE = 4, 1.0
"""what such a checkpoint is sampled with; a guidance scale of 1 is off"""


def is_scheduled_as_turbo(root: Path, name: str) -> bool:
    """Whether a folder's scheduler is theirs: one of Euler's on trailing timesteps, of a network that predicts noise.

    Others have that, too: it is how a folder of one looks, and no proof.
    """
    levels = read_object(root / "scheduler/scheduler_config.json", f"the scheduler of {name}")
    kind, spacing = str(levels.get("_class_name")), levels.get("timestep_spacing")
    return kind.startswith("Euler") and spacing == "trailing" and levels.get("prediction_type") == "epsilon"


def is_turbo(root: Path, name: str) -> bool:
    """Whether a folder is of a Turbo model: its scheduler is, and it is called so.

    What counts is the folder's own name or hub id, and that of the checkpoint it was saved from, which diffusers writes
    into ``model_index.json`` and ``unet/config.json`` (``_name_or_path``).
    """
    index = index_of(root, name)
    unet = read_object(root / "unet/config.json", f"the unet of {name}")
    names = (name, index.get("_name_or_path"), unet.get("_name_or_path"))
    return is_scheduled_as_turbo(root, name) and any("turbo" in str(one).lower() for one in names)
