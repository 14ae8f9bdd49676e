"""The figures of a small text-to-image model: what it keeps, what its samples show, and how good their judge is."""

import json
import math
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import torch
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch import Tensor

from zeroshift.backbones import load_backbone
from zeroshift.files import write_atomically
from zeroshift.image.tensors import psnr, to_png
from zeroshift.miniature.captioner import HeadsCaptioner
from zeroshift.miniature.classifier import Classifier
from zeroshift.miniature.data import CaptionedFolder, labelled, with_coat
from zeroshift.miniature.quality.accuracy import accuracy, coat_accuracy
from zeroshift.miniature.quality.agreement import (
    Order,
    agreement,
    coat_agreement,
    coat_orders,
    coat_pairs,
    decoded,
    grid,
    interleaved,
    orders,
    sampled,
)
from zeroshift.miniature.quality.captions import caption_figures, style_caption_figures
from zeroshift.miniature.quality.extent import Extent
from zeroshift.miniature.quality.inversion import returned
from zeroshift.miniature.quality.latents import BANDS, band_energies, latents_of, pooled_psnr, upper_share
from zeroshift.miniature.quality.looked_at import imagenet_figures
from zeroshift.miniature.quality.neighbours import beside, nearest
from zeroshift.miniature.quality.reconstruction import fit_patch_pca, reconstructed
from zeroshift.miniature.quality.subject import Subject, missing, opened, recommended_guidance
from zeroshift.miniature.quality.table import named, shown
from zeroshift.running.walking import Progress


@dataclass(frozen=True)
class Quality:
    """What was measured."""

    figures: dict[str, float]
    left_out: tuple[str, ...]
    """what was not measured and why, in sentences"""

    def as_dict(self) -> dict[str, object]:
        """Everything as plain values."""
        return {"figures": self.figures, "left_out": list(self.left_out)}


Part: TypeAlias = Generator[Progress, None, dict[str, float]]


def report(
    model: Path, data: Path, out: Path, extent: Extent, guidance_scale: float | None = None
) -> Generator[Progress, None, Quality]:
    """Measure a model on a folder of captioned pictures; yield as the work goes on, and return what was found.

    Written to ``out`` are ``quality.json``, and the pictures ``samples.png``, ``coats.png`` and ``neighbours.png``,
    which shows photographs of ``train``. ``guidance_scale`` None is ``recommended_guidance``; 1 is off.

    Raises:
        ValueError: the data lacks a split or a class, or the model folder lacks its classifier.
    """
    out.mkdir(parents=True, exist_ok=True)
    subject = opened(model, data, recommended_guidance(model) if guidance_scale is None else guidance_scale)
    left_out = tuple(missing(subject, extent))
    wanted = orders(subject.data, subject.classifier.classes, extent.per_class)
    figures = {"steps": float(extent.steps), **(yield from photograph_figures(subject, extent))}
    latents = yield from counted("samples", drawn(subject, wanted, extent.steps), len(wanted))
    samples = decoded(subject.pipeline, latents)
    figures |= latent_figures(subject, latents)
    figures |= sample_figures(subject, samples, wanted, out)
    figures |= yield from imagenet_figures(subject, samples, wanted)
    figures |= yield from judged_coats(subject, extent, out)
    figures |= yield from inversion_figures(subject, extent)
    quality = Quality(figures, left_out)
    write_atomically(out / "quality.json", (json.dumps(quality.as_dict(), indent=2) + "\n").encode())
    return quality


def photograph_figures(subject: Subject, extent: Extent) -> Part:
    """What photographs alone tell: the autoencoder's PSNR beside patch PCA's, the judge's accuracy, captions."""
    yield Progress("photographs", 0, 4, None)
    vae, test = subject.pipeline.vae, subject.test
    figures = {"vae_psnr_db": float(psnr(reconstructed(vae, test), test).mean())}
    yield Progress("photographs", 1, 4, None)
    pca = fit_patch_pca(subject.train, subject.pipeline.vae_scale_factor, vae.config.latent_channels)
    figures["patch_pca_psnr_db"] = float(psnr(pca.reconstructed(test), test).mean())
    yield Progress("photographs", 2, 4, None)
    figures |= classifier_figures(subject.classifier, subject.data, subject.size, extent.bench_test)
    yield Progress("photographs", 3, 4, None)
    figures |= captioner_figures(subject)
    yield Progress("photographs", 4, 4, None)
    return figures


def captioner_figures(subject: Subject) -> dict[str, float]:
    """How often the model's captions of ``test`` say the right animal, and style if it tells styles apart."""
    captioner, known = HeadsCaptioner(lambda: subject.classifier), subject.classifier.classes
    rows = list(subject.data.split("test"))
    own = [k for k, row in enumerate(rows) if row.labels.get("species") in known]
    pictures, rows = subject.test[own], [rows[k] for k in own]
    found = caption_figures(captioner, pictures, rows)
    return found | (style_caption_figures(captioner, pictures, rows) if subject.classifier.styles else {})


def classifier_figures(
    classifier: Classifier, data: CaptionedFolder, size: int, bench_test: bool = False
) -> dict[str, float]:
    """The judge's accuracy on pictures of ``size`` pixels: balanced of animals, and plain of coats by hand."""
    splits = ("test", "bench-test") if bench_test else ("test",)
    found = {
        f"classifier_{split.replace('-', '_')}_balanced_accuracy": accuracy(
            classifier, *labelled(data, (split,), size, classifier.classes)
        )
        for split in splits
    }
    rows = with_coat(data, "test", by_hand=True) if classifier.coats else []
    if rows:
        coats = [row.labels["coat"] for row in rows]
        found["classifier_coat_accuracy"] = coat_accuracy(classifier, data.read(rows, size), coats)
    return found


