"""What is measured: a model with its judge, and the photographs that both are held against."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion_img2img import StableDiffusionImg2ImgPipeline
from pydantic import TypeAdapter
from torch import Tensor

from zeroshift.evaluation.imagenet import GROUPS, JUDGE, ImageNetJudge, open_judge
from zeroshift.extras import lacking
from zeroshift.image.tensors import from_bytes
from zeroshift.methods import Pix2PixZero
from zeroshift.miniature.classifier import Classifier, load_classifier
from zeroshift.miniature.data import CaptionedFolder, load_pictures, with_coat
from zeroshift.miniature.quality.agreement import coat_pairs, frequent_pairs, open_pipeline
from zeroshift.miniature.quality.extent import Extent
from zeroshift.miniature.restorer import OwnRestorer, restorer_in
from zeroshift.presets import read_presets


@dataclass(frozen=True, eq=False)
class Subject:
    """A model, its judge, and the photographs that both are held against."""

    model: Path
    pipeline: StableDiffusionPipeline
    classifier: Classifier
    data: CaptionedFolder
    size: int
    """sides in pixels of the pictures that the model generates"""
    test: Tensor
    """uint8 (N, 3, size, size)"""
    train: Tensor
    """uint8 (N, 3, size, size)"""
    guidance_scale: float
    """of the samples; 1 is off"""
    judge: ImageNetJudge | None = None
    """a network that has no part in training, where it is installed"""
    restorer: OwnRestorer | None = None
    """what redraws the model's pictures, where it has such a network"""

    def redrawn(self, pictures: Tensor) -> Tensor:
        """Uint8 pictures (N, 3, S, S) as the restorer redraws them, whatever their prompt; else as is."""
        if self.restorer is None:
            return pictures
        found = [np.asarray(self.restorer.restored(one)) for one in from_bytes(pictures)]
        return torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2)

    @property
    def seen_by_judge(self) -> list[str]:
        """The model's animals that the judge knows."""
        return [animal for animal in self.classifier.classes if animal in GROUPS]


def opened(model: Path, data: Path, guidance_scale: float) -> Subject:
    """Read the model and the photographs, at the sides of the model's pictures.

    Raises:
        ValueError: the model folder lacks its classifier, or the data a split.
    """
    judging = model / "classifier"
    if model.is_dir() and not judging.is_dir():
        made = f"`python -m zeroshift.miniature.training.classifier {data} {judging}`"
        raise ValueError(f"{model} has no classifier, by which its samples are judged; train one there: {made}.")
    classifier, folder = load_classifier(judging), CaptionedFolder.open(data)
    pipeline = open_pipeline(model)
    size = picture_size(pipeline)
    test, train = (load_pictures(folder, split, size)[0] for split in ("test", "train"))
    judge = open_judge() if find_spec(JUDGE) else None
    restorer = restorer_in(model)
    return Subject(model, pipeline, classifier, folder, size, test, train, guidance_scale, judge, restorer)


def missing(subject: Subject, extent: Extent) -> list[str]:
    """Say what will not be measured, and why."""
    found = []
    if not subject.classifier.coats:
        found.append("Coats: the model's classifier does not tell them apart.")
    elif not with_coat(subject.data, "test", by_hand=True):
        found.append("The classifier's coats: test has none in the column coat.")
    if subject.classifier.coats:
        found += missing_coats(subject)
    if not subject.classifier.styles:
        found.append("The captions' style: the model's classifier does not tell styles apart.")
    if subject.judge is None:
        found.append(f"What an ImageNet network sees: it is not installed; {lacking('eval')}.")
    found += ["The samples' coats: none were asked for."] * (extent.per_coat == 0)
    return found + ["Inversion: no photographs were asked for."] * (extent.inversions == 0)


def missing_coats(subject: Subject) -> list[str]:
    """Say which frequent coats samples are not asked for, because the judge would not know them, or that none are."""
    frequent, asked = (
        frequent_pairs(subject.data, subject.classifier.classes),
        coat_pairs(subject.data, subject.classifier),
    )
    if not frequent:
        return ["The samples' coats: train has no animal and coat often enough (columns species and coat)."]
    unknown = [f"{coat} {animal}" for animal, coat in frequent if (animal, coat) not in asked]
    return [f"The samples' coats that the classifier does not know: {', '.join(unknown)}."] * bool(unknown)


def recommended_guidance(model: Path) -> float:
    """The guidance scale of the model's preset for pix2pix-zero, or the method's own where it has none."""
    options = read_presets(model).get("pix2pix-zero", {})
    return TypeAdapter(float).validate_python(options.get("guidance_scale", Pix2PixZero.guidance_scale))


def picture_size(pipeline: StableDiffusionPipeline | StableDiffusionImg2ImgPipeline) -> int:
    """The sides in pixels of the pictures that the model generates by default."""
    return int(pipeline.vae_scale_factor * pipeline.unet.config.sample_size)
