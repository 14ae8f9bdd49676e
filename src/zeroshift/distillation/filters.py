"""Which pairs are worth learning from: pix2pix-zero's two filters, and a classifier where the model has one.

Of its pairs cat to dog those stay whose segmentation masks overlap by 0.70 and whose CLIP similarity rises by 0.10; of
trees and seasons the second alone is asked (Parmar et al. 2023, section 5).
"""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
import torch
from PIL import Image
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from zeroshift.captioning import Judge
from zeroshift.conditioning.task import Task
from zeroshift.diffusion.backbone import Backbone
from zeroshift.distillation.pairs import Scores
from zeroshift.framed import FramedPhoto
from zeroshift.image.registration import Mask
from zeroshift.image.tensors import to_tensor
from zeroshift.masks.locating import Segmenter, asked_about, subject_of, where_words_look
from zeroshift.masks.masking import cut


@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True))
class Filters:
    """What a pair must have to be kept."""

    min_overlap: Annotated[float, Field(ge=0, le=1)] = 0.7
    """share of the area of the object's masks in photograph and edit that both have; 0 does not look"""
    gains: bool = True
    """whether the model's CLIP is asked how much nearer the edit is to the target's text than the photograph"""
    min_gain: Annotated[float, Field(ge=-2, le=2)] = 0.1
    """the least of that, as a difference of cosines; each CLIP has its own scale"""
    classify: bool = True
    """whether the model's own classifier, if it has one, must see the source before and the target after"""


ODD = "the photograph does not show the source"
"""why a photograph is not edited at all"""


def gains(backbone: Backbone, before: Sequence[Image.Image], after: Sequence[Image.Image], target: str) -> list[float]:
    """How much each edit's cosine with the target's text exceeds its photograph's, by the model's CLIP.

    Raises:
        Unsupported: the model has no whole CLIP.
    """
    clip = backbone.clip
    text = clip.text_features([target])
    seen = [torch.cat([clip.image_features(to_tensor([one])) for one in pictures]) for pictures in (before, after)]
    found: list[float] = ((seen[1] - seen[0]) @ text[0]).tolist()
    return found


def objects(
    backbone: Backbone, frames: Sequence[FramedPhoto], task: Task, segmenter: Segmenter | None = None
) -> list[Mask]:
    """Where the task's source is in what the model sees, (h, w): a ``segmenter`` tells, or where the words look."""
    pictures = [frame.pixels for frame in frames]
    if (asked := asked_about(segmenter, subject_of(task))) is not None:
        sure = asked.where(pictures, subject_of(task))
    else:
        x0 = backbone.encode(to_tensor(pictures))
        sure = where_words_look(backbone, x0, task, [0] * len(frames))
    return [cut(frame, sure[row : row + 1]) for row, frame in enumerate(frames)]


def overlap(one: Mask, other: Mask) -> float:
    """Intersection over union; 0 where both are empty."""
    union = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / union if union else 0.0


def lacking(judge: Judge | None, pictures: Sequence[Image.Image], prompt: str) -> list[str]:
    """What a classifier does not see of a prompt; nothing where there is none."""
    return [""] * len(pictures) if judge is None else judge.lacking(pictures, prompt)


def reason(scores: Scores, filters: Filters) -> str:
    """Why a pair is left out, as it is counted; empty where it is kept."""
    if filters.classify and scores.lacking:
        return "the edit does not show the target"
    if filters.gains and scores.gain is not None and scores.gain < filters.min_gain:
        return "too little CLIP gain"
    if filters.min_overlap and scores.overlap is not None and scores.overlap < filters.min_overlap:
        return "too little overlap of the masks"
    return ""
