"""Train a miniature Stable Diffusion on a folder of captioned pictures and save it as an ordinary diffusers folder."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor
from transformers import CLIPModel, CLIPTextModel, CLIPTokenizer

from zeroshift.data import CaptionedFolder, CaptionedPicture, load_pictures
from zeroshift.sentences import noun_phrase, template_sentences
from zeroshift.training import autoencoder, clip, denoiser, export
from zeroshift.training.loop import Report, StageOptions, fit
from zeroshift.training.tokenizer import train_tokenizer


@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True))
class TrainOptions:
    """What is trained, how large and how long."""

    size: Annotated[int, Field(ge=32, le=512, multiple_of=32)] = 64
    """side of the pictures in pixels"""
    minutes: Annotated[float, Field(gt=0)] | None = None
    """time limit for everything, shared out among the stages; without it the step counts alone decide"""
    autoencoder_steps: Annotated[int, Field(ge=1)] = 8_000
    """steps of the autoencoder"""
    clip_steps: Annotated[int, Field(ge=1)] = 3_000
    """steps of the contrastive text and image towers"""
    half_steps: Annotated[int, Field(ge=0)] = 6_000
    """steps of the denoiser at half the picture size, where shapes are learned cheaply"""
    denoiser_steps: Annotated[int, Field(ge=1)] = 30_000
    """steps of the denoiser at full size"""
    lr: Annotated[float, Field(gt=0)] = 6e-4
    """peak learning rate of the denoiser"""
    batch: Annotated[int, Field(ge=1)] = 32
    """pictures per step of the denoiser"""
    seed: Annotated[int, Field(ge=0)] = 0
    """seed of weights, batches, noise and captions"""
    precision: Literal["fp32", "bf16"] = "bf16"
    """arithmetic of the training passes"""
    balance: str | None = "species"
    """the column of captions.csv whose values are drawn equally often, if the table has it"""

    def stage(self, name: str) -> StageOptions:
        """Return one stage's share of the budget."""
        stages = {
            "autoencoder": (0.12, StageOptions(steps=self.autoencoder_steps, batch=16, lr=1.2e-3, ema=0.998)),
            "clip": (0.05, StageOptions(steps=self.clip_steps, batch=64, lr=6e-4, ema=0.995)),
            "half": (0.13, StageOptions(steps=max(self.half_steps, 1), batch=2 * self.batch, lr=self.lr)),
            "denoiser": (0.70, StageOptions(steps=self.denoiser_steps, batch=self.batch, lr=self.lr)),
        }
        share, options = stages[name]
        return replace(options, minutes=self.minutes * share if self.minutes else None)


def train(folder: Path, run: Path, out: Path, options: TrainOptions, init: Path | None, say: Report) -> None:
    """Train on the split ``train`` of ``folder`` and write the model to ``out``.

    Checkpoints lie under ``run``; a killed training goes on from there when called again. ``init`` is a saved model
    of the same shape to start from: its tokenizer and text tower are kept as they are.

    Raises:
        ValueError: the folder cannot be read, or ``init`` is not such a model.
    """
    torch.manual_seed(options.seed)
    pictures, rows = load_pictures(CaptionedFolder.open(folder), "train", options.size)
    captions, weights = [row.caption for row in rows], balanced(rows, options.balance)
    say(f"{len(rows)} pictures of {options.size}x{options.size} pixels")
    vae = trained_autoencoder(pictures, weights, run / "autoencoder", options, init, say)
    tokenizer, towers = trained_clip(pictures, captions, weights, run / "clip", options, init, say)
    unet = trained_denoiser(vae, tokenizer, towers.text_model, pictures, captions, weights, run, options, init, say)
    export.save(out, vae, tokenizer, towers, unet, denoiser.scheduler())
    say(f"saved {out}")


def balanced(rows: list[CaptionedPicture], column: str | None) -> Tensor:
    """Return sampling weights that make the column's values equally likely (all ones without the column)."""
    values = [row.labels.get(column, "") if column else "" for row in rows]
    counts = {value: values.count(value) for value in set(values)}
    return torch.tensor([1 / counts[value] for value in values])