def drawn(subject: Subject, wanted: list[Order], steps: int) -> Iterable[Tensor]:
    """Latents of samples from the model."""
    return sampled(subject.pipeline, wanted, guidance_scale=subject.guidance_scale, steps=steps)


def latent_figures(subject: Subject, samples: Tensor) -> dict[str, float]:
    """How like pictures the latents of photographs are, and how samples' energies compare, ring by ring."""
    vae = subject.pipeline.vae
    real = latents_of(vae, subject.test)
    ratios = (band_energies(samples) / band_energies(real)).tolist()
    return {
        "latents_upper_share": upper_share(real),
        "latents_pooled_psnr_db": pooled_psnr(vae, subject.test),
        **{f"samples_energy_band_{k + 1}": ratios[k] for k in range(BANDS) if math.isfinite(ratios[k])},
    }


def counted(stage: str, parts: Iterable[Tensor], total: int) -> Generator[Progress, None, Tensor]:
    """Collect parts of a batch, yielding after each how many rows are there."""
    yield Progress(stage, 0, total, None)
    found: list[Tensor] = []
    for part in parts:
        found.append(part)
        yield Progress(stage, sum(map(len, found)), total, None)
    return torch.cat(found)


def sample_figures(subject: Subject, samples: Tensor, wanted: list[Order], out: Path) -> dict[str, float]:
    """What samples tell: agreement with their prompts, and how like the nearest training pictures they are.

    ``samples.png`` shows the first 32 of each class, in turn, row by row, as the model's restorer redraws them, where
    it has one; ``neighbours.png`` the first ten of these as they were drawn, each followed by the ten pictures of
    ``train`` that are most like it, mirrored or not.
    """
    classifier = subject.classifier
    shown = interleaved(wanted, classifier.classes)
    save(grid(subject.redrawn(samples[shown])), out / "samples.png")
    likeness, positions = nearest(samples, subject.train)
    of_test, _ = nearest(subject.test, subject.train, 1)
    ten = beside(samples[shown[:10]], subject.train, positions[shown[:10]])
    save(grid(ten, columns=positions.shape[1] + 1), out / "neighbours.png")
    shares = agreement(classifier, samples, wanted)
    by_class = {"prompt_agreement" if k == "all" else f"prompt_agreement_{k}": v for k, v in shares.items()}
    return {
        **by_class,
        "prompts": float(len(wanted)),
        "guidance_scale": subject.guidance_scale,
        "nearest_samples_max": float(likeness.max()),
        "nearest_samples_mean": float(likeness[:, 0].mean()),
        "nearest_test_max": float(of_test.max()),
        "nearest_test_mean": float(of_test.mean()),
    }


def judged_coats(subject: Subject, extent: Extent, out: Path) -> Part:
    """How often samples show their prompt's coat, per pair and as their mean; nothing where it cannot be told.

    ``coats.png`` shows the first eight of each pair, a row per pair.
    """
    pairs = coat_pairs(subject.data, subject.classifier)
    if not pairs or not extent.per_coat:
        return {}
    wanted = coat_orders(pairs, extent.per_coat)
    latents = yield from counted("coats", drawn(subject, wanted, extent.steps), len(wanted))
    samples = decoded(subject.pipeline, latents)
    columns = min(8, extent.per_coat)
    rows = samples.view(len(pairs), extent.per_coat, *samples.shape[1:])
    save(grid(rows[:, :columns].flatten(0, 1), columns), out / "coats.png")
    shares = coat_agreement(subject.classifier, samples, wanted, pairs)
    by_pair = {f"coat_agreement_{a}_{c.replace(' ', '_')}": v for (a, c), v in zip(pairs, shares, strict=True)}
    return {"coat_agreement": sum(shares) / len(shares), **by_pair, "coat_prompts": float(extent.per_coat)}


def inversion_figures(subject: Subject, extent: Extent) -> Part:
    """The mean PSNR of the first photographs of ``test``, inverted and sampled again; and the autoencoder's."""
    if not extent.inversions:
        return {}
    rows = subject.data.split("test")[: extent.inversions]
    pictures = subject.test[: extent.inversions]
    backbone = load_backbone(subject.model, device="cpu", precision="fp32")
    captions = [row.caption for row in rows]
    parts = (torch.stack(both, 1) for both in returned(backbone, pictures, captions, steps=extent.steps))
    back, alone = (yield from counted("inversions", parts, len(rows))).unbind(1)
    return {
        "inversion_psnr_db": float(psnr(back, pictures).mean()),
        "inversion_vae_psnr_db": float(psnr(alone, pictures).mean()),
        "inversions": float(len(rows)),
    }


def save(picture: Image.Image, path: Path) -> None:
    """Write a picture whole or not at all."""
    write_atomically(path, to_png(picture))


def print_report(quality: Quality, console: Console) -> None:
    """Print the figures as a table, and what was left out."""
    table = Table("figure", "value")
    for name, value, unit in named(quality.figures):
        table.add_row(name.replace("`", ""), shown(value, unit))
    console.print(table, *(f"Left out. {line}" for line in quality.left_out))
