"""The architecture of a checkpoint in one file, read off the names and shapes of its tensors.

What shapes do not say is the same in all published Stable Diffusion: 8 heads in version 1 and 64 channels a head in
2 and XL, groups of 32 channels, CLIP's heads of 64 channels, the noise schedule, the scale of latents.
"""

import re
from collections.abc import Mapping, Sequence

Shapes = Mapping[str, Sequence[int]]
Config = dict[str, object]

UNET, VAE = "model.diffusion_model", "first_stage_model"
CLIP_1, CLIP_2 = "cond_stage_model.transformer", "cond_stage_model.model"
CLIP_XL = ("conditioner.embedders.0.transformer", "conditioner.embedders.1.model")
_HEAD = 64


def unet_config(shapes: Shapes, side: int) -> Config:
    """What diffusers' UNet2DConditionModel is built with; ``side`` is that of its latents."""
    levels, per_level = _levels(shapes)
    channels = [shapes[f"{UNET}.input_blocks.{blocks[0]}.0.out_layers.3.weight"][0] for blocks in levels]
    depths = [_depth(shapes, f"{UNET}.input_blocks.{blocks[0]}.1") for blocks in levels]
    middle = _depth(shapes, f"{UNET}.middle_block.1")
    first = next(blocks[0] for blocks, depth in zip(levels, depths, strict=True) if depth)
    projection = shapes[f"{UNET}.input_blocks.{first}.1.proj_in.weight"]
    heads: int | list[int] = [n // _HEAD for n in channels] if len(projection) == 2 else 8
    down = ["CrossAttnDownBlock2D" if depth else "DownBlock2D" for depth in depths]
    up = ["CrossAttnUpBlock2D" if depth else "UpBlock2D" for depth in reversed(depths)]
    return {
        "sample_size": side,
        "in_channels": shapes[f"{UNET}.input_blocks.0.0.weight"][1],
        "block_out_channels": channels,
        "layers_per_block": per_level,
        "down_block_types": down,
        "up_block_types": up,
        "cross_attention_dim": shapes[f"{UNET}.input_blocks.{first}.1.transformer_blocks.0.attn2.to_k.weight"][1],
        # of the coarsest level, with or without attention, the middle's depth is taken
        "transformer_layers_per_block": [*(depth or 1 for depth in depths[:-1]), middle],
        "attention_head_dim": heads,  # the number of heads, whatever diffusers calls it
        "use_linear_projection": len(projection) == 2,
        **_told(shapes),
    }


def _levels(shapes: Shapes) -> tuple[list[list[int]], int]:
    """The numbers of every level's input blocks, and how many residual blocks each level has."""
    count = 1 + max(int(found[1]) for name in shapes if (found := re.match(rf"{UNET}\.input_blocks\.(\d+)\.", name)))
    levels: list[list[int]] = [[]]
    for block in range(1, count):
        if f"{UNET}.input_blocks.{block}.0.op.weight" in shapes:
            levels.append([])
        else:
            levels[-1].append(block)
    return levels, len(levels[0])


def _depth(shapes: Shapes, path: str) -> int:
    """How many transformer blocks a place has."""
    pattern = re.compile(rf"{re.escape(path)}\.transformer_blocks\.(\d+)\.attn1\.to_q\.weight")
    return len([name for name in shapes if pattern.fullmatch(name)])


def _told(shapes: Shapes) -> Config:
    """What a UNet is told beside the prompt: Stable Diffusion XL's a pooled vector and six numbers of the size."""
    embedded = shapes.get(f"{UNET}.label_emb.0.0.weight")
    if embedded is None:
        return {}
    pooled = shapes[f"{CLIP_XL[1]}.text_projection"][1]
    return {
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": (embedded[1] - pooled) // 6,
        "projection_class_embeddings_input_dim": embedded[1],
    }


def vae_config(shapes: Shapes, side: int, scale: float, upcast: bool) -> Config:
    """What diffusers' AutoencoderKL is built with; ``side`` is that of its pictures, ``scale`` that of its latents."""
    pattern = re.compile(rf"{VAE}\.encoder\.down\.(\d+)\.block\.(\d+)\.conv2\.weight")
    found = {(int(m[1]), int(m[2])): shapes[name][0] for name in shapes if (m := pattern.fullmatch(name))}
    channels = [found[level, 0] for level in sorted({level for level, _ in found})]
    return {
        "sample_size": side,
        "block_out_channels": channels,
        "layers_per_block": 1 + max(layer for _, layer in found),
        "down_block_types": ["DownEncoderBlock2D"] * len(channels),
        "up_block_types": ["UpDecoderBlock2D"] * len(channels),
        "latent_channels": shapes[f"{VAE}.decoder.conv_in.weight"][1],
        "scaling_factor": scale,
        "force_upcast": upcast,
    }


def clip_config(shapes: Shapes, prefix: str) -> Config:
    """What OpenAI's CLIP text encoder under ``prefix`` is built with."""
    names = {name.removeprefix(f"{prefix}.").removeprefix("text_model."): name for name in shapes if prefix in name}
    tokens = shapes[names["embeddings.token_embedding.weight"]]
    layers = _count(names, r"encoder\.layers\.(\d+)\.mlp\.fc1\.weight")
    inner = shapes[names["encoder.layers.0.mlp.fc1.weight"]][0]
    length = shapes[names["embeddings.position_embedding.weight"]][0]
    return _text(tokens, layers, inner, length, "quick_gelu", tokens[1])


def open_clip_config(shapes: Shapes, prefix: str, layers_left_out: int) -> Config:
    """What OpenCLIP's text encoder under ``prefix`` is built with, without its last ``layers_left_out`` layers."""
    names = [name for name in shapes if name.startswith(f"{prefix}.")]
    layers = _count(names, rf"{prefix}\.transformer\.resblocks\.(\d+)\.mlp\.c_fc\.weight") - layers_left_out
    inner = shapes[f"{prefix}.transformer.resblocks.0.mlp.c_fc.weight"][0]
    tokens, length = shapes[f"{prefix}.token_embedding.weight"], shapes[f"{prefix}.positional_embedding"][0]
    projected = shapes.get(f"{prefix}.text_projection", tokens)[1]
    return _text(tokens, layers, inner, length, "gelu", projected)


def _count(names: Mapping[str, str] | Sequence[str], pattern: str) -> int:
    return len([name for name in names if re.fullmatch(pattern, name)])


def _text(tokens: Sequence[int], layers: int, inner: int, length: int, activation: str, projected: int) -> Config:
    return {
        "vocab_size": tokens[0],
        "hidden_size": tokens[1],
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": tokens[1] // _HEAD,
        "max_position_embeddings": length,
        "hidden_act": activation,
        "projection_dim": projected,
        "bos_token_id": tokens[0] - 2,
        "eos_token_id": tokens[0] - 1,
    }


def scheduler_config(prediction: str, zero_snr: bool) -> Config:
    """The noise schedule that all published Stable Diffusion was trained on, for diffusers' DDIMScheduler.

    Fine-tunes whose schedule ends in noise alone are sampled from its very end ("trailing"; Lin et al. 2024).
    """
    return {
        "num_train_timesteps": 1000,
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "clip_sample": False,
        "set_alpha_to_one": False,
        "steps_offset": 1,
        "prediction_type": prediction,
        "timestep_spacing": "trailing" if zero_snr else "leading",
        "rescale_betas_zero_snr": zero_snr,
    }
