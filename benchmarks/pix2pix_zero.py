"""Time pix2pix-zero here against diffusers' own (deprecated) pipeline: same weights, prompts, steps and threads.

    python benchmarks/pix2pix_zero.py [--steps 50] [--repeats 3] [--threads 1]

Both run in turns in one process on the shipped model; the ratio of medians is what counts. Encoding, inversion,
reconstruction, guidance and decoding are timed; loading and finding the direction are not.
"""

import argparse
import logging
import statistics
import time
import warnings
from collections.abc import Callable

import torch
from diffusers import DDIMInverseScheduler
from diffusers.pipelines.deprecated.stable_diffusion_variants.pipeline_stable_diffusion_pix2pix_zero import (
    StableDiffusionPix2PixZeroPipeline,
)
from PIL import Image

from zeroshift.backbones import load_backbone
from zeroshift.backbones.stable_diffusion import StableDiffusion
from zeroshift.conditioning.direction import make_direction
from zeroshift.conditioning.shift import EditDirection
from zeroshift.control.guidance import AttentionGuidance
from zeroshift.image import load_image
from zeroshift.inversion.regularised import RegularisedInversion
from zeroshift.methods.pix2pix_zero import Pix2PixZero
from zeroshift.pictures import to_pictures, to_tensor
from zeroshift.sampling import Edit, sample
from zeroshift.sentences import template_sentences

PROMPT = "a photo of a cat"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    backbone = load_backbone(device="cpu", precision="fp32")
    side = backbone.size
    image = load_image("examples/cat.png").image.resize((side, side), Image.Resampling.LANCZOS)
    sentences = [template_sentences(word, 200) for word in ("cat", "dog")]
    ours = zeroshift_edit(backbone, image, sentences, given.steps)
    theirs = diffusers_edit(backbone, image, sentences, given.steps)
    times: dict[str, list[float]] = {"zeroshift": [], "diffusers": []}
    for repeat in range(given.repeats + 1):
        for name, run in (("zeroshift", ours), ("diffusers", theirs)):
            seconds = timed(run)
            if repeat:  # the first round warms up
                times[name].append(seconds)
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, values in times.items():
        print(f"{name:10s} median {medians[name]:.2f} s of {len(values)}: {', '.join(f'{v:.2f}' for v in values)}")
    ratio = medians["diffusers"] / medians["zeroshift"]
    print(f"ratio {ratio:.2f} ({given.steps} steps, {given.threads} thread(s), {side} px)")


def timed(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def zeroshift_edit(
    backbone: StableDiffusion, image: Image.Image, sentences: list[list[str]], steps: int
) -> Callable[[], object]:
    method = Pix2PixZero(steps=steps, inversion=RegularisedInversion(), control=AttentionGuidance(lambda_xa=0.1))
    direction = make_direction(backbone, *sentences, ("cat", "dog"), "template bank")

    def run() -> Image.Image:
        x0, prompt = backbone.encode(to_tensor([image])), backbone.embed([PROMPT])
        latents = list(method.inversion.steps(backbone, x0, prompt, steps, 0))
        trajectory = method.inversion.trajectory(backbone, latents, steps)
        rows = EditDirection().bind(
            backbone, prompt, direction, steps=steps, guidance_scale=method.guidance_scale, photograph=True
        )
        *_, last = sample(backbone, trajectory, [Edit(rows, method.control)])
        return to_pictures(backbone.decode(last.targets[0]))[0]

    return run


def diffusers_edit(
    backbone: StableDiffusion, image: Image.Image, sentences: list[list[str]], steps: int
) -> Callable[[], object]:
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
    embeds = [pipeline.get_embeds(part) for part in sentences]
    processors = dict(backbone.unet.attn_processors)

    def run() -> Image.Image:
        backbone.unet.set_attn_processor(dict(processors))
        for network in (backbone.unet, backbone.vae):
            network.requires_grad_(True)  # as from_pretrained leaves them
        generator = torch.Generator().manual_seed(0)
        inverted = pipeline.invert(
            prompt=PROMPT, image=image, num_inference_steps=steps, generator=generator, guidance_scale=1
        ).latents
        edited = pipeline(
            prompt=PROMPT,
            negative_prompt=PROMPT,
            source_embeds=embeds[0],
            target_embeds=embeds[1],
            latents=inverted,
            num_inference_steps=steps,
            cross_attention_guidance_amount=0.1,
            guidance_scale=5.0,
            generator=generator,
        ).images[0]
        backbone.unet.requires_grad_(False)
        backbone.vae.requires_grad_(False)
        backbone.unet.set_attn_processor(dict(processors))
        return edited

    return run


if __name__ == "__main__":
    main()
