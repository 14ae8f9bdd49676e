"""Train a miniature Stable Diffusion on a folder of captioned pictures and save it as an ordinary diffusers folder.

What comes beside it in that folder is trained after it (``parts``).
"""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from lightning.pytorch.utilities import rank_zero_only as once
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor
from transformers import CLIPModel, CLIPTextModel, CLIPTokenizer

from zeroshift.extras import lacking
from zeroshift.files import folder_atomically, regular, write_atomically
from zeroshift.miniature.data import CaptionedFolder
from zeroshift.miniature.quality.latents import upper_share
from zeroshift.miniature.training import autoencoder, clip, denoiser, export
from zeroshift.miniature.training.alignment import Alignment
from zeroshift.miniature.training.averages import PowerAverages
from zeroshift.miniature.training.captions import spoken, words_said
from zeroshift.miniature.training.dataset import Material, column_of, gathered
from zeroshift.miniature.training.decoder import PACKAGES, DecoderStage
from zeroshift.miniature.training.job import Job, claim
from zeroshift.miniature.training.loop import Batches
from zeroshift.miniature.training.parts import planned, put_together, train_parts
from zeroshift.miniature.training.tokenizer import train_tokenizer
from zeroshift.miniature.vocabulary import Scene
from zeroshift.sentences import template_sentences


def train(folder: Path, out: Path, job: Job) -> None:
    """Train on the split ``train`` of ``folder`` and write the model, and what comes beside it, to ``out``.

    Checkpoints lie under ``job.run``; a killed training goes on from there when called again. ``job.init`` is a
    saved model of the same shape to start from: its tokenizer and text tower are kept as they are, and so are those
    parts beside it that ``folder`` cannot teach. Of several processes the first alone trains the parts.

    Raises:
        ValueError: the folder, its frames or marks cannot be read, it lacks the column to balance by, ``init`` is not
            such a model, ``out`` is not empty or a place that ``job.run`` needs, or ``job.run`` belongs to another
            training.
    """
    table = CaptionedFolder.open(folder)
    options = replace(job.options, balance=column_of(table, job.options.balance))
    job = replace(job, options=options)
    plan = planned(table, job)
    job = replace(job, parts=plan.trained)
    claim(job, folder, out)
    for line in plan.remarks:
        job.say(line)
    threads = torch.get_num_threads()
    if not job.model.exists():
        train_model(table, job)
    torch.set_num_threads(threads)  # of several processes Lightning gives each its share of the cores
    if once.rank == 0:
        train_parts(table, job)
        put_together(out, job, plan)
        job.say(f"saved {out}")


def train_model(table: CaptionedFolder, job: Job) -> None:
    """Train all stages, or take the finished ones of an earlier run, and write the folder ``job.model``."""
    options, size = job.options, job.options.size
    torch.manual_seed(options.seed)
    material = gathered(table, size, options.balance, close_ups=options.close_ups, styles=options.styles)
    job.say(f"{len(material.scenes)} pictures of {size}x{size} pixels, details and renderings among them")
    vae = trained_decoder(trained_autoencoder(material, job), material, job)
    tokenizer, towers = trained_clip(material, job)
    unet = trained_denoiser(vae, tokenizer, towers.text_model, material, job)
    once(export.save)(
        job.model,
        vae,
        tokenizer=tokenizer,
        towers=towers,
        unet=unet,
        scheduler=denoiser.scheduler(options.zero_snr),
        known=words_said(material.scenes),
    )


def trained_autoencoder(material: Material, job: Job) -> AutoencoderKL:
    """Train the autoencoder, or take the finished one of an earlier run, or of ``init`` where none is to be trained."""
    done, options = job.done("autoencoder"), job.options
    if done.exists():
        return AutoencoderKL.from_pretrained(done, local_files_only=True).eval()
    model = autoencoder.build(
        options.size, autoencoder.CHANNELS[options.factor], latent_channels=options.latent_channels
    )
    if job.init:
        model = AutoencoderKL.from_pretrained(job.init / "vae", local_files_only=True).float()
        model.register_to_config(sample_size=options.size)
    if "autoencoder" in job.stages:
        stage = autoencoder.AutoencoderStage(
            model, material.pictures, options=job.stage("autoencoder"), equivariance=options.equivariance
        )
        job.fit("autoencoder", stage, material.weights)
        autoencoder.standardise(model.eval(), drawn(material, options.seed))
        found = autoencoder.reconstruction_psnr(model, material.pictures[:200])
        share = upper_share(autoencoder.encode(model, material.pictures[:200]))
        where = f"{share:.0%} of its latents' energy in the upper half of the frequencies"
        job.say(f"autoencoder: {found:.2f} dB on training pictures, {where}")
    keep(done, model)
    return model.eval()


def trained_decoder(vae: AutoencoderKL, material: Material, job: Job) -> AutoencoderKL:
    """Train the autoencoder's decoder on textures, or take the finished one of an earlier run."""
    done = job.done("decoder")
    if done.exists():
        return AutoencoderKL.from_pretrained(done, local_files_only=True).eval()
    if "decoder" not in job.stages:
        return vae
    stage = DecoderStage(vae, material.pictures, options=job.stage("decoder"))
    if not stage.seen:
        job.say(f"decoder: without {' and '.join(PACKAGES)} it learns from pixels alone; {lacking('textures')}")
    job.fit("decoder", stage, material.weights)
    keep(done, vae)
    return vae.eval()


