"""Diffusers' networks written in the layout that Stable Diffusion was published in, tensor by tensor."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor, nn

UNET_ENDS = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
RESIDUAL = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
OPEN_CLIP = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "self_attn.out_proj": "attn.out_proj",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}


def unet_key(network: UNet2DConditionModel, key: str) -> str:
    """Name one of the UNet's tensors."""
    layers, (stem, kind) = network.config.layers_per_block, key.rsplit(".", 1)
    if stem in UNET_ENDS:
        return f"{UNET_ENDS[stem]}.{kind}"
    if found := re.fullmatch(r"mid_block\.(resnets|attentions)\.(\d)\.(.*)", key):
        return f"middle_block.{2 * int(found[2]) if found[1] == 'resnets' else 1}.{inner(found[1], found[3])}"
    found = re.fullmatch(r"(down|up)_blocks\.(\d)\.(\w+)\.(\d)\.(.*)", key)
    assert found is not None, key
    way, block, part, layer, rest = found[1], int(found[2]), found[3], int(found[4]), found[5]
    if part == "downsamplers":
        return f"input_blocks.{(layers + 1) * (block + 1)}.0.op.{kind}"
    if part == "upsamplers":
        place = 2 if "CrossAttn" in network.config.up_block_types[block] else 1
        return f"output_blocks.{(layers + 1) * block + layers}.{place}.conv.{kind}"
    number = (layers + 1) * block + layer + (way == "down")
    side = "input_blocks" if way == "down" else "output_blocks"
    return f"{side}.{number}.{0 if part == 'resnets' else 1}.{inner(part, rest)}"


def inner(part: str, rest: str) -> str:
    """Name what is inside a residual block or a transformer."""
    if part == "attentions":
        return rest
    name, kind = rest.rsplit(".", 1)
    return f"{RESIDUAL[name]}.{kind}"


def vae_key(network: AutoencoderKL, key: str) -> str:
    """Name one of the VAE's tensors."""
    last = len(network.config.block_out_channels) - 1
    key = re.sub(r"down_blocks\.(\d)\.resnets\.(\d)", r"down.\1.block.\2", key)
    key = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", key)
    key = re.sub(r"up_blocks\.(\d)\.resnets\.(\d)", lambda m: f"up.{last - int(m[1])}.block.{m[2]}", key)
    key = re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{last - int(m[1])}.upsample", key)
    key = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", key)
    key = key.replace("mid_block.attentions.0", "mid.attn_1").replace("group_norm", "norm")
    for theirs, original in (("to_q", "q"), ("to_k", "k"), ("to_v", "v"), ("to_out.0", "proj_out")):
        key = key.replace(f"attn_1.{theirs}", f"attn_1.{original}")
    return key.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")


def open_clip(tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Yield a text encoder's tensors as OpenCLIP names them: one projection for q, k and v, the last one transposed."""
    bare = {key.removeprefix("text_model."): x for key, x in tensors.items()}
    yield "token_embedding.weight", bare["embeddings.token_embedding.weight"]
    yield "positional_embedding", bare["embeddings.position_embedding.weight"]
    yield from ((f"ln_final.{kind}", bare[f"final_layer_norm.{kind}"]) for kind in ("weight", "bias"))
    if "text_projection.weight" in bare:
        yield "text_projection", bare["text_projection.weight"].T
    for layer in range(sum(key.endswith("mlp.fc1.weight") for key in bare)):
        theirs, original = f"encoder.layers.{layer}", f"transformer.resblocks.{layer}"
        for kind in ("weight", "bias"):
            parts = [bare[f"{theirs}.self_attn.{name}_proj.{kind}"] for name in "qkv"]
            yield f"{original}.attn.in_proj_{kind}", torch.cat(parts)
            for name, ours in OPEN_CLIP.items():
                yield f"{original}.{ours}.{kind}", bare[f"{theirs}.{name}.{kind}"]


def with_another_layer(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Add the last layer that Stable Diffusion 2's files have and its pipeline does not run."""
    last = max(key.split(".")[2] for key in tensors if ".resblocks." in key)
    extra = {key: torch.ones_like(x) for key, x in tensors.items() if f".resblocks.{last}." in key}
    return tensors | {key.replace(f".resblocks.{last}.", f".resblocks.{int(last) + 1}."): x for key, x in extra.items()}


def encoders(pipeline: Any, kind: str) -> Iterator[tuple[str, Tensor]]:  # noqa: ANN401 - a pipeline
    """Yield the text encoders' tensors."""
    first = pipeline.text_encoder.state_dict()
    if kind == "2":
        named = with_another_layer(dict(open_clip(first)))
        yield from ((f"cond_stage_model.model.{key}", x) for key, x in named.items())
        return
    prefix = "conditioner.embedders.0.transformer" if kind == "XL" else "cond_stage_model.transformer"
    for key, x in first.items():
        yield f"{prefix}.text_model.{key.removeprefix('text_model.')}", x
    if kind == "XL":
        for key, x in open_clip(pipeline.text_encoder_2.state_dict()):
            yield f"conditioner.embedders.1.model.{key}", x


def original(pipeline: Any, kind: str) -> dict[str, Tensor]:  # noqa: ANN401 - a pipeline
    """Return every tensor of a pipeline under its original name; ``kind`` is 1, 2 or XL."""
    unet, vae = pipeline.unet, pipeline.vae
    found = dict(encoders(pipeline, kind))
    found |= {f"model.diffusion_model.{unet_key(unet, key)}": x for key, x in tensors_of(unet)}
    for key, x in tensors_of(vae):
        name = vae_key(vae, key)
        is_convolution = re.search(r"attn_1\.(q|k|v|proj_out)\.weight", name)
        found[f"first_stage_model.{name}"] = x[:, :, None, None] if is_convolution else x
    return {key: x.detach().clone().contiguous() for key, x in found.items()}


def tensors_of(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield a network's tensors."""
    yield from network.state_dict().items()


def write_original(pipeline: Any, kind: str, path: Path, **metadata: str) -> Path:  # noqa: ANN401 - a pipeline
    """Write a pipeline as one file."""
    said = {"modelspec.resolution": "64x64", **{f"modelspec.{key}": value for key, value in metadata.items()}}
    save_file(original(pipeline, kind), path, said)
    return path
