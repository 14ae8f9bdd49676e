"""The second stage: a small CLIP (Radford et al. 2021). Its text tower conditions the denoiser.

Both towers have one width: StyleDiffusion scales text tokens by image tokens.
"""

import random
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

from zeroshift.miniature.training.augmentation import cropped
from zeroshift.miniature.training.captions import Shares, vary
from zeroshift.miniature.training.loop import Stage, StageOptions, adamw
from zeroshift.miniature.vocabulary import Scene


def build(tokenizer: CLIPTokenizer, size: int, width: int = 128, layers: int = 4) -> CLIPModel:
    """An untrained CLIP for pictures of ``size`` pixels (a multiple of 8)."""
    tower = {
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
    }
    text = {
        **tower,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": tokenizer.model_max_length,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "projection_dim": width,
    }
    vision = {**tower, "image_size": size, "patch_size": size // 8, "projection_dim": width}
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=width))


def tokenize(tokenizer: CLIPTokenizer, sentences: list[str]) -> Tensor:
    """Token ids (N, L), cut or padded to the tokenizer's length."""
    ids: Tensor = tokenizer(
        sentences, padding="max_length", max_length=tokenizer.model_max_length, truncation=True, return_tensors="pt"
    ).input_ids
    return ids


WHOLE = Shares(bare=0.0, background=1.0, light=1.0)
"""captions that say all that is known: a caption fits two pictures if their scenes are the same"""


class ClipStage(Stage):
    """Symmetric contrastive loss; pictures of one caption are each other's positives, since captions repeat."""

    def __init__(
        self,
        model: CLIPModel,
        tokenizer: CLIPTokenizer,
        pictures: Tensor,
        scenes: list[Scene | str],
        options: StageOptions,
    ) -> None:
        super().__init__()
        self.model, self.tokenizer, self.pictures = model, tokenizer, pictures
        self.scenes, self.options = scenes, options

    def training_step(self, indices: Tensor, step: int) -> Tensor:
        choice = random.Random(int(torch.randint(2**31, ())))
        chosen = [self.scenes[k] for k in indices.tolist()]
        ids = tokenize(self.tokenizer, [vary(scene, choice, WHOLE) for scene in chosen]).to(self.device)
        x = self.pictures[indices.cpu()].to(self.device).float() / 127.5 - 1
        x = cropped(x, x.shape[-1], area=(0.65, 1.0), stretch=0.1, degrees=10.0)  # closer would be a close-up
        logits = self.model(input_ids=ids, pixel_values=x).logits_per_image.float()
        same = torch.tensor([[a == b for b in chosen] for a in chosen], device=self.device, dtype=torch.float32)
        wanted = same / same.sum(1, keepdim=True)
        loss = (F.cross_entropy(logits, wanted) + F.cross_entropy(logits.T, wanted)) / 2
        self.log_dict({"loss": loss}, prog_bar=True)
        return loss

    def configure_optimizers(self) -> Any:
        return adamw(self, self.options, decay=0.05)
