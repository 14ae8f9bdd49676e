"""What an ImageNet network, which nobody here trained, sees in a model's samples."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from zeroshift.evaluation.kernel_distance import over_halvings
from zeroshift.image.tensors import to_bytes, to_pictures
from zeroshift.miniature.classifier import resized
from zeroshift.miniature.quality.agreement import Order
from zeroshift.miniature.quality.reconstruction import reconstructed
from zeroshift.miniature.quality.subject import Subject
from zeroshift.running.walking import Progress

if TYPE_CHECKING:
    from collections.abc import Generator

    from zeroshift.evaluation.imagenet import ImageNetJudge, Seen

HALF = 0.5
"""probability above which a picture is taken for what it is meant to show"""


def imagenet_figures(
    subject: Subject, samples: Tensor, wanted: list[Order]
) -> "Generator[Progress, None, dict[str, float]]":
    """How often samples are taken for the animal of their prompt, and how unlike photographs its features are.

    For each animal, to one half of its photographs of ``test``, over random halvings: of samples, and of the other half
    as it is, reduced to 32 pixels and enlarged again, and through the autoencoder; of samples and these also as the
    model's restorer redraws them, where it has one. Nothing without the network.
    """
    animals = subject.seen_by_judge
    if subject.judge is None or not animals:
        return {}
    figures: dict[str, float] = {}
    for done, animal in enumerate(animals):
        yield Progress("imagenet", done, len(animals), None)
        own = torch.tensor([k for k, order in enumerate(wanted) if order.label == animal])
        figures |= of_animal(subject, subject.judge, animal, samples[own])
    yield Progress("imagenet", len(animals), len(animals), None)
    return figures


def of_animal(subject: Subject, judge: "ImageNetJudge", animal: str, samples: Tensor) -> dict[str, float]:
    """The figures of one animal."""
    rows = [k for k, row in enumerate(subject.data.split("test")) if row.labels.get("species") == animal]
    photographs = subject.test[rows]
    seen, real = looked_at(judge, samples), looked_at(judge, photographs)
    back = reconstructed(subject.pipeline.vae, photographs)
    made = {"coarsened": coarsened(photographs), "round_trip": back}
    shares = {"probability": seen.of(animal).mean(), "share": (seen.of(animal) > HALF).float().mean()}
    shares["photographs_share"] = (real.of(animal) > HALF).float().mean()
    sets = {"samples": seen.features}
    if subject.restorer is not None:
        made["restored_round_trip"], redrawn = subject.redrawn(back), looked_at(judge, subject.redrawn(samples))
        sets["restored"], shares["restored_share"] = redrawn.features, (redrawn.of(animal) > HALF).float().mean()
    features = {name: looked_at(judge, pictures).features for name, pictures in made.items()}
    found = {name: float(share) for name, share in shares.items()}
    if min(len(samples), len(photographs) // 2) >= 2:
        for name, both in over_halvings(real.features, features, sets).items():
            found |= {f"distance_{name}": both[0], f"distance_deviation_{name}": both[1]}
    return {f"imagenet_{name}_{animal}": value for name, value in found.items()}


def looked_at(judge: "ImageNetJudge", pictures: Tensor) -> "Seen":
    """What the network sees in uint8 pictures (N, 3, H, W)."""
    return judge.look(to_pictures(pictures.float() / 127.5 - 1))


def coarsened(pictures: Tensor, side: int = 32) -> Tensor:
    """Uint8 pictures (N, 3, S, S) reduced to ``side`` pixels and enlarged again, bicubic, rounded both times."""
    return to_bytes(resized(to_bytes(resized(pictures, side)), pictures.shape[-1]))
