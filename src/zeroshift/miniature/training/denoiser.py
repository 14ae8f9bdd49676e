"""The third stage: the text-conditioned UNet in latent space, on cached latents."""

import random
from typing import Any

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from zeroshift.miniature.training.alignment import Alignment, middle_of
from zeroshift.miniature.training.captions import vary
from zeroshift.miniature.training.clip import tokenize
from zeroshift.miniature.training.immiscible import handed_out
from zeroshift.miniature.training.loop import Stage, StageOptions, adamw
from zeroshift.miniature.vocabulary import Scene


def build(
    sample_size: int, latent_channels: int, text_width: int, channels: tuple[int, int, int] = (48, 96, 224)
) -> UNet2DConditionModel:
    """An untrained UNet laid out as Stable Diffusion's: attention everywhere but at the lowest level."""
    return UNet2DConditionModel(
        sample_size=sample_size,
        in_channels=latent_channels,
        out_channels=latent_channels,
        block_out_channels=channels,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=text_width,
        attention_head_dim=4,
        norm_num_groups=16,
    )


def scheduler(zero_snr: bool = False) -> DDIMScheduler:
    """The noise schedule of Stable Diffusion, for v-prediction (Salimans and Ho 2022).

    With ``zero_snr`` its last level is noise alone, and sampling begins there (Lin et al. 2024, Algorithm 1 and
    section 3.3): else a picture's mean colour is never destroyed, and samples keep that of the noise.
    """
    return DDIMScheduler(
        rescale_betas_zero_snr=zero_snr,
        timestep_spacing="trailing" if zero_snr else "leading",
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="v_prediction",
    )


class DenoiserStage(Stage):
    """v-prediction with min-SNR weights (Hang et al. 2023, Eq. 6; gamma 5): few samples suffice for shapes.

    On a schedule that ends in noise alone these weights would vanish where a picture begins. There every velocity
    counts alike up to a signal-to-noise ratio of gamma, and some draws are from the noisy end.
    """

    gamma = 5.0
    middle, spread = 0.3, 1.3
    """of the logits of the draws' noise levels, as shares of the schedule (logit-normal, Esser et al. 2024, section
    3.1): middle levels decide shapes and get more draws; chosen by the loss of the smaller model before this one"""
    late, end = 0.15, 0.7
    """share of the draws that are from the noisy end of a schedule down to no signal, and where that end begins"""
    unconditional = 0.1
    """share of the captions that are left empty, for guidance"""
    steps = 50
    """of the sampling that ``consistency`` speaks of"""

    def __init__(
        self,
        model: UNet2DConditionModel,
        text: CLIPTextModel,
        tokenizer: CLIPTokenizer,
        latents: Tensor,
        scenes: list[Scene | str],
        options: StageOptions,
        consistency: float = 0.0,
        zero_snr: bool = False,
        immiscible: bool = False,
        alignment: Alignment | None = None,
    ) -> None:
        """``latents`` is (2, N, C, H, W): the pictures and their mirror images. ``consistency`` weighs ``unlike``.

        ``zero_snr`` is that of ``scheduler``; with ``immiscible`` a batch's noises are ``handed_out``.
        ``alignment`` is of the same pictures.
        """
        super().__init__()
        self.model, self.options, self.consistency, self.zero_snr = model, options, consistency, zero_snr
        self.immiscible, self.alignment = immiscible, alignment
        self.frozen = [text.requires_grad_(False).eval()]  # in a list: neither averaged nor saved with the stage
        self.tokenizer, self.latents, self.scenes = tokenizer, latents, scenes
        self.register_buffer("alphas_cumprod", scheduler(zero_snr).alphas_cumprod, persistent=False)

    def on_fit_start(self) -> None:
        if self.device.type == "cpu":  # plain products take 0.7 of the fused kernel's time there
            self.model.set_attn_processor(AttnProcessor())

    def training_step(self, indices: Tensor, step: int) -> Tensor:
        mirrored = torch.randint(2, indices.shape)
        x0 = self.latents[mirrored, indices.cpu()].to(self.device)
        noise = torch.randn_like(x0)
        noise = handed_out(noise, x0) if self.immiscible else noise
        t = self.timesteps(len(x0))
        alpha_bar = self.alphas_cumprod[t][:, None, None, None]
        alpha, sigma = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
        x, text = alpha * x0 + sigma * noise, self.text(indices)
        with middle_of(self.model) as middle:
            v = self.model(x, t, text).sample.float()
        loss: Tensor = (self.weights(alpha_bar) * (v - (alpha * noise - sigma * x0)).square()).mean()
        self.log_dict({"loss": loss}, prog_bar=True)
        if self.consistency:
            unlike = self.unlike(x, t, text, v.detach())
            self.log_dict({"unlike": unlike}, prog_bar=True)
            loss = loss + self.consistency * unlike
        if self.alignment is not None:
            loss = loss + self.aligned(self.alignment, middle[0], indices, mirrored)
        return loss

    def aligned(self, alignment: Alignment, middle: Tensor, indices: Tensor, mirrored: Tensor) -> Tensor:
        """What ``alignment`` adds to the loss, as long as it lasts."""
        if self.progress >= alignment.until:
            return alignment.ended()
        unaligned: Tensor = alignment(middle, indices, mirrored)
        self.log_dict({"unaligned": unaligned}, prog_bar=True)
        return alignment.weight * unaligned

    def timesteps(self, count: int) -> Tensor:
        """Draw timesteps (``count``,)."""
        at = torch.sigmoid(self.middle + self.spread * torch.randn(count, device=self.device))
        if self.zero_snr:
            noisy = self.end + (1 - self.end) * torch.rand(count, device=self.device)
            at = torch.where(torch.rand(count, device=self.device) < self.late, noisy, at)
        return (at * len(self.alphas_cumprod)).long()

    def weights(self, alpha_bar: Tensor) -> Tensor:
        """Weigh the squared errors of velocities at the levels ``alpha_bar``."""
        snr = alpha_bar / (1 - alpha_bar)
        return self.gamma / snr.clamp(min=self.gamma) if self.zero_snr else snr.clamp(max=self.gamma) / (snr + 1)

    def unlike(self, x: Tensor, t: Tensor, text: Tensor, v: Tensor) -> Tensor:
        """How much the network's answer differs at the other end of a DDIM step, by what the step makes of it.

        Inversion has only the step's lower end when it asks at ``t``: what the answers differ by, it loses.
        """
        level, below = (
            self.alphas_cumprod[at][:, None, None, None]
            for at in (t, (t - len(self.alphas_cumprod) // self.steps).clamp(0))
        )
        cosine = (level * below).sqrt() + ((1 - level) * (1 - below)).sqrt()
        sine = ((1 - level) * below).sqrt() - (level * (1 - below)).sqrt()
        lower = self.model(cosine * x - sine * v, t, text).sample.float()
        missed: Tensor = (self.steps * sine * (lower - v)).square().mean()
        return missed

    @torch.no_grad()
    def text(self, indices: Tensor) -> Tensor:
        """Encoded varied captions (B, L, D), a tenth of them empty."""
        choice = random.Random(int(torch.randint(2**31, ())))
        chosen = [
            "" if choice.random() < self.unconditional else vary(self.scenes[k], choice) for k in indices.tolist()
        ]
        tower = self.frozen[0].to(self.device)
        encoded: Tensor = tower(tokenize(self.tokenizer, chosen).to(self.device)).last_hidden_state
        return encoded

    def configure_optimizers(self) -> Any:
        return adamw(self, self.options)
