"""What checkpoints of a UNet and a VAE have in common, whatever tells them what to draw."""

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from functools import cached_property

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from torch import Tensor, nn

from zeroshift.backbones.clip import widened
from zeroshift.backbones.noise_schedule import schedule_of
from zeroshift.backbones.saving import TILE, Saving, bring, computing_anew, piecewise
from zeroshift.backbones.sharing import layers_before_text, sharing
from zeroshift.backbones.unet import find_sites, tap
from zeroshift.diffusion.backbone import Clip, Identity, Unsupported
from zeroshift.diffusion.lock import NetworkLock
from zeroshift.diffusion.schedule import Schedule
from zeroshift.diffusion.sites import Site, Taps
from zeroshift.doubts import doubt

_PRECISIONS = {torch.float16: "fp16", torch.bfloat16: "bf16", torch.float32: "fp32", torch.float64: "fp64"}


class LatentDiffusion:
    """The half of a backbone that knows no text; leaves are frozen dataclasses that have these fields.

    The network runs in its own precision, everything outside it in float32 (float64 where the latents are).
    """

    identity: Identity
    unet: UNet2DConditionModel
    vae: AutoencoderKL
    scheduler: DDIMScheduler
    open_clip: Callable[[], Clip] | None
    """loads the image encoder, which few edits need, and what belongs to it"""
    lock: NetworkLock
    """of the UNet: taps are installed in it, and whoever passes through it meets them"""
    widens: bool
    """whether a VAE that overflows in fp16 runs in fp32 from then on, as precision "auto" has it"""
    saving: Saving
    """whether it takes less memory for more time"""
    compiled: bool

    def __post_init__(self) -> None:
        for network in self.networks:
            network.requires_grad_(False).eval()
        if self.saving.on:
            piecewise(self.vae)
        layers_before_text(self.unet)  # their hooks are in place from here on, whatever runs first

    @property
    def networks(self) -> tuple[nn.Module, ...]:
        """Every network but the image encoder."""
        raise NotImplementedError

    @property
    def size(self) -> int:
        side = self.unet.config.sample_size
        return int(side if isinstance(side, int) else max(side)) * self.factor

    @property
    def factor(self) -> int:
        return 1 << (len(self.vae.config.block_out_channels) - 1)

    @property
    def multiple(self) -> int:
        return self.factor << (len(self.unet.config.block_out_channels) - 1)

    @property
    def latent_channels(self) -> int:
        return int(self.unet.config.in_channels)

    @property
    def device(self) -> torch.device:
        # the network's own property walks through all its layers, at every call
        place = self.saving.place or next(self.unet.parameters()).device
        return place

    @property
    def precision(self) -> str:
        return _PRECISIONS[self.unet.dtype]

    @cached_property
    def sites(self) -> tuple[Site, ...]:
        return find_sites(self.unet)

    @cached_property
    def clip(self) -> Clip:
        """The CLIP, loaded at the first call.

        Raises:
            Unsupported: there is none, or it cannot be loaded.
        """
        if self.open_clip is None:
            raise Unsupported(
                f"The checkpoint {self.identity.name} has no CLIP image encoder; give one, by folder or "
                "hub id, as `clip`, or leave out what compares pictures."
            )
        return self.open_clip()

    def image_tokens(self, pictures: Tensor) -> Tensor:
        return self.clip.image_tokens(pictures)

    @contextmanager
    def install(self, taps: Taps) -> Iterator[None]:
        with self.lock.held_alone(), ExitStack() as installed:
            for site in taps.sites:
                installed.enter_context(tap(self.unet, site, taps))
            yield

    @contextmanager
    def sharing(self, blocks: int, tapped: Collection[str]) -> Iterator[None]:
        with self.lock.held(), sharing(self.unet, blocks, tapped):
            yield

    @property
    def saves_memory(self) -> bool:
        return self.saving.on

    @property
    def tile(self) -> int | None:
        return TILE if self.saving.on else None

    def save_memory(self) -> bool:
        news = self.saving.begin()
        if news:
            piecewise(self.vae)
        return news

    @contextmanager
    def recomputing(self) -> Iterator[bool]:
        if not self.saving.on:
            yield False
            return
        with self.lock.held(), computing_anew(self.unet):
            yield True

    @contextmanager
    def working(self, *networks: nn.Module) -> Iterator[None]:
        """Have networks on the device; where memory is saved, without all others."""
        if self.saving.place is None or not self.saving.on:
            yield
            return
        with self.lock.held():  # else another thread could move them away
            bring(networks, self.networks, self.saving.place)
            yield

    def schedule(self, steps: int) -> Schedule:
        return schedule_of(self.scheduler, steps)

    def encode(self, pictures: Tensor) -> Tensor:
        """Scaled latents: the mean of the encoder's distribution, so that an edit is reproducible."""
        scale = self.vae.config.scaling_factor
        with self.working(self.vae), torch.no_grad():
            return self._by_vae(lambda vae: vae.encode(pictures.to(self.device, vae.dtype)).latent_dist.mean * scale)

    def decode(self, latents: Tensor) -> Tensor:
        """Pictures, unclamped; weights are frozen, so a graph is built only for latents that ask for one."""
        scale = self.vae.config.scaling_factor
        needed = (self.vae, self.unet) if latents.requires_grad else (self.vae,)  # what they were made by, perhaps
        with self.working(*needed):
            return self._by_vae(lambda vae: vae.decode(latents.to(vae.dtype) / scale).sample)

    @cached_property
    def wide_vae(self) -> AutoencoderKL:
        """The VAE in fp32; one of its own, since other threads may be passing through that in fp16."""
        return deepcopy(self.vae).float()

    def _by_vae(self, run: Callable[[AutoencoderKL], Tensor]) -> Tensor:
        """What ``run`` makes of the VAE, in float32; of one in fp32 where that in fp16 overflows."""
        if "wide_vae" not in vars(self):
            out = widened(run(self.vae))
            if not self.widens or self.vae.dtype != torch.float16 or out.isfinite().all():
                return out
            doubt(f"The VAE of {self.identity.name} overflows in fp16; it runs in fp32 from here on.")
        return widened(run(self.wide_vae))
