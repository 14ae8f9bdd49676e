"""What a picture takes of memory by method, counted on shapes: ``python -m benchmarks.memory`` prints a table."""

from collections.abc import Callable

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from zeroshift.backbones.outline import outline_of_sd15
from zeroshift.backbones.sdxl import StableDiffusionXL
from zeroshift.diffusion.backbone import Backbone, Identity
from zeroshift.memory.need import need
from zeroshift.methods import METHODS

CASES: tuple[tuple[str, Callable[[], Backbone], torch.dtype], ...] = (
    ("SD 1.5 fp32", outline_of_sd15, torch.float32),
    ("SD 1.5 fp16", outline_of_sd15, torch.float16),
    ("SDXL fp16", lambda: outline_of_sdxl(), torch.float16),
)


def outline_of_sdxl() -> StableDiffusionXL:
    """Stable Diffusion XL base (UNet of 2,567 M parameters, 1024 x 1024) with no file."""
    with torch.device("meta"):
        unet = UNet2DConditionModel(
            sample_size=128,
            block_out_channels=(320, 640, 1280),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=[1, 2, 10],
            attention_head_dim=[5, 10, 20],
            cross_attention_dim=2048,
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=2816,
        )
        vae = AutoencoderKL(
            block_out_channels=(128, 256, 512, 512),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
        )
        first = CLIPTextModel(CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_attention_heads=12))
        second = CLIPTextModelWithProjection(
            CLIPTextConfig(
                hidden_size=1280,
                intermediate_size=5120,
                num_hidden_layers=32,
                num_attention_heads=20,
                projection_dim=1280,
            )
        )
    words = CLIPTokenizer(vocab={"<|startoftext|>": 0, "<|endoftext|>": 1}, merges=[], model_max_length=77)
    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", set_alpha_to_one=False, steps_offset=1
    )
    return StableDiffusionXL(Identity("sdxl", "0" * 64), unet, vae, (first, second), (words, words), scheduler)


def main() -> None:
    """Print the table in Markdown, in 10^9 bytes."""
    networks = []
    for _, outline, dtype in CASES:
        backbone = outline()
        for part in (backbone.unet, backbone.vae):
            part.to(dtype)
        networks.append(backbone)
    print("| method |", " | ".join(name for name, *_ in CASES), "|", flush=True)
    for method in METHODS:
        figures = (need(b, [method()], (b.size, b.size)) / 1e9 for b in networks)
        print(f"| {method.name} |", " | ".join(f"{x:.1f}" for x in figures), "|", flush=True)


if __name__ == "__main__":
    main()
