"""LoRA (Hu et al. 2021, arXiv:2106.09685): small changes of a checkpoint's weights, added to them once at loading.

W' = W + weight * alpha / r * B A for every layer that the file names, in the layouts of kohya's trainers (CivitAI) and
of diffusers and peft. What is added once costs nothing afterwards, and every control meets the network that it knows.
It is written here because peft would be one library more, and diffusers 0.42 with transformers 5 drops what kohya's
files say of the text encoders' queries without a word.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Self

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from zeroshift.backbones.parts import Parts
from zeroshift.diffusion.backbone import Unsupported
from zeroshift.faults import plain
from zeroshift.files import check_no_pipe, regular

FILE = "pytorch_lora_weights.safetensors"
"""what diffusers calls a LoRA in a folder"""
_ROLES = {"lora_A": "down", "lora.down": "down", "lora_down": "down", "lora_linear_layer.down": "down"}
_ROLES |= {"lora_B": "up", "lora.up": "up", "lora_up": "up", "lora_linear_layer.up": "up"}
_WEIGHT = re.compile(rf"(.+)\.({'|'.join(re.escape(role) for role in _ROLES)})(?:\.default)?\.weight")
_PROCESSOR = re.compile(r"(.+)\.processor\.(to_q|to_k|to_v|to_out)_lora\.(down|up)\.weight")
_BLOCK = re.compile(r"lora_unet_(input_blocks|middle_block|output_blocks)_(\d+)_(?:(\d+)_)?(.+)")
_RESIDUAL = {
    "in_layers_2": "conv1",
    "out_layers_3": "conv2",
    "emb_layers_1": "time_emb_proj",
    "skip_connection": "conv_shortcut",
}
_OTHERS = {"hada_": "a LoHa", "lokr_": "a LoKr", "dora_scale": "a DoRA", "lora_mid": "a LoCon in Tucker form"}
_NETWORKS = {
    "text_encoder_2.": "lora_te2_",
    "text_encoder.": "lora_te1_",
    "unet.": "lora_unet_",
    "base_model.model.": "lora_unet_",
}
"""how diffusers and peft call a network, and how kohya does"""


@dataclass(frozen=True)
class Lora:
    """A LoRA's file, and how strongly it is applied."""

    path: Path
    weight: float = 1.0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "FILE" or "FILE:WEIGHT"; a folder stands for the file that diffusers writes into it.

        Raises:
            ValueError: there is no such file, or the weight is no number from -10 to 10.
        """
        path, weight = parted(text)
        path = path / FILE if path.is_dir() else path
        check_no_pipe(path, "a .safetensors file, as in style.safetensors:0.8")
        if not path.is_file():
            raise ValueError(f"There is no LoRA {path}; give a .safetensors file, as in style.safetensors:0.8.")
        return cls(path, weight)

    def __str__(self) -> str:
        return f"{self.path.name}:{self.weight:g}"


def parted(text: str) -> tuple[Path, float]:
    """The file and the weight of "FILE" or "FILE:WEIGHT"; what follows a colon and is no number is of the name.

    Raises:
        ValueError: the name is empty, or the weight is not from -10 to 10.
    """
    if not text:
        raise ValueError("The name of a LoRA is empty; give a .safetensors file, as in style.safetensors:0.8.")
    name, _, number = text.rpartition(":")
    if not name or Path(text).exists():
        return Path(text), 1.0
    try:
        weight = float(number)
    except ValueError:
        return Path(text), 1.0
    if not (isfinite(weight) and abs(weight) <= 10):
        raise ValueError(f"The weight of a LoRA is a number from -10 to 10, not {number}.")
    return Path(name), weight


@dataclass(frozen=True, eq=False)
class Change:
    """What a LoRA adds to one layer."""

    down: Tensor
    """A, (r, inputs) or (r, inputs, k, k)"""
    up: Tensor
    """B, (outputs, r) or (outputs, r, 1, 1)"""
    scale: float
    """alpha / r"""

    def fits(self, weight: Tensor) -> bool:
        """Whether it is of the shape of ``weight``."""
        return bool(self.up.shape[0] * self.down[0].numel() == weight.numel())

    def of(self, weight: Tensor) -> Tensor:
        """The change of ``weight`` in float32."""
        product = self.up.float().flatten(1) @ self.down.float().flatten(1)
        return self.scale * product.reshape(weight.shape)


def apply(parts: Parts, loras: Iterable[Lora]) -> None:
    """Add LoRAs to the weights of a checkpoint's parts, one after another.

    Raises:
        Unsupported: a file is damaged, holds another kind of change, or is for another checkpoint.
    """
    layers = dict(layers_of(parts))
    for lora in loras:
        changes = read_changes(lora.path, parts.unet.config.layers_per_block)
        for name in sorted(changes):
            if name not in layers or not changes[name].fits(layers[name].weight):
                here = "has another shape here" if name in layers else "this one has not"
                raise Unsupported(
                    f"The LoRA {lora.path.name} is for another checkpoint: it changes {name}, which {here}; give one "
                    "for this checkpoint."
                )
        with torch.no_grad():
            for name, change in changes.items():
                weight = layers[name].weight
                weight.copy_(weight.float() + lora.weight * change.of(weight))


def layers_of(parts: Parts) -> Iterator[tuple[str, nn.Linear | nn.Conv2d]]:
    """Every linear layer and convolution of UNet and text encoders, by kohya's name."""
    yield from ((f"lora_unet_{name}", layer) for name, layer in flat_layers(parts.unet))
    for prefixes, tower in zip((("lora_te", "lora_te1"), ("lora_te2",)), parts.towers, strict=False):
        for name, layer in flat_layers(tower):
            bare = f"text_model_{name.removeprefix('text_model_')}"
            yield from ((f"{prefix}_{bare}", layer) for prefix in prefixes)


