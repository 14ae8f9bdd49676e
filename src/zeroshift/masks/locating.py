"""Where in a photograph the words of an edit look: the mask ``auto``.

Both prompts are asked about the photograph under noise. Where the edited word attends in the decoder (Hertz et al.
2022) is edited, the more so where their predictions differ and the edit would change it (Couairon et al. 2022,
DiffEdit, section 3.1); that is spread over what belongs together by the self-attention maps (as Nguyen et al. 2023,
Dataset Diffusion, section 3.3; once, as a power of them reaches far into the background). These follow colours, and
would leave out a dark ear or patch of a white dog: where the word looks most, a place is edited for sure. Without a
word the predictions alone have a say.
"""

from collections.abc import Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from zeroshift.conditioning.task import Task, backwards
from zeroshift.control.alignment import positions
from zeroshift.diffusion.backbone import Backbone
from zeroshift.diffusion.embedding import TextRows
from zeroshift.diffusion.noise import generators, normal_noise
from zeroshift.diffusion.prediction import guided
from zeroshift.diffusion.schedule import join
from zeroshift.diffusion.sites import NOTHING, Part, Recording, Site, recorder, tapped

LEVELS = (0.4, 0.5, 0.6)
"""shares of the steps after which the photograph is looked at: structure is decided there, detail is not yet"""
DRAWS = 2
"""noises at each level"""
_GRID = 10  # steps of the schedule that levels are taken from
_SAY = 0.3  # of the difference of predictions: how much less a place counts where there is none
_LOOKED_AT = 0.35  # of the word's attention: from there on a place is edited, also where its colours are others
_MOST = 1024  # places of a self-attention map: a finer one takes too much memory
_TAIL = 0.05  # of a map's values at either end have no say in its scale


class Segmenter(Protocol):
    """What says where a subject is, without the words' attention: a segmentation network."""

    @property
    def strict(self) -> bool:
        """Whether a subject that it does not know is refused; else the words are asked for that."""

    @property
    def sha256(self) -> str:
        """The hash of all that its answers depend on."""

    def knows(self, subject: str) -> bool:
        """Whether it can tell where a subject is, as in "cat"; "" is none."""

    def where(self, pictures: Sequence[Image.Image], subject: str) -> Tensor:
        """How surely each place of pictures of one size shows the subject, (B, 1, H, W) in [0, 1]."""


def subject_of(task: Task) -> str:
    """What an edit changes: the word that it swaps, or all of a whole prompt, as in "a tabby cat"."""
    return task.words[0] if task.words else task.source


def asked_about(segmenter: Segmenter | None, subject: str) -> Segmenter | None:
    """What finds a subject in a photograph: the segmenter, if it knows it or is strict; None: the words."""
    return segmenter if segmenter is not None and segmenter.strict else knowing(segmenter, subject)


def knowing(segmenter: Segmenter | None, subject: str) -> Segmenter | None:
    """The segmenter, if it knows the subject; None: the words are asked."""
    return segmenter if segmenter is not None and segmenter.knows(subject) else None


def found_by(segmenter: Segmenter | None, task: Task, *, grown: bool) -> Segmenter | None:
    """The segmenter, if it has a part in the mask ``auto`` or ``grown`` of an edit."""
    return asked_about(segmenter, subject_of(task)) or (
        knowing(segmenter, subject_of(backwards(task))) if grown else None
    )


@torch.no_grad()
def where_words_look(backbone: Backbone, x0: Tensor, task: Task, seeds: Sequence[int]) -> Tensor:
    """How surely each place of a photograph is edited, (B, 1, h, w) in [0, 1], on the latents' grid.

    Costs 12 predictions of a picture.

    Args:
        backbone: the model.
        x0: encoded photographs, (B, C, h, w).
        task: the edit; whose word's attention has a say if it swaps words.
        seeds: of every photograph.
    """
    looked, schedule, draws = _Looked(backbone, task, x0), backbone.schedule(_GRID), generators(seeds)
    for _ in range(DRAWS):
        noise = normal_noise(x0.shape[1:], draws).to(x0)
        for share in LEVELS:
            i = round(share * _GRID)
            looked.at(join(x0, noise, schedule.level(i)), schedule.timesteps[i])
    return looked.spread()