def trained_autoencoder(
    pictures: Tensor, weights: Tensor, folder: Path, options: TrainOptions, init: Path | None, say: Report
) -> AutoencoderKL:
    """Train the autoencoder, or take the finished one of an earlier run."""
    model = AutoencoderKL.from_pretrained(init / "vae").float() if init else autoencoder.build(options.size)
    done = folder / "done"
    if done.exists():
        return AutoencoderKL.from_pretrained(done).eval()
    stage = options.stage("autoencoder")
    fit(autoencoder.AutoencoderStage(model, pictures, stage), weights, stage, folder, options.seed, options.precision)
    autoencoder.standardise(model.eval(), pictures[:: max(1, len(pictures) // 1000)])
    say(f"autoencoder: {autoencoder.reconstruction_psnr(model, pictures[:200]):.2f} dB on training pictures")
    model.save_pretrained(done)
    return model


def trained_clip(
    pictures: Tensor,
    captions: list[str],
    weights: Tensor,
    folder: Path,
    options: TrainOptions,
    init: Path | None,
    say: Report,
) -> tuple[CLIPTokenizer, CLIPModel]:
    """Train tokenizer and towers, or take the finished ones of an earlier run or of ``init``."""
    done = folder / "done"
    if init:
        return CLIPTokenizer.from_pretrained(init / "tokenizer"), export.load_towers(init)
    if done.exists():
        return CLIPTokenizer.from_pretrained(done), CLIPModel.from_pretrained(done)
    nouns = sorted({phrase.split()[-1] for c in captions if (phrase := noun_phrase(c))})
    bank = [text for noun in nouns[:50] for text in template_sentences(noun, 2000)]
    tokenizer = train_tokenizer(captions + bank)
    model = clip.build(tokenizer, options.size)
    model.text_projection.weight.data.copy_(torch.eye(model.config.projection_dim)).requires_grad_(False)
    stage = options.stage("clip")
    towers = clip.ClipStage(model, tokenizer, pictures, captions, stage)
    fit(towers, weights, stage, folder, options.seed, options.precision)
    model.eval().save_pretrained(done)
    tokenizer.save_pretrained(done)
    say("text and image towers: done")
    return tokenizer, model


def trained_denoiser(
    vae: AutoencoderKL,
    tokenizer: CLIPTokenizer,
    text: CLIPTextModel,
    pictures: Tensor,
    captions: list[str],
    weights: Tensor,
    run: Path,
    options: TrainOptions,
    init: Path | None,
    say: Report,
) -> UNet2DConditionModel:
    """Train the UNet, first at half size (not when starting from saved weights)."""
    latents = cached_latents(vae, pictures)
    unet = denoiser.build(latents.shape[-1], latents.shape[2], text.config.hidden_size)
    if init:
        unet = UNet2DConditionModel.from_pretrained(init / "unet").float()
    names = ["half"] if options.half_steps and not init else []
    for name in [*names, "denoiser"]:
        done, stage = run / name / "done", options.stage(name)
        if done.exists():
            unet.load_state_dict(UNet2DConditionModel.from_pretrained(done).state_dict())
            continue
        grid = cached_latents(vae, halved(pictures)) if name == "half" else latents
        module = denoiser.DenoiserStage(unet, text, tokenizer, grid, captions, stage)
        fit(module, weights, stage, run / name, options.seed, options.precision)
        unet.save_pretrained(done)
        say(f"{name}: done")
    return unet.eval()


def cached_latents(vae: AutoencoderKL, pictures: Tensor) -> Tensor:
    """Return the latents of the pictures and of their mirror images: (2, N, C, h, w)."""
    return torch.stack([autoencoder.encode(vae, pictures), autoencoder.encode(vae, pictures.flip(-1))])


def halved(pictures: Tensor) -> Tensor:
    """Return uint8 pictures at half their side, averaged over 2x2 pixels."""
    return torch.nn.functional.avg_pool2d(pictures.float(), 2).round().to(torch.uint8)
