"""Stable Diffusion 1.x and 2.x, and every checkpoint of their layout, in diffusers format."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from zeroshift.backbones.clip import token_ids
from zeroshift.backbones.noise_schedule import schedule_of
from zeroshift.backbones.sharing import sharing
from zeroshift.backbones.unet import find_sites, tap
from zeroshift.diffusion.backbone import Clip, Identity, Tokens, Unsupported
from zeroshift.diffusion.embedding import Embedding
from zeroshift.diffusion.lock import NetworkLock
from zeroshift.diffusion.schedule import Schedule
from zeroshift.diffusion.sites import Site, Taps

_PRECISIONS = {torch.float16: "fp16", torch.bfloat16: "bf16", torch.float32: "fp32", torch.float64: "fp64"}


@dataclass(frozen=True, eq=False)
class StableDiffusion:
    """A latent diffusion model with a CLIP text encoder; every parameter is frozen.

    The network runs in its own precision, everything outside it in float32 (float64 where the latents are).
    """

    identity: Identity
    unet: UNet2DConditionModel
    vae: AutoencoderKL
    text_encoder: CLIPTextModel
    tokenizer: CLIPTokenizer
    scheduler: DDIMScheduler
    open_clip: Callable[[], Clip] | None = None
    """loads the image encoder, which few edits need, and what belongs to it"""
    lock: NetworkLock = field(default_factory=NetworkLock)
    """of the UNet: taps are installed in it, and whoever passes through it meets them"""

    def __post_init__(self) -> None:
        for network in (self.unet, self.vae, self.text_encoder):
            network.requires_grad_(False).eval()

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
        device: torch.device = self.unet.device
        return device

    @property
    def precision(self) -> str:
        return _PRECISIONS[self.unet.dtype]

    @cached_property
    def clip(self) -> Clip:
        """Return the CLIP, loaded at the first call.

        Raises:
            Unsupported: there is none, or it cannot be loaded.
        """
        if self.open_clip is None:
            raise Unsupported(
                f"The checkpoint {self.identity.name} has no CLIP image encoder; give one, by folder or "
                "hub id, as `clip`, or leave out what compares pictures."
            )
        return self.open_clip()

    @cached_property
    def sites(self) -> tuple[Site, ...]:
        return find_sites(self.unet)

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

    def schedule(self, steps: int) -> Schedule:
        return schedule_of(self.scheduler, steps)

    @torch.no_grad()
    def encode(self, pictures: Tensor) -> Tensor:
        """Return scaled latents: the mean of the encoder's distribution, so that an edit is reproducible."""
        x = pictures.to(self.device, self.vae.dtype)
        latents: Tensor = self.vae.encode(x).latent_dist.mean * self.vae.config.scaling_factor
        return latents if latents.dtype == torch.float64 else latents.float()

    def decode(self, latents: Tensor) -> Tensor:
        """Return pictures, unclamped; weights are frozen, so a graph is built only for latents that ask for one."""
        decoded: Tensor = self.vae.decode(latents.to(self.vae.dtype) / self.vae.config.scaling_factor).sample
        return decoded if decoded.dtype == torch.float64 else decoded.float()

    def image_tokens(self, pictures: Tensor) -> Tensor:
        return self.clip.image_tokens(pictures)

    @torch.no_grad()
    def embed(self, prompts: Sequence[str]) -> Embedding:
        """Encode prompts as Stable Diffusion does: last hidden state, padded to the full length, no mask.

        Longer prompts are cut at the encoder's length.
        """
        ids = torch.tensor(self.token_ids(prompts), device=self.device)
        tokens: Tensor = self.text_encoder(ids).last_hidden_state
        return Embedding(tokens if tokens.dtype == torch.float64 else tokens.float())

    def tokens(self, prompt: str) -> Tokens:
        """Return the tokens that ``embed`` encodes, and which of them belong to which word."""
        words = tuple(prompt.split())
        last = self.tokenizer.model_max_length - 1  # the end token's place in a prompt that is cut
        spans, at = list[tuple[int, ...]](), 1
        for word in words:  # blanks part tokens, so a word's are the same on its own
            length = len(self.tokenizer(word, add_special_tokens=False).input_ids)
            spans.append(tuple(range(min(at, last), min(at + length, last))))
            at += length
        return Tokens(tuple(self.token_ids([prompt])[0]), min(at, last) + 1, words, tuple(spans))

    def token_ids(self, prompts: Sequence[str]) -> list[list[int]]:
        """Return what ``embed`` encodes, as numbers."""
        return token_ids(self.tokenizer, prompts, self.tokenizer.model_max_length)

    def predict(self, x: Tensor, timestep: float | Tensor, text: Embedding) -> Tensor:
        """Return the network's output in the precision of ``x``."""
        dtype = self.unet.conv_in.weight.dtype  # the network's own property walks through all its layers, at every call
        with self.lock.held():
            out: Tensor = self.unet(x.to(dtype), timestep, text.tokens.to(dtype), return_dict=False)[0]
        return out.to(x.dtype)
