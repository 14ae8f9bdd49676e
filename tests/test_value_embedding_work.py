"""What StyleDiffusion's inversion computes, how closely, and what it refuses."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from tests.runs import clean, prompts
from tests.tiny import tiny_backbone
from tests.value_embedding import FEW, SCALE, SEED, STEPS, Oracle, inverted, photograph
from tests.watch import calls, installed
from zeroshift.backbones.stable_diffusion import StableDiffusion
from zeroshift.diffusion.backbone import Unsupported
from zeroshift.inversion import NullTextInversion, ValueEmbedding
from zeroshift.inversion.base import CleanLatents, InversionContext, finished
from zeroshift.methods import DDIM


class Counting(TorchFunctionMode):
    """Counts evaluations of the mapping network: it alone has leaky rectifiers, one per block."""

    count = 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        self.count += function is F.leaky_relu
        return function(*args, **(kwargs or {}))


def test_nothing_is_computed_twice(tiny):
    """T rows up; per step the empty prompt's once, the optimisation, one more; networks at all but the first of them.

    The image encoder sees each picture once.
    """
    options = ValueEmbedding(inner_steps=2, inner_decay=0.0, stop_loss=0.0)
    before, encoded = installed(tiny.unet), []
    hook = tiny.clip.vision.register_forward_pre_hook(
        lambda _module, _args, named: encoded.append(len(named["pixel_values"])), with_kwargs=True
    )
    with calls(tiny.unet) as rows, Counting() as networks:
        inverted(tiny, options, 2)
    hook.remove()
    assert rows == [1] * 2 * (STEPS + STEPS * (1 + 2 + 1))  # each picture on its own
    assert networks.count == 2 * STEPS * (2 + 1)
    assert encoded == [1, 1]
    assert installed(tiny.unet) == before
    own = (tiny.unet, tiny.vae, tiny.text_encoder, tiny.clip.vision)
    assert all(p.grad is None and not p.requires_grad for network in own for p in network.parameters())


def test_every_step_comes_closer(tiny):
    """With a small learning rate and the reconstruction's loss alone, more optimisation lands closer."""
    options = ValueEmbedding(learning_rate=1e-4, stop_loss=0.0, attention_weight=0.0)
    target = walked(tiny, clean(1))
    paths = [inverted(tiny, replace(options, inner_steps=n)).latents[1] for n in (1, 3)]
    errors = [(path - target).square().mean() for path in paths]
    assert errors[0] > errors[1]


def walked(backbone: StableDiffusion, x0: Tensor) -> Tensor:
    """Return the second noisiest latent of DDIM inversion."""
    net, c, x, stride = Oracle(backbone), prompts(backbone).tokens, x0, 1000 // STEPS
    for k in range(STEPS - 1):
        with torch.no_grad():
            x = net.move(x, net(x, 1 + stride * k, c), 1 + stride * (k - 1), 1 + stride * k)
    return x


def test_without_guidance_only_the_prompts_row_is_asked(tiny):
    options = ValueEmbedding(inner_steps=2, inner_decay=0.0, stop_loss=0.0)
    with calls(tiny.unet) as rows:
        finished(options.invert(tiny, photograph(tiny, 1), InversionContext(STEPS, 1.0, (SEED,))))
    assert rows == [1] * (STEPS + STEPS * (2 + 1))


def test_what_cannot_be_learned_is_refused(tiny):
    with pytest.raises(ValueError, match="falls to 0 at step 100"):
        DDIM(steps=101, inversion=ValueEmbedding())
    blind = replace(tiny, open_clip=None)
    with pytest.raises(Unsupported, match="has no CLIP image encoder; .* Without one, learn .*: `learn` direct"):
        inverted(blind, FEW)
    assert len(inverted(blind, replace(FEW, inner_steps=1, learn="direct")).learned.scales) == STEPS


@pytest.mark.parametrize("inversion", [FEW, NullTextInversion(inner_steps=3)], ids=lambda inversion: inversion.kind)
def test_half_precision_learns_as_much(tiny, inversion):
    """Only the network runs in it, and small gradients are not lost: nine tenths of the way at least."""

    def error(backbone: StableDiffusion, options: ValueEmbedding | NullTextInversion) -> float:
        given = photograph(backbone, 1)
        if backbone is not tiny:
            given = CleanLatents(given.pictures.float(), given.x0.float(), given.prompt)
        trajectory = finished(options.invert(backbone, given, InversionContext(STEPS, SCALE, (SEED,))))
        assert trajectory.latents[-1].dtype == given.x0.dtype
        return (trajectory.latents[-1].double() - clean(1)).square().mean().item()

    inversion = replace(inversion, learning_rate=0.05)
    learned, unlearned = error(tiny, inversion), error(tiny, replace(inversion, learning_rate=1e-9))
    assert learned < 0.9 * unlearned
    for dtype in (torch.float16, torch.bfloat16):
        assert error(tiny_backbone(dtype), inversion) < learned + 0.1 * (unlearned - learned)
