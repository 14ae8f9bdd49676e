"""Train a miniature Stable Diffusion on a folder of captioned pictures and save it as an ordinary diffusers folder."""

import dataclasses
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import lightning
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from lightning.pytorch.utilities import rank_zero_only as once
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPModel, CLIPTextModel, CLIPTokenizer

from zeroshift.data import CaptionedFolder, CaptionedPicture, load_pictures
from zeroshift.sentences import noun_phrase, template_sentences
from zeroshift.training import autoencoder, clip, denoiser, export
from zeroshift.training.captions import close_up
from zeroshift.training.loop import Report, StageOptions, fit
from zeroshift.training.tokenizer import train_tokenizer

ZOOM = 1.4
"""how much a close-up enlarges"""


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
    lr: Annotated[float, Field(gt=0)] = 5e-4
    """peak learning rate of the denoiser"""
    batch: Annotated[int, Field(ge=1)] = 16
    """pictures per step of the denoiser"""
    seed: Annotated[int, Field(ge=0)] = 0
    """seed of weights, batches, noise and captions"""
    precision: Literal["fp32", "bf16"] = "bf16"
    """arithmetic of the training passes"""
    processes: Annotated[int, Field(ge=1, le=64)] = 1
    """processes (CPU) or devices that train together, each on batches of its own; several single-threaded processes
    are faster than several threads"""
    close_ups: Annotated[float, Field(ge=0, le=1)] = 0.2
    """share of the denoiser's draws that are enlarged details, captioned "a close-up photo of ..." """
    balance: str | None = "species"
    """the column of captions.csv whose values are drawn equally often, if the table has it"""

    def stage(self, name: str) -> StageOptions:
        """Return one stage's share of the budget."""
        stages = {
            "autoencoder": (0.10, StageOptions(steps=self.autoencoder_steps, batch=16, lr=1.2e-3, ema=0.998)),
            "clip": (0.04, StageOptions(steps=self.clip_steps, batch=64, lr=6e-4, ema=0.995)),
            "half": (0.20, StageOptions(steps=max(self.half_steps, 1), batch=2 * self.batch, lr=self.lr)),
            "denoiser": (0.66, StageOptions(steps=self.denoiser_steps, batch=self.batch, lr=self.lr)),
        }
        share, options = stages[name]
        return replace(options, minutes=self.minutes * share if self.minutes else None)


@dataclasses.dataclass(frozen=True, eq=False)
class Material:
    """What is learned from."""

    pictures: Tensor
    """uint8 (N, 3, S, S)"""
    captions: list[str]
    weights: Tensor
    """how often each picture is drawn, relative (N,)"""


@dataclasses.dataclass(frozen=True, eq=False)
class Job:
    """One training: what from, where to, how long."""

    options: TrainOptions
    run: Path
    init: Path | None
    say: Report

    def done(self, stage: str) -> Path:
        """Return the folder that a finished stage leaves behind."""
        return self.run / stage / "done"

    def fit(self, name: str, module: lightning.LightningModule, weights: Tensor) -> None:
        """Train one stage within its share of the budget."""
        options = self.options
        fit(module, weights, options.stage(name), self.run / name, options.seed, options.precision, options.processes)
        self.say(f"{name}: trained")


def train(folder: Path, out: Path, job: Job) -> None:
    """Train on the split ``train`` of ``folder`` and write the model to ``out``.

    Checkpoints lie under ``job.run``; a killed training goes on from there when called again. ``job.init`` is a
    saved model of the same shape to start from: its tokenizer and text tower are kept as they are.

    Raises:
        ValueError: the folder cannot be read, or ``init`` is not such a model.
    """
    torch.manual_seed(job.options.seed)
    table, size = CaptionedFolder.open(folder), job.options.size
    pictures, rows = load_pictures(table, "train", size)
    plain = Material(pictures, [row.caption for row in rows], balanced(rows, job.options.balance))
    job.say(f"{len(rows)} pictures of {size}x{size} pixels")
    vae = trained_autoencoder(plain, job)
    tokenizer, towers = trained_clip(plain, job)
    material = with_close_ups(plain, table.read(rows, round(size * ZOOM)), job.options.close_ups)
    unet = trained_denoiser(vae, tokenizer, towers.text_model, material, job)
    once(export.save)(out, vae, tokenizer, towers, unet, denoiser.scheduler())
    job.say(f"saved {out}")


def balanced(rows: list[CaptionedPicture], column: str | None) -> Tensor:
    """Return sampling weights that make the column's values equally likely (all ones without the column)."""
    values = [row.labels.get(column, "") if column else "" for row in rows]
    counts = Counter(values)
    return torch.tensor([1 / counts[value] for value in values])


