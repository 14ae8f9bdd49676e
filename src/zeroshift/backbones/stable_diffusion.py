"""Stable Diffusion 1.x and 2.x, and every checkpoint of their layout, in diffusers format."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from zeroshift.backbones.clip import text_hash, token_ids, tokens_of, widened
from zeroshift.backbones.latent import LatentDiffusion
from zeroshift.backbones.placed import timestep_at
from zeroshift.backbones.saving import Saving
from zeroshift.backbones.spelling import TokenizerSpelling
from zeroshift.diffusion.backbone import Clip, Identity, Tokens
from zeroshift.diffusion.embedding import Embedding
from zeroshift.diffusion.lock import NetworkLock


@dataclass(frozen=True, eq=False)
class StableDiffusion(LatentDiffusion):
    """A latent diffusion model with a CLIP text encoder; every parameter is frozen."""

    identity: Identity
    unet: UNet2DConditionModel
    vae: AutoencoderKL
    text_encoder: CLIPTextModel
    tokenizer: CLIPTokenizer
    scheduler: DDIMScheduler
    open_clip: Callable[[], Clip] | None = None
    """loads the image encoder, which few edits need, and what belongs to it"""
    lock: NetworkLock = field(default_factory=NetworkLock)
    widens: bool = False
    saving: Saving = field(default_factory=Saving)
    compiled: bool = False

    @property
    def networks(self) -> tuple[nn.Module, ...]:
        return (self.unet, self.vae, self.text_encoder)

    @cached_property
    def text_sha256(self) -> str:
        return text_hash([self.text_encoder], [self.tokenizer])

    def embed(self, prompts: Sequence[str]) -> Embedding:
        """Encode prompts as Stable Diffusion does: last hidden state, padded to the full length, no mask.

        Longer prompts are cut at the encoder's length.
        """
        ids = token_ids(self.tokenizer, prompts, self.tokenizer.model_max_length)
        with self.working(self.text_encoder), torch.no_grad():
            return Embedding(widened(self.text_encoder(torch.tensor(ids, device=self.device)).last_hidden_state))

    @cached_property
    def spelling(self) -> TokenizerSpelling:
        """How the tokenizer takes words apart."""
        return TokenizerSpelling(self.tokenizer)

    def tokens(self, prompt: str) -> Tokens:
        """The tokens that ``embed`` encodes, and which of them belong to which word."""
        return tokens_of(self.tokenizer, prompt)

    def predict(self, x: Tensor, timestep: float | Tensor, text: Embedding) -> Tensor:
        """The network's output in the precision of ``x``."""
        dtype = self.unet.conv_in.weight.dtype  # the network's own property walks through all its layers, at every call
        timestep = timestep if isinstance(timestep, Tensor) else timestep_at(x.device, timestep)
        with self.lock.held(), self.working(self.unet):
            out: Tensor = self.unet(x.to(dtype), timestep, text.tokens.to(dtype), return_dict=False)[0]
        return out.to(x.dtype)