class _Looked:
    """What was seen so far: sums of differences, of the word's attention, and of self-attention."""

    def __init__(self, backbone: Backbone, task: Task, x0: Tensor) -> None:
        self.backbone, self.count, self.grid = backbone, len(x0), (x0.shape[-2], x0.shape[-1])
        prompts = (backbone.embed([text]).repeat(self.count) for text in (task.source_prompt, task.target_prompt))
        self.text = TextRows(tuple(prompts), (1.0, -1.0))  # what one predicts and the other does not
        tokens, word = backbone.tokens(task.source_prompt), task.words[0] if task.words else ""
        self.columns = [at for part in word.split() for at in positions(tokens, part)]
        self.scale = self._finest()
        self.difference = self.attention = self.alike = torch.zeros((), device=x0.device)

    def _finest(self) -> int:
        """The scale of the finest self-attention whose maps are small enough."""
        scales = sorted({site.scale for site in self.backbone.sites if site.kind == "self"})
        return next((n for n in scales if self.grid[0] * self.grid[1] // n**2 <= _MOST), scales[-1])

    def _wanted(self, site: Site) -> frozenset[Part]:
        alike = site.kind == "self" and site.scale == self.scale
        attends = site.kind == "cross" and site.stage == "up" and bool(self.columns)
        return frozenset[Part](("probs",)) if alike or attends else NOTHING

    def at(self, x: Tensor, timestep: float) -> None:
        """Look at photographs under noise, (B, C, h, w)."""
        seen: Recording = {}
        with tapped(self.backbone, self._wanted) as taps, taps.listening(recorder(seen), self._wanted):
            apart = guided(self.backbone, taps, (x,), timestep, self.text)
        self.difference = self.difference + apart.abs().mean(1, keepdim=True).float()
        for (site, _), probs in seen.items():
            maps = probs[: self.count].float().mean(1)  # (B, S, S) or (B, S, L), of the source prompt
            if site.kind == "self":
                self.alike = self.alike + maps
            else:
                self.attention = self.attention + self._resized(maps[..., self.columns].sum(-1), site.scale)

    def _resized(self, values: Tensor, scale: int) -> Tensor:
        """Values of a layer's places (B, S), relative to their mean, on the latents' grid, (B, 1, h, w)."""
        return _on_grid(values / values.mean(1, keepdim=True), self.grid, scale)

    def spread(self) -> Tensor:
        """The map of all that was seen."""
        apart = _scaled(self.difference)
        seeds = _scaled(self.attention) * (1 - _SAY + _SAY * apart) if self.columns else apart
        coarse = (self.grid[0] // self.scale, self.grid[1] // self.scale)
        values = F.interpolate(seeds, size=coarse, mode="area").flatten(1)  # (B, S)
        alike = self.alike / self.alike.sum(-1, keepdim=True)
        sure = _scaled(_on_grid((alike @ values[..., None])[..., 0], self.grid, self.scale))
        return torch.where(_scaled(self.attention) >= _LOOKED_AT, 1.0, sure) if self.columns else sure


def _on_grid(values: Tensor, size: tuple[int, int], scale: int) -> Tensor:
    """Values of a layer's places (B, S), whose grid is ``scale`` times smaller than ``size``, at (B, 1, *size)."""
    return F.interpolate(values.unflatten(1, (1, size[0] // scale, size[1] // scale)), size=size, mode="bilinear")


def _scaled(values: Tensor) -> Tensor:
    """Every picture's map (B, 1, h, w) from 0 to 1, its tails cut off."""
    flat = values.flatten(1)
    low, high = flat.quantile(_TAIL, dim=1), flat.quantile(1 - _TAIL, dim=1)
    span = (high - low).clamp(min=1e-12)
    return ((values - low[:, None, None, None]) / span[:, None, None, None]).clamp(0, 1)
