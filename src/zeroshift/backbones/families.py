"""Families of checkpoints: how their folders are laid out, and how a folder says which it is of."""

from collections.abc import Mapping
from dataclasses import dataclass
from os.path import lexists
from pathlib import Path

from zeroshift.backbones.refused import instead_of
from zeroshift.backbones.whole import read_object
from zeroshift.diffusion.backbone import Unsupported

INDEX = "model_index.json"
_CLIP_WEIGHTS, _DIFFUSERS_WEIGHTS = "model", "diffusion_pytorch_model"


@dataclass(frozen=True)
class Family:
    """What the folders of one family have in common."""

    name: str
    pipelines: tuple[str, ...]
    """diffusers' pipelines that ``model_index.json`` may name: those that are made of these parts and no others"""
    weights: Mapping[str, str]
    """the parts that are networks, with the name that their weight files begin with"""
    tokenizers: tuple[str, ...]
    indexed: bool = False
    """whether ``model_index.json`` has a setting that pictures depend on"""

    @property
    def parts(self) -> tuple[str, ...]:
        """Every folder that has to be there."""
        return (*self.weights, *self.tokenizers, "scheduler")

    @property
    def configs(self) -> dict[str, str]:
        """The configuration's name of every part but the tokenizers."""
        return {part: "config.json" for part in self.weights} | {"scheduler": "scheduler_config.json"}


STABLE_DIFFUSION = Family(
    "Stable Diffusion 1.x and 2.x",
    tuple(
        f"StableDiffusion{kind}Pipeline"
        for kind in (
            "",
            "Img2Img",
            "Pix2PixZero",
            "AttendAndExcite",
            "DiffEdit",
            "Panorama",
            "SAG",
            "PAG",
            "PAGImg2Img",
        )
    ),
    {"unet": _DIFFUSERS_WEIGHTS, "vae": _DIFFUSERS_WEIGHTS, "text_encoder": _CLIP_WEIGHTS},
    ("tokenizer",),
)
STABLE_DIFFUSION_XL = Family(
    "Stable Diffusion XL",
    ("StableDiffusionXLPipeline",),
    {**STABLE_DIFFUSION.weights, "text_encoder_2": _CLIP_WEIGHTS},
    ("tokenizer", "tokenizer_2"),
    indexed=True,
)
FAMILIES = (STABLE_DIFFUSION, STABLE_DIFFUSION_XL)
LOADED = f"zeroshift loads {' and '.join(family.name for family in FAMILIES)} in diffusers format"


def family_of(root: Path, name: str) -> Family:
    """The family that a folder's ``model_index.json`` names; without one the second text encoder decides.

    Raises:
        Unsupported: it is of no family that is loaded, or the file is damaged.
    """
    pipeline = index_of(root, name).get("_class_name")
    if pipeline is None:
        return STABLE_DIFFUSION_XL if (root / "text_encoder_2").is_dir() else STABLE_DIFFUSION
    for family in FAMILIES:
        if pipeline in family.pipelines:
            return family
    raise Unsupported(
        f"The checkpoint {name} is one for diffusers' {pipeline}; {LOADED}, so {instead_of(str(pipeline))}."
    )


def check_noise(root: Path, name: str) -> None:
    """Refuse a checkpoint whose noise is of another kind than the family's.

    Raises:
        Unsupported: the scheduler mixes noise by another formula, the network predicts neither noise nor v, or the
            VAE's latents are scaled channel by channel.
    """
    levels = read_object(root / "scheduler/scheduler_config.json", f"the scheduler of {name}")
    scheduler, predicted = levels.get("_class_name"), levels.get("prediction_type", "epsilon")
    if str(scheduler).startswith(("EDM", "FlowMatch")):
        raise Unsupported(
            f"The checkpoint {name} was trained for diffusers' {scheduler}, whose noise zeroshift does not know; take "
            "a checkpoint with a scheduler such as DDIMScheduler or EulerDiscreteScheduler."
        )
    if predicted not in ("epsilon", "v_prediction"):
        raise Unsupported(
            f"The UNet of {name} predicts {predicted} (prediction_type in scheduler_config.json), and zeroshift loads "
            "those that predict epsilon or v_prediction; take one of those."
        )
    if read_object(root / "vae/config.json", f"the vae of {name}").get("latents_mean") is not None:
        raise Unsupported(
            f"The VAE of {name} gives every channel a mean of its own (latents_mean), which zeroshift does not know; "
            "take a checkpoint whose VAE has a scaling_factor alone."
        )


def index_of(root: Path, name: str) -> dict[str, object]:
    """Read ``model_index.json``; empty where there is none.

    Raises:
        Unsupported: the file is damaged.
    """
    return read_object(root / INDEX, f"the checkpoint {name}") if lexists(root / INDEX) else {}
