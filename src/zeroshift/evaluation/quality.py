"""The figures of a shipped text-to-image model: reconstruction, its judge, and agreement with prompts."""

import io
import json
from pathlib import Path

from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
from pydantic import TypeAdapter
from rich.console import Console
from rich.table import Table

from zeroshift.classifier import Classifier, accuracy, load_classifier
from zeroshift.data import CaptionedFolder, labelled, load_pictures
from zeroshift.evaluation.agreement import agreement, generated, grid, interleaved, open_pipeline, orders
from zeroshift.evaluation.reconstruction import fit_patch_pca, reconstructed
from zeroshift.files import write_atomically
from zeroshift.methods import Pix2PixZero
from zeroshift.pictures import psnr
from zeroshift.presets import read_presets


def report(
    model: Path,
    data: Path,
    out: Path,
    *,
    bench_test: bool = False,
    guidance_scale: float | None = None,
    per_class: int = 100,
) -> dict[str, float]:
    """Measure a model on a folder of captioned pictures; write ``quality.json`` and ``samples.png`` to ``out``.

    ``bench_test`` also reads the split bench-test, which nobody may tune on. ``guidance_scale`` None is
    ``recommended_guidance``; 1 is off. ``per_class`` prompts of each animal are drawn, with 50 DDIM steps.

    Raises:
        ValueError: the data lacks a split or a class, or the model folder lacks its classifier.
    """
    out.mkdir(parents=True, exist_ok=True)
    folder = CaptionedFolder.open(data)
    classifier = load_classifier(model / "classifier")
    pipeline = open_pipeline(model)
    scale = recommended_guidance(model) if guidance_scale is None else guidance_scale
    figures = {
        **reconstruction_figures(pipeline, folder),
        **classifier_figures(classifier, folder, picture_size(pipeline), bench_test),
        **agreement_figures(pipeline, classifier, folder, out / "samples.png", scale, per_class),
    }
    write_atomically(out / "quality.json", (json.dumps(figures, indent=2) + "\n").encode())
    return figures


def recommended_guidance(model: Path) -> float:
    """Return the guidance scale of the model's preset for pix2pix-zero, or the method's own where it has none."""
    options = read_presets(model).get("pix2pix-zero", {})
    return TypeAdapter(float).validate_python(options.get("guidance_scale", Pix2PixZero.guidance_scale))


def picture_size(pipeline: StableDiffusionPipeline) -> int:
    """Return the sides in pixels of the pictures that the model generates by default."""
    return int(pipeline.vae_scale_factor * pipeline.unet.config.sample_size)


def reconstruction_figures(pipeline: StableDiffusionPipeline, data: CaptionedFolder) -> dict[str, float]:
    """Return the mean PSNR in dB on ``test``, of the autoencoder and of patch PCA with as many values."""
    vae, factor, size = pipeline.vae, pipeline.vae_scale_factor, picture_size(pipeline)
    pictures, _ = load_pictures(data, "test", size)
    pca = fit_patch_pca(load_pictures(data, "train", size)[0], factor, vae.config.latent_channels)
    return {
        "vae_psnr_db": float(psnr(reconstructed(vae, pictures), pictures).mean()),
        "patch_pca_psnr_db": float(psnr(pca.reconstructed(pictures), pictures).mean()),
    }


def classifier_figures(
    classifier: Classifier, data: CaptionedFolder, size: int, bench_test: bool = False
) -> dict[str, float]:
    """Return the judge's balanced accuracy on ``test`` and, if asked, on bench-test, on pictures of ``size`` pixels."""
    splits = ("test", "bench-test") if bench_test else ("test",)
    return {
        f"classifier_{split.replace('-', '_')}_balanced_accuracy": accuracy(
            classifier, *labelled(data, (split,), size, classifier.classes)
        )
        for split in splits
    }


def agreement_figures(
    pipeline: StableDiffusionPipeline,
    classifier: Classifier,
    data: CaptionedFolder,
    samples: Path,
    guidance_scale: float,
    per_class: int,
) -> dict[str, float]:
    """Return the shares of generated pictures that show their prompt's animal, and save the first 64 as ``samples``.

    The saved pictures are the first 32 of each class, in turn, row by row.
    """
    wanted = orders(data, classifier.classes, per_class)
    pictures = generated(pipeline, wanted, guidance_scale=guidance_scale)
    shown = interleaved(wanted, classifier.classes)
    file = io.BytesIO()
    grid(pictures[shown]).save(file, "PNG")
    write_atomically(samples, file.getvalue())
    shares = agreement(classifier, pictures, wanted)
    named = {"prompt_agreement" if k == "all" else f"prompt_agreement_{k}": v for k, v in shares.items()}
    return {**named, "prompts": float(len(wanted)), "guidance_scale": guidance_scale}


def print_report(figures: dict[str, float], console: Console) -> None:
    """Print the figures as a small table."""
    table = Table("figure", "value")
    for name, value in figures.items():
        table.add_row(name.replace("_", " "), f"{value:.2f}" if value > 1 else f"{value:.4f}")
    console.print(table)
