"""Do pictures that a model generates show what their prompts ask for? Judged by an independent classifier."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from PIL import Image
from torch import Tensor

from zeroshift.image.tensors import to_bytes
from zeroshift.miniature.classifier import Classifier
from zeroshift.miniature.data import CaptionedFolder
from zeroshift.sentences import with_article

Pair = tuple[str, str]
"""an animal and its coat"""


@dataclass(frozen=True)
class Order:
    """One picture to generate: its prompt, its seed, and the class or coat it has to show."""

    prompt: str
    seed: int
    label: str


def orders(data: CaptionedFolder, classes: tuple[str, str] = ("cat", "dog"), per_class: int = 100) -> list[Order]:
    """The first ``per_class`` captions of each class in ``test``, in file order, with seeds counting from 0.

    The first class has the seeds 0 to ``per_class`` - 1, the second those that follow.

    Raises:
        ValueError: a class has too few pictures in ``test``.
    """
    found: list[Order] = []
    for label in classes:
        captions = [p.caption for p in data.split("test") if p.labels.get("species") == label][:per_class]
        if len(captions) < per_class:
            raise ValueError(f"{data.root} has {len(captions)} pictures of a {label} in test; {per_class} are needed.")
        found += [Order(caption, len(found) + k, label) for k, caption in enumerate(captions)]
    return found


def frequent_pairs(data: CaptionedFolder, classes: Sequence[str], minimum: int = 90) -> list[Pair]:
    """The pairs of one of ``classes`` that ``train`` has ``minimum`` pictures of, most frequent first."""
    counts = Counter((row.labels.get("species", ""), row.labels.get("coat", "")) for row in data.split("train"))
    found = (pair for pair, count in counts.items() if count >= minimum and pair[0] in classes and pair[1])
    return sorted(found, key=lambda pair: (-counts[pair], pair))


def coat_pairs(data: CaptionedFolder, classifier: Classifier, minimum: int = 90) -> list[Pair]:
    """Those of the frequent pairs whose coat the classifier knows."""
    return [pair for pair in frequent_pairs(data, classifier.classes, minimum) if pair[1] in classifier.coats]


def coat_orders(pairs: Sequence[Pair], per_pair: int = 50) -> list[Order]:
    """``per_pair`` orders of each pair in turn, as in "a photo of an orange cat", with seeds counting from 0."""
    repeated = [pair for pair in pairs for _ in range(per_pair)]
    return [
        Order(f"a photo of {with_article(f'{coat} {animal}')}", seed, coat)
        for seed, (animal, coat) in enumerate(repeated)
    ]


def open_pipeline(model: Path) -> StableDiffusionPipeline:
    """Open a diffusers folder as Stable Diffusion in float32 with DDIM steps, as any user of diffusers would."""
    pipeline = StableDiffusionPipeline.from_pretrained(model, dtype=torch.float32)
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def sampled(
    pipeline: StableDiffusionPipeline,
    wanted: list[Order],
    *,
    guidance_scale: float,
    steps: int = 50,
    batch: int = 16,
) -> Iterator[Tensor]:
    """Yield the latents of one picture per order, (batch, C, h, w) at a time.

    Each has its own generator, so batches change nothing. ``guidance_scale`` 1 is off.
    """
    for group in _groups(wanted, batch):
        output = pipeline(
            [o.prompt for o in group],
            num_inference_steps=steps,
            guidance_scale=guidance_scale,
            generator=[torch.Generator().manual_seed(o.seed) for o in group],
            output_type="latent",
        )
        yield output.images.float().cpu()


@torch.no_grad()
def decoded(pipeline: StableDiffusionPipeline, latents: Tensor, batch: int = 16) -> Tensor:
    """The uint8 pictures (N, 3, H, W) that latents (N, C, h, w) stand for."""
    scale = pipeline.vae.config.scaling_factor
    parts = [pipeline.vae.decode(part / scale).sample for part in torch.split(latents, batch)]
    return to_bytes((torch.cat(parts).float() + 1) * 127.5)


def agreement(classifier: Classifier, pictures: Tensor, wanted: list[Order]) -> dict[str, float]:
    """The share of pictures whose class is the ordered one, over all (key ``all``) and per class."""
    hits = [found == order.label for found, order in zip(classifier.labels(pictures), wanted, strict=True)]
    shares = {"all": sum(hits) / len(hits)}
    for label in classifier.classes:
        own = [hit for hit, order in zip(hits, wanted, strict=True) if order.label == label]
        shares[label] = sum(own) / len(own)
    return shares


def coat_agreement(classifier: Classifier, pictures: Tensor, wanted: list[Order], pairs: Sequence[Pair]) -> list[float]:
    """Each pair's share of pictures whose coat is the ordered one; all pairs have as many orders, in turn."""
    hits = [found == order.label for found, order in zip(classifier.coat_labels(pictures), wanted, strict=True)]
    return torch.tensor(hits, dtype=torch.float64).view(len(pairs), -1).mean(1).tolist()


def interleaved(wanted: list[Order], classes: tuple[str, str], count: int = 64) -> list[int]:
    """Positions of the first ``count`` orders, both classes in turn: no picture is chosen by its look."""
    first, second = ([k for k, order in enumerate(wanted) if order.label == label] for label in classes)
    return [k for pair in zip(first, second, strict=False) for k in pair][:count]


def grid(pictures: Tensor, columns: int = 8) -> Image.Image:
    """Uint8 pictures (N, 3, H, W) as one picture, row by row, the last row filled up with black."""
    count, _, height, width = pictures.shape
    filled = torch.cat([pictures, pictures.new_zeros(-count % columns, 3, height, width)])
    rows = filled.view(-1, columns, 3, height, width).permute(0, 3, 1, 4, 2)
    return Image.fromarray(np.ascontiguousarray(rows.reshape(-1, columns * width, 3).numpy()))


def _groups(wanted: list[Order], size: int) -> Iterator[list[Order]]:
    rest = iter(wanted)
    while group := list(islice(rest, size)):
        yield group
