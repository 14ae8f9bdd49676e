"""pix2pix-zero by diffusers' own pipeline, which is deprecated but still there."""

from itertools import repeat

import torch
from diffusers import DDIMInverseScheduler
from diffusers.pipelines.deprecated.stable_diffusion_variants.pipeline_stable_diffusion_pix2pix_zero import (
    StableDiffusionPix2PixZeroPipeline,
)
from torch import Tensor, nn

from benchmarks.official import pix2pix_zero
from benchmarks.official.model import Work, trainable
from benchmarks.setting import SEED, TASK, Pair, Setting
from zeroshift.image.tensors import to_pictures
from zeroshift.methods import Pix2PixZero
from zeroshift.methods.fast import FAST
from zeroshift.presets import build_method

NAME = "pix2pix-zero, diffusers"
FAST_NAME = "pix2pix-zero fast, diffusers in full"


def of_pipeline(at: Setting) -> Pair:
    """The pipeline encodes the picture itself, on the sampler's own grid, and draws its own rolls."""
    method = Pix2PixZero(steps=at.steps or 50)
    return Pair(method, lambda _x0: edit(at, method.steps), {"edit": 1}, equal=False)


def of_fast(at: Setting) -> Pair:
    """The same pipeline with all its steps beside our fast way."""
    steps = at.steps or Pix2PixZero().steps
    return Pair(
        build_method("pix2pix-zero", FAST["pix2pix-zero"]), lambda _x0: edit(at, steps), {"edit": 1}, equal=False
    )


def counted_as(at: Setting) -> Pair:
    """What the pipeline asks of the UNet, for counting: an inversion of T steps, gradients of every weight."""
    method = Pix2PixZero(steps=at.steps or 50)

    def work(x0: Tensor) -> Work:
        caption, delta = at.text(TASK.source_prompt), at.direction.delta.to(x0)
        unchanged, everything = repeat(()), nn.Module.parameters
        return pix2pix_zero.edit(at.model, x0, caption, delta, unchanged, steps=method.steps, trained=everything)

    return Pair(method, work, dict.fromkeys(pix2pix_zero.units(method.steps), method.steps))


def edit(at: Setting, steps: int, scale: float = 5.0, amount: float = 0.1) -> Work:
    """The edited latent; as after ``from_pretrained`` every weight asks for its gradient."""
    backbone = at.backbone
    pipeline = StableDiffusionPix2PixZeroPipeline(
        vae=backbone.vae,
        text_encoder=backbone.text_encoder,
        tokenizer=backbone.tokenizer,
        unet=backbone.unet,
        scheduler=backbone.scheduler,
        safety_checker=None,
        feature_extractor=None,
        inverse_scheduler=DDIMInverseScheduler.from_config(backbone.scheduler.config),
        caption_generator=None,
        caption_processor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    processors, generator = dict(backbone.unet.attn_processors), torch.Generator().manual_seed(SEED)
    prompt, length = TASK.source_prompt, {"num_inference_steps": steps, "generator": generator}
    with trainable([*backbone.unet.parameters(), *backbone.vae.parameters()]):
        image = to_pictures(at.pictures)[0]
        inverted = pipeline.invert(prompt=prompt, image=image, guidance_scale=1, **length).latents
        edited: Tensor = pipeline(
            prompt=prompt,
            negative_prompt=prompt,
            source_embeds=torch.zeros_like(at.direction.delta),
            target_embeds=at.direction.delta,
            latents=inverted,
            cross_attention_guidance_amount=amount,
            guidance_scale=scale,
            output_type="latent",
            **length,
        ).images
    backbone.unet.set_attn_processor(processors)
    yield "edit"
    return edited