def with_close_ups(material: Material, enlarged: Tensor, share: float) -> Material:
    """Add a detail of every picture under a caption that says so; ``share`` of the draws go to these.

    ``enlarged`` holds the same pictures at ``ZOOM`` times the size. Real photographs come closer than portraits do,
    and a caption that owns the closeness keeps it out of the others.
    """
    if not share:
        return material
    size, room = material.pictures.shape[-1], enlarged.shape[-1] - material.pictures.shape[-1]
    generator = torch.Generator().manual_seed(0)
    corners = torch.randint(room // 4, room - room // 4 + 1, (len(enlarged), 2), generator=generator).tolist()
    details = torch.stack([p[:, y : y + size, x : x + size] for p, (y, x) in zip(enlarged, corners, strict=True)])
    weights = material.weights / material.weights.sum()
    return Material(
        torch.cat([material.pictures, details]),
        material.captions + [close_up(caption) for caption in material.captions],
        torch.cat([weights * (1 - share), weights * share]),
    )


def trained_autoencoder(material: Material, job: Job) -> AutoencoderKL:
    """Train the autoencoder, or take the finished one of an earlier run."""
    done = job.done("autoencoder")
    if done.exists():
        return AutoencoderKL.from_pretrained(done).eval()
    model = AutoencoderKL.from_pretrained(job.init / "vae").float() if job.init else autoencoder.build(job.options.size)
    pictures, stage = material.pictures, job.options.stage("autoencoder")
    job.fit("autoencoder", autoencoder.AutoencoderStage(model, pictures, stage), material.weights)
    autoencoder.standardise(model.eval(), pictures[:: max(1, len(pictures) // 1000)])
    job.say(f"autoencoder: {autoencoder.reconstruction_psnr(model, pictures[:200]):.2f} dB on training pictures")
    once(model.save_pretrained)(done)
    return model


def trained_clip(material: Material, job: Job) -> tuple[CLIPTokenizer, CLIPModel]:
    """Train tokenizer and towers, or take the finished ones of an earlier run or of ``init``."""
    done = job.done("clip")
    if job.init:
        return CLIPTokenizer.from_pretrained(job.init / "tokenizer"), export.load_towers(job.init)
    if done.exists():
        return CLIPTokenizer.from_pretrained(done), CLIPModel.from_pretrained(done)
    captions = material.captions
    tokenizer = train_tokenizer(captions + [close_up(c) for c in captions] + bank(captions))
    model = clip.build(tokenizer, job.options.size)
    # an identity: image embeddings then compare with the text encoder's own pooled output
    model.text_projection.weight.data.copy_(torch.eye(model.config.projection_dim)).requires_grad_(False)
    towers = clip.ClipStage(model, tokenizer, material.pictures, captions, job.options.stage("clip"))
    job.fit("clip", towers, material.weights)
    once(model.eval().save_pretrained)(done)
    once(tokenizer.save_pretrained)(done)
    return tokenizer, model


def bank(captions: list[str], nouns: int = 50) -> list[str]:
    """Return the template sentences of the captions' most frequent nouns, for the tokenizer's vocabulary."""
    counts = Counter(phrase.split()[-1] for caption in captions if (phrase := noun_phrase(caption)))
    return [text for noun, _ in counts.most_common(nouns) for text in template_sentences(noun, 2000)]


def trained_denoiser(
    vae: AutoencoderKL, tokenizer: CLIPTokenizer, text: CLIPTextModel, material: Material, job: Job
) -> UNet2DConditionModel:
    """Train the UNet, first at half size (not when starting from saved weights)."""
    factor = 2 ** (len(vae.config.block_out_channels) - 1)
    unet = denoiser.build(job.options.size // factor, vae.config.latent_channels, text.config.hidden_size)
    if job.init:
        unet = UNet2DConditionModel.from_pretrained(job.init / "unet").float()
    names = ["half"] if job.options.half_steps and not job.init else []
    for name in [*names, "denoiser"]:
        if job.done(name).exists():
            unet.load_state_dict(UNet2DConditionModel.from_pretrained(job.done(name)).state_dict())
            continue
        pictures = halved(material.pictures) if name == "half" else material.pictures
        latents = cached_latents(vae, pictures, job.run / f"{name}.safetensors")
        module = denoiser.DenoiserStage(unet, text, tokenizer, latents, material.captions, job.options.stage(name))
        job.fit(name, module, material.weights)
        once(unet.save_pretrained)(job.done(name))
    return unet.eval()


def cached_latents(vae: AutoencoderKL, pictures: Tensor, path: Path) -> Tensor:
    """Return the latents of the pictures and their mirror images, (2, N, C, h, w), kept in ``path`` for later."""
    if path.exists() and (kept := load_file(path)["latents"]).shape[1] == len(pictures):
        return kept
    latents = torch.stack([autoencoder.encode(vae, pictures), autoencoder.encode(vae, pictures.flip(-1))])
    once(save_file)({"latents": latents}, path)
    return latents


def halved(pictures: Tensor) -> Tensor:
    """Return uint8 pictures at half their side, averaged over 2x2 pixels."""
    return torch.nn.functional.avg_pool2d(pictures.float(), 2).round().to(torch.uint8)
