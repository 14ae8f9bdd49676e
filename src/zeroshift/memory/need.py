"""What a picture more takes of memory, counted on the method's own code with shapes alone."""

from collections.abc import Iterable
from dataclasses import replace

import torch

from zeroshift.conditioning.prompts import FixedPrompts
from zeroshift.control.base import Control
from zeroshift.control.perceptual import Vgg
from zeroshift.diffusion.backbone import Backbone
from zeroshift.diffusion.embedding import guidance_rows
from zeroshift.diffusion.trajectory import Trajectory
from zeroshift.inversion.base import finished
from zeroshift.inversion.shortened import shortened
from zeroshift.memory.held import bytes_held
from zeroshift.memory.rehearsal import edit_along_nothing, photograph_of
from zeroshift.methods import Method
from zeroshift.methods.base import inversion_plan
from zeroshift.running.sampling import Branch, sample

STEPS = 2
"""that are rehearsed: nothing is held for longer than that, but what ``kept`` counts"""


def need(
    backbone: Backbone,
    methods: Iterable[Method],
    size: tuple[int, int],
    vgg: Vgg | None = None,
    *,
    saving: bool | None = None,
) -> int:
    """Bytes that one picture of ``size`` (width, height) takes beside the weights, at the fullest moment of a run.

    Args:
        backbone: loaded; it is not asked for anything.
        methods: of the run's edits, which are made one after another.
        vgg: what refinement compares pictures by.
        saving: whether memory is saved; by default if the backbone does.
    """
    from zeroshift.backbones.twin import twin  # diffusers takes seconds to import

    shapes, compared = twin(backbone, saving=saving), None
    if vgg is not None:
        compared = Vgg({name: x.to("meta") for name, x in vgg.tensors.items()})
    return max(_rehearsed(shapes, method, size, compared) for method in set(methods))


@torch.no_grad()
def need_to_generate(backbone: Backbone, guidance_scale: float) -> int:
    """Bytes that one picture of the model's own size takes beside the weights while it is sampled from a prompt."""
    from zeroshift.backbones.twin import twin

    shapes = twin(backbone)

    def run() -> None:
        text = guidance_rows(shapes.embed([""]), shapes.embed(["a photo"]), guidance_scale)
        side = shapes.size // shapes.factor
        start = torch.zeros(1, shapes.latent_channels, side, side, device=shapes.device)
        prompts = FixedPrompts(text, text)
        *_, last = sample(shapes, Trajectory(shapes.schedule(STEPS), (start,)), [Branch(prompts, Control())])
        shapes.decode(last.targets[0])

    return bytes_held(run).peak


@torch.no_grad()
def _rehearsed(backbone: Backbone, method: Method, size: tuple[int, int], vgg: Vgg | None) -> int:
    few = replace(method, steps=STEPS, inversion=shortened(method.inversion))
    kept = 0

    def run() -> None:
        nonlocal kept
        prompt = backbone.embed(["a photo"])
        x0 = backbone.encode(torch.zeros(1, 3, size[1], size[0], device=backbone.device))
        photograph = photograph_of(backbone, x0, prompt)
        trajectory = finished(few.inversion.invert(backbone, photograph, inversion_plan(few, backbone, [0])))
        maps = sum(x.numel() * x.element_size() for recording in trajectory.maps for x in recording.values())
        kept = maps * (method.steps - STEPS) // STEPS
        *_, last = sample(backbone, trajectory, [edit_along_nothing(backbone, few, prompt, trajectory, vgg)])
        backbone.decode(last.targets[0])

    return bytes_held(run).peak + kept
