"""A tiny random model saved as a diffusers folder, and a tiny folder of pictures to measure it on."""

import string
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from PIL import Image
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from zeroshift.miniature.classifier import build_classifier, save_classifier
from zeroshift.miniature.vocabulary import STYLES

COATS = ("black", "orange")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model of 16x16 pictures with 4x4 latents."""
    torch.manual_seed(0)
    symbols = [
        *string.ascii_lowercase,
        *(f"{c}</w>" for c in string.ascii_lowercase),
        "<|startoftext|>",
        "<|endoftext|>",
    ]
    vocabulary = {symbol: k for k, symbol in enumerate(symbols)}
    start, end = len(symbols) - 2, len(symbols) - 1
    text = CLIPTextConfig(
        vocab_size=len(symbols),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=24,
        bos_token_id=start,
        eos_token_id=end,
        pad_token_id=end,
    )
    vae = AutoencoderKL(
        block_out_channels=(8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        norm_num_groups=4,
        sample_size=16,
    )
    unet = UNet2DConditionModel(
        sample_size=4,
        block_out_channels=(8, 16),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        attention_head_dim=2,
        cross_attention_dim=16,
        norm_num_groups=4,
    )
    pipeline = StableDiffusionPipeline(
        vae=vae,
        text_encoder=CLIPTextModel(text),
        tokenizer=CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=24),
        unet=unet,
        scheduler=DDIMScheduler(clip_sample=False, set_alpha_to_one=False, steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    folder = tmp_path_factory.mktemp("model")
    pipeline.to(dtype=torch.float16).save_pretrained(folder)
    judge = build_classifier((8, 16), (1, 1), size=16, coats=COATS, styles=STYLES)
    save_classifier(judge, folder / "classifier")
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six pictures of cats and dogs, 20x20, in each split."""
    root, random = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    lines = ["file,split,species,caption"]
    for split in ("train", "test", "bench-test"):
        for k in range(6):
            name, animal = f"{split}{k}.png", ("dog", "cat")[k % 2]
            Image.fromarray(random.integers(0, 256, (20, 20, 3), dtype=np.uint8)).save(root / name)
            lines.append(f"{name},{split},{animal},a photo of {animal} {'abcdef'[k]}")
    (root / "captions.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture
def coated(data: Path) -> Iterator[Path]:
    """The same pictures with coats; those of ``train`` often enough to be ordered, by naming them again and again."""
    table = data / "captions.csv"
    before = table.read_text()
    first, *rows = before.splitlines()
    coats = [f"{row},{'orange' if ',cat,' in row else 'black'},{'hand' if 'test0' in row else 'auto'}" for row in rows]
    train = [row for row in coats if ",train," in row]
    table.write_text("\n".join([f"{first},coat,coat_label", *coats, *train * 29, *train[1:2] * 3]) + "\n")
    yield data
    table.write_text(before)


@pytest.fixture
def pictures() -> Tensor:
    return torch.randint(0, 256, (6, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))