def drawn(material: Material, seed: int, count: int = 1000) -> Tensor:
    """Uint8 pictures (``count``, 3, S, S), each drawn as often as training draws it."""
    return material.pictures[next(iter(Batches(material.weights, count, seed)))]


def trained_clip(material: Material, job: Job) -> tuple[CLIPTokenizer, CLIPModel]:
    """Train tokenizer and towers, or take the finished ones of an earlier run or of ``init``."""
    done = job.done("clip")
    if job.init:
        return CLIPTokenizer.from_pretrained(job.init / "tokenizer", local_files_only=True), export.load_towers(
            job.init
        )
    if done.exists():
        tokenizer = CLIPTokenizer.from_pretrained(done, local_files_only=True)
        return tokenizer, CLIPModel.from_pretrained(done, local_files_only=True)
    tokenizer = train_tokenizer(spoken(material.scenes) + bank(material.scenes))
    model = clip.build(tokenizer, job.options.size)
    # an identity: image embeddings then compare with the text encoder's own pooled output
    model.text_projection.weight.data.copy_(torch.eye(model.config.projection_dim)).requires_grad_(False)
    pictures, scenes = material.pictures, material.scenes
    stage = clip.ClipStage(model, tokenizer, pictures=pictures, scenes=scenes, options=job.stage("clip"))
    job.fit("clip", stage, material.weights)
    keep(done, model.eval(), tokenizer)
    return tokenizer, model


def bank(scenes: list[Scene | str], nouns: int = 50) -> list[str]:
    """The template sentences of the most frequent nouns, for the tokenizer's vocabulary."""
    counts = Counter(scene.noun for scene in scenes if isinstance(scene, Scene))
    return [text for noun, _ in counts.most_common(nouns) for text in template_sentences(noun, 2000)]


def trained_denoiser(
    vae: AutoencoderKL, tokenizer: CLIPTokenizer, text: CLIPTextModel, material: Material, job: Job
) -> UNet2DConditionModel:
    """Train the UNet, first at half size (not when starting from saved weights)."""
    side = job.options.size // 2 ** (len(vae.config.block_out_channels) - 1)
    unet = denoiser.build(side, vae.config.latent_channels, text.config.hidden_size)
    if job.init:
        unet = UNet2DConditionModel.from_pretrained(job.init / "unet", local_files_only=True).float()
        unet.register_to_config(sample_size=side)
    for name in [name for name in job.stages if name in ("half", "denoiser")]:
        if job.done(name).exists():
            finished = UNet2DConditionModel.from_pretrained(job.done(name), local_files_only=True)
            unet.load_state_dict(finished.state_dict())
            continue
        pictures = halved(material.pictures) if name == "half" else material.pictures
        latents = cached_latents(vae, pictures, job.run / f"{name}.safetensors")
        whole, options = name == "denoiser", job.options
        aligned = whole and options.alignment
        stage = denoiser.DenoiserStage(
            unet,
            text,
            tokenizer=tokenizer,
            latents=latents,
            scenes=material.scenes,
            options=job.stage(name),
            consistency=options.consistency if whole else 0.0,
            zero_snr=options.zero_snr,
            immiscible=options.immiscible,
            alignment=Alignment(options.alignment, unet.config.block_out_channels[-1], pictures) if aligned else None,
        )
        kept = whole and options.snapshots
        averages = [PowerAverages(unet, job.run / name / "averages", options.snapshots)] if kept else []
        job.fit(name, stage, material.weights, averages)
        keep(job.done(name), unet)
    return unet.eval()


@once
def keep(done: Path, *parts: AutoencoderKL | CLIPModel | CLIPTokenizer | UNet2DConditionModel) -> None:
    """Save what a stage trained as a folder that is there only when it is whole."""
    with folder_atomically(done) as folder:
        for part in parts:
            part.save_pretrained(folder)


def cached_latents(vae: AutoencoderKL, pictures: Tensor, path: Path) -> Tensor:
    """The latents of the pictures and their mirror images, (2, N, C, h, w), kept in ``path`` for later.

    Kept ones are taken only if they are of these pixels and of this autoencoder.
    """
    made_from = digest([pictures, *vae.state_dict().values()])
    if path.exists():
        with safe_open(regular(path), "pt") as file:
            if (file.metadata() or {}).get("made_from") == made_from:
                kept: Tensor = file.get_tensor("latents")
                return kept
    latents = torch.stack([autoencoder.encode(vae, pictures), autoencoder.encode(vae, pictures.flip(-1))])
    once(write_atomically)(path, save({"latents": latents}, {"made_from": made_from}))
    return latents


def digest(tensors: Iterable[Tensor]) -> str:
    """The SHA-256 of the tensors' bytes."""
    total = hashlib.sha256()
    for tensor in tensors:
        total.update(tensor.contiguous().cpu().numpy().data)
    return total.hexdigest()


def halved(pictures: Tensor) -> Tensor:
    """Uint8 pictures at half their side, averaged over 2x2 pixels."""
    return torch.nn.functional.avg_pool2d(pictures.float(), 2).round().to(torch.uint8)