def flat_layers(network: nn.Module) -> Iterator[tuple[str, nn.Linear | nn.Conv2d]]:
    """Linear layers and convolutions by their paths, underlined instead of dotted."""
    for name, layer in network.named_modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            yield name.replace(".", "_"), layer


def read_changes(path: Path, layers: int) -> dict[str, Change]:
    """The changes in a file, by kohya's names of the layers of a UNet with ``layers`` residual blocks per level.

    Raises:
        Unsupported: it is damaged, or holds another kind of change.
    """
    try:
        with safe_open(regular(path), "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no iterator
            metadata = file.metadata() or {}
        said = json.loads(metadata.get("lora_adapter_metadata", "{}"))
    except (OSError, SafetensorError, ValueError) as error:
        raise Unsupported(
            f"The LoRA {path.name} is no .safetensors file, or damaged ({plain(error)}); get it anew."
        ) from error
    for mark, kind in _OTHERS.items():
        if any(mark in name for name in tensors):
            raise Unsupported(f"{path.name} is {kind}, which zeroshift does not apply; give a plain LoRA.")
    changes = changes_of(tensors, said, path.name)
    return {of_original(name, layers): change for name, change in changes.items()}


def changes_of(tensors: Mapping[str, Tensor], said: Mapping[str, object], name: str) -> dict[str, Change]:
    """Pair a file's tensors; ``said`` is what diffusers' metadata tell of alpha and rank.

    Raises:
        Unsupported: there is none, or half of a pair is missing.
    """
    found: dict[str, dict[str, Tensor]] = defaultdict(dict)
    for key, x in tensors.items():
        if (layer_role := role_of(key)) is not None:
            found[layer_role[0]][layer_role[1]] = x
    if not found or any({"down", "up"} - pair.keys() for pair in found.values()):
        raise Unsupported(f"{name} is no LoRA that zeroshift knows; give one of kohya's, diffusers' or peft's layout.")
    return {layer: change_of(pair, layer, said) for layer, pair in found.items()}


def role_of(key: str) -> tuple[str, str] | None:
    """The layer that a tensor changes, by kohya's name, and whether it is down, up or alpha; None for neither."""
    if found := _PROCESSOR.fullmatch(key):
        layer = f"{found[1]}.{found[2]}{'.0' if found[2] == 'to_out' else ''}"
        return flat_name(layer), found[3]
    if found := _WEIGHT.fullmatch(key):
        return flat_name(found[1]), _ROLES[found[2]]
    if key.endswith(".alpha"):
        return flat_name(key.removesuffix(".alpha")), "alpha"
    return None


def flat_name(layer: str) -> str:
    """Kohya's name of a layer; a dotted one without its network's name is the UNet's."""
    if layer.startswith("lora_"):
        return layer
    for prefix, flat in _NETWORKS.items():
        if layer.startswith(prefix):
            bare = layer.removeprefix(prefix)
            of_text = "" if flat == "lora_unet_" or bare.startswith("text_model.") else "text_model_"
            return f"{flat}{of_text}{bare.replace('.', '_')}"
    return f"lora_unet_{layer.replace('.', '_')}"


def of_original(name: str, layers: int) -> str:
    """A layer's name in diffusers' order of blocks, where the file has the original code's (LoRAs of XL often do)."""
    found = _BLOCK.fullmatch(name)
    if found is None:
        return name
    side, number, place, rest = found[1], int(found[2]), int(found[3] or 0), found[4]
    if side == "middle_block":
        part = "attentions_0" if number == 1 else f"resnets_{number // 2}"
        return f"lora_unet_mid_block_{part}_{_RESIDUAL.get(rest, rest)}"
    if rest in ("op", "conv"):  # between two levels
        way = f"down_blocks_{number // (layers + 1) - 1}_downsamplers_0_conv"
        return f"lora_unet_{way if rest == 'op' else f'up_blocks_{number // (layers + 1)}_upsamplers_0_conv'}"
    block, layer = divmod(number - (side == "input_blocks"), layers + 1)
    way = "down_blocks" if side == "input_blocks" else "up_blocks"
    return f"lora_unet_{way}_{block}_{'attentions' if place else 'resnets'}_{layer}_{_RESIDUAL.get(rest, rest)}"


def change_of(pair: Mapping[str, Tensor], layer: str, said: Mapping[str, object]) -> Change:
    """A layer's change; alpha is the rank where nothing says another."""
    rank = pair["down"].shape[0]
    network = {"unet": "unet", "te2": "text_encoder_2"}.get(layer.split("_")[1], "text_encoder")
    alpha = float(pair["alpha"]) if "alpha" in pair else said.get(f"{network}.lora_alpha", rank)
    return Change(pair["down"], pair["up"], float(str(alpha)) / rank)
