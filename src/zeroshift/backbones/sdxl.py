"""Stable Diffusion XL (Podell et al. 2023, arXiv:2307.01952) in diffusers format."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from zeroshift.backbones.clip import text_hash, token_ids, tokens_of, widened
from zeroshift.backbones.latent import LatentDiffusion
from zeroshift.backbones.placed import sizes_at, timestep_at
from zeroshift.backbones.saving import Saving
from zeroshift.backbones.spelling import TokenizerSpelling
from zeroshift.diffusion.backbone import Clip, Identity, Tokens
from zeroshift.diffusion.embedding import Embedding
from zeroshift.diffusion.lock import NetworkLock


@dataclass(frozen=True, eq=False)
class StableDiffusionXL(LatentDiffusion):
    """A latent diffusion model that two CLIP text encoders and the picture's size tell what to draw; all is frozen."""

    identity: Identity
    unet: UNet2DConditionModel
    vae: AutoencoderKL
    text_encoders: tuple[CLIPTextModel, CLIPTextModelWithProjection]
    tokenizers: tuple[CLIPTokenizer, CLIPTokenizer]
    scheduler: DDIMScheduler
    zeros_for_empty: bool = True
    """whether the empty prompt is zeros, as in training (``force_zeros_for_empty_prompt``), not what encoders make of
    it"""
    open_clip: Callable[[], Clip] | None = None
    """loads the image encoder, which few edits need, and what belongs to it"""
    lock: NetworkLock = field(default_factory=NetworkLock)
    widens: bool = False
    saving: Saving = field(default_factory=Saving)
    compiled: bool = False

    @property
    def networks(self) -> tuple[nn.Module, ...]:
        return (self.unet, self.vae, *self.text_encoders)

    @cached_property
    def text_sha256(self) -> str:
        return text_hash(self.text_encoders, self.tokenizers)

    def embed(self, prompts: Sequence[str]) -> Embedding:
        """Encode prompts as Stable Diffusion XL does.

        Tokens are both encoders' penultimate hidden states side by side, padded to the full length, no mask; the pooled
        vector is the second encoder's projected one. Longer prompts are cut at the encoders' length.
        """
        ids = (token_ids(words, prompts, words.model_max_length) for words in self.tokenizers)
        with self.working(*self.text_encoders), torch.no_grad():
            first, second = (
                encoder(torch.tensor(i, device=self.device), output_hidden_states=True)
                for encoder, i in zip(self.text_encoders, ids, strict=True)
            )
        tokens = torch.cat([first.hidden_states[-2], second.hidden_states[-2]], dim=-1)
        pooled: Tensor = second.text_embeds
        if self.zeros_for_empty:
            empty = torch.tensor([not prompt for prompt in prompts], device=self.device)
            tokens, pooled = tokens.masked_fill(empty[:, None, None], 0), pooled.masked_fill(empty[:, None], 0)
        return Embedding(widened(tokens), pooled=widened(pooled))

    @cached_property
    def spelling(self) -> TokenizerSpelling:
        """How the tokenizers, which share their words, take words apart."""
        return TokenizerSpelling(self.tokenizers[0])

    def tokens(self, prompt: str) -> Tokens:
        """The tokens that the first encoder reads, and which of them belong to which word."""
        return tokens_of(self.tokenizers[0], prompt)

    def predict(self, x: Tensor, timestep: float | Tensor, text: Embedding) -> Tensor:
        """The network's output in the precision of ``x``, told that pictures are whole and as large as ``x``."""
        dtype = self.unet.conv_in.weight.dtype  # the network's own property walks through all its layers, at every call
        height, width = (side * self.factor for side in x.shape[-2:])
        assert text.pooled is not None
        sizes = sizes_at(x.device, x.dtype, height, width).expand(len(x), -1)
        added = {"text_embeds": text.pooled.to(dtype), "time_ids": sizes.to(dtype)}
        timestep = timestep if isinstance(timestep, Tensor) else timestep_at(x.device, timestep)
        with self.lock.held(), self.working(self.unet):
            out: Tensor = self.unet(
                x.to(dtype), timestep, text.tokens.to(dtype), added_cond_kwargs=added, return_dict=False
            )[0]
        return out.to(x.dtype)
