"""The student ``one-step``: a diffusion model asked once, with low-rank changes of its weights.

As in CycleGAN-Turbo (Parmar et al. 2024, arXiv:2403.12036, section 3) the text-to-image network itself becomes the
generator: it knows already what the target looks like, and has to learn only to draw it where the source is. Ours are
the start, a photograph's latents under half of their noise with the clean ones beside them, and the mask, so that the
background is the photograph's own.
"""

import copy
import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn
from torch.func import functional_call

from zeroshift.distillation.base import SHIPPED_BASE, opened
from zeroshift.distillation.enlarging import quicker
from zeroshift.distillation.parts import MaskedEdit

LEAST, MOST = 0.25, 0.75
"""of a mask: what is less counts as nothing and what is more as all, so most of a background is the photograph's own"""
EVERYWHERE = 3.0
"""logit of a mask at first: of everything"""
RISE = 4
"""intensities up to 1 / RISE fade in what the autoencoder alone changes"""
WIDE = ("conv_in.weight", "conv_out.weight", "conv_out.bias")
"""weights that are learned whole: they read clean latents as well, and give a mask beside them"""


class LowRank(nn.Module):
    """What is added to a weight, a product of two thin matrices that starts at zero (LoRA, Hu et al. 2021)."""

    def __init__(self, shape: torch.Size, rank: int) -> None:
        super().__init__()
        inputs = math.prod(shape[1:])
        rank = max(1, min(rank, shape[0] // 2, inputs // 2))
        self.shape = shape
        self.down = nn.Parameter(torch.randn(rank, inputs) / inputs**0.5)
        self.up = nn.Parameter(torch.zeros(shape[0], rank))

    def forward(self) -> Tensor:
        """The change, of the weight's shape."""
        return (self.up @ self.down).view(self.shape)


class OneStep(MaskedEdit, PyTorchModelHubMixin):
    """The edit of a photograph as one pass of a diffusion model's three networks: encoder, UNet, decoder.

    Args:
        directions: pairs of words, source and target, that it knows.
        prompts: what the UNet is told for each of them.
        model: the checkpoint that it changes: "shipped", a folder or a hub id, of Stable Diffusion 1.x or 2.x.
        model_sha256: of that checkpoint; "" for a new student.
        rank: of the changes.
        timestep: at which the UNet is asked, as a share of those that it was trained at, from 0 to below 1.
        noise: seed of the noise that lies over the latents; it is the same for all pictures.
        gain: what the change of latents is multiplied by, for all directions or for each. A distance to the teacher's
            edits is least at their mean, which lies nearer to the photograph than they do.
        mask_bias: what is added to the logits of where the edit is, for all directions or for each; below 0 more of the
            photograph stays its own.

    Raises:
        ValueError: the checkpoint is another one than it was trained on, or of another kind, there is no such
            timestep, or gains or biases are not one for each direction.
    """

    architecture: str = "one-step"
    texts: Tensor
    noise: Tensor
    gains: Tensor
    biases: Tensor

    def __init__(
        self,
        directions: list[list[str]],
        prompts: list[str],
        model: str = SHIPPED_BASE,
        model_sha256: str = "",
        rank: int = 24,
        timestep: float = 0.5,
        noise: int = 0,
        gain: float | list[float] = 1.4,
        mask_bias: float | list[float] = 0.0,
    ) -> None:
        super().__init__()
        if not 0 <= timestep < 1:
            raise ValueError(f"A one-step student is asked at a timestep from 0 to below 1, not {timestep:g}.")
        backbone = opened(model, model_sha256)
        self.directions, self.model_sha256 = [tuple(pair) for pair in directions], backbone.identity.sha256
        self.size, self.multiple = backbone.size, backbone.multiple
        gains, biases = (
            torch.tensor(of_each(value, len(directions), name), dtype=torch.float32)
            for value, name in ((gain, "gains"), (mask_bias, "biases of its mask"))
        )
        self.factor, self.scale = backbone.factor, float(backbone.vae.config.scaling_factor)
        schedule = backbone.schedule(1)
        self.levels, self.split = schedule.levels, schedule.split
        self.asked = int(timestep * schedule.train_steps)
        self.level = schedule.levels(self.asked)
        self.train_steps, self.widths = schedule.train_steps, tuple(backbone.unet.config.block_out_channels)
        self.base: Any = (backbone.unet, quicker(backbone.vae))  # as a tuple: neither trained nor saved
        self.merged: tuple[Any, ...] = ()  # likewise; empty while it is trained
        weights = dict(backbone.unet.named_parameters())
        self.wide = nn.ParameterDict({keyed(name): widened(name, weights[name]) for name in WIDE})
        self.changes = nn.ModuleDict(
            {
                keyed(name): LowRank(weight.shape, rank)
                for name, weight in weights.items()
                if weight.ndim > 1 and name not in WIDE
            }
        )
        side = self.size // self.factor
        fixed = torch.randn(1, backbone.latent_channels, side, side, generator=torch.Generator().manual_seed(noise))
        self.register_buffer("noise", fixed, persistent=False)
        self.register_buffer("gains", gains, persistent=False)
        self.register_buffer("biases", biases, persistent=False)
        self.register_buffer("texts", backbone.embed(prompts).tokens.float())

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "OneStep":
        for network in (*self.base, *self.merged):  # they go where the changes go
            network._apply(fn)
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    def train(self, mode: bool = True) -> "OneStep":
        """While it is not trained, the changes are added to the weights once and not in every pass."""
        self.merged = () if mode else (self.whole(),)
        return super().train(mode)

    def load_state_dict(self, *given: Any, **how: Any) -> Any:
        """As of any module."""
        found = super().load_state_dict(*given, **how)
        self.merged = () if self.training else (self.whole(),)
        return found

    def weights(self) -> dict[str, Tensor]:
        """The UNet's weights with the changes, by their names."""
        own = dict(self.base[0].named_parameters())
        changed = {named(key): own[named(key)] + change() for key, change in self.changes.items()}
        return changed | {named(key): weight for key, weight in self.wide.items()}

    def whole(self) -> nn.Module:
        """A UNet of its own that has the changes in it."""
        found: nn.Module = copy.deepcopy(self.base[0])
        with torch.no_grad():
            for name, weight in self.weights().items():
                owner, _, last = name.rpartition(".")
                setattr(found.get_submodule(owner), last, nn.Parameter(weight.detach().clone(), requires_grad=False))
        return found.eval()

    def latents(self, x: Tensor) -> Tensor:
        """Latents (B, C, h, w) of pictures (B, 3, H, W) in [-1, 1]."""
        found: Tensor = self.base[1].encode(x).latent_dist.mean * self.scale
        return found

    def pictures(self, z: Tensor) -> Tensor:
        """Pictures (B, 3, H, W), unclamped, of latents."""
        found: Tensor = self.base[1].decode(z / self.scale).sample
        return found

    def changed(self, z: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
        """The edit's latents (B, C, h, w) for a photograph's, and logits (B, 1, h, w) of where it is."""
        noised = self.level.alpha * z + self.level.sigma * self.noise_like(z)
        given = (torch.cat([noised, z], 1), self.asked, self.texts[direction])
        if self.merged:
            out = self.merged[0](*given, return_dict=False)[0]
        else:
            out = functional_call(self.base[0], self.weights(), given, {"return_dict": False})[0]
        edit, where = out.split([z.shape[1], 1], 1)
        return self.split(noised, edit, self.level)[0], where

    def features(self, z: Tensor, timesteps: Tensor, direction: Tensor) -> list[Tensor]:
        """What the unchanged UNet makes of noised latents on its way down, finest first, told the directions' prompts.

        The last is the middle's.
        """
        unet, text, found = self.base[0], self.texts[direction], []
        told, h = unet.time_embedding(unet.time_proj(timesteps).to(z.dtype)), unet.conv_in(z)
        for block in unet.down_blocks:
            by_text = {"encoder_hidden_states": text} if getattr(block, "has_cross_attention", False) else {}
            h, kept = block(h, told, **by_text)
            found.append(kept[len(block.resnets) - 1])  # before it is made coarser
        return [*found[:-1], unet.mid_block(h, told, encoder_hidden_states=text)]

    def noise_like(self, z: Tensor) -> Tensor:
        """The noise, repeated or cut for latents of another size than its own."""
        if z.shape[2:] == self.noise.shape[2:]:
            return self.noise
        times = [-(-side // own) for side, own in zip(z.shape[2:], self.noise.shape[2:], strict=True)]
        return self.noise.repeat(1, 1, *times)[:, :, : z.shape[2], : z.shape[3]]

    def edited(self, x: Tensor, direction: Tensor, intensity: Tensor) -> tuple[Tensor, Tensor]:
        """Edits (B, 3, H, W) of pictures in [-1, 1], and where they are, (B, 1, H, W) from 0 to 1."""
        z, share = self.latents(x), intensity[:, None, None, None]
        edit, where = self.changed(z, direction)
        gain, bias = (one[direction][:, None, None, None] for one in (self.gains, self.biases))
        m = mask(where + bias)
        made = self.pictures(z + gain * share * (2 - share) * m * (edit - z))
        shown = F.interpolate(m, scale_factor=float(self.factor), mode="bilinear") * (RISE * share).clamp(max=1)
        return x + shown * (made - x), shown


def of_each(value: float | list[float], count: int, name: str) -> list[float]:
    """A value of every direction.

    Raises:
        ValueError: there are not ``count``.
    """
    found = value if isinstance(value, list) else [value] * count
    if len(found) != count:
        raise ValueError(f"A one-step student of {count} directions has {len(found)} {name}; give one each.")
    return found


def mask(where: Tensor) -> Tensor:
    """The mask m (B, 1, h, w) of logits of where the edit is, from 0, the photograph's own, to 1."""
    return ((where.sigmoid() - LEAST) / (MOST - LEAST)).clamp(0, 1)


def widened(name: str, weight: Tensor) -> nn.Parameter:
    """A weight that reads as many latents again, at first without effect, or gives a mask, at first of everything."""
    if name == "conv_in.weight":
        return nn.Parameter(torch.cat([weight, torch.zeros_like(weight)], 1))
    if name == "conv_out.weight":
        return nn.Parameter(torch.cat([weight, torch.zeros_like(weight[:1])]))
    return nn.Parameter(torch.cat([weight, torch.full_like(weight[:1], EVERYWHERE)]))


def keyed(name: str) -> str:
    """A weight's name as a key of modules, which have no points."""
    return name.replace(".", "/")


def named(key: str) -> str:
    """And back."""
    return key.replace("/", ".")
