"""The figures of a shipped model, on a tiny random one saved as a diffusers folder, and a tiny folder of pictures."""

import json
import string
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from PIL import Image
from rich.console import Console
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from zeroshift.classifier import build_classifier, save_classifier
from zeroshift.data import CaptionedFolder
from zeroshift.evaluation.agreement import Order, agreement, generated, grid, interleaved, open_pipeline, orders
from zeroshift.evaluation.quality import print_report, recommended_guidance, report
from zeroshift.evaluation.reconstruction import fit_patch_pca, reconstructed
from zeroshift.pictures import psnr, to_bytes


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
    save_classifier(build_classifier((8, 16), (1, 1), size=16), folder / "classifier")
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
def pictures() -> Tensor:
    return torch.randint(0, 256, (6, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))


def test_psnr_is_the_formula(pictures: Tensor) -> None:
    other = pictures.flip(0)
    expected = [
        20 * np.log10(255 / np.sqrt(np.mean((p - q) ** 2))) for p, q in zip(*_doubles(pictures, other), strict=True)
    ]
    np.testing.assert_allclose(psnr(pictures, other).numpy(), expected, rtol=1e-12)


def test_patch_pca_is_the_truncated_svd(pictures: Tensor) -> None:
    side, values = 4, 5
    pca = fit_patch_pca(pictures, side, values)
    raw = pictures.numpy().astype(np.float64).reshape(6, 3, 4, side, 4, side)
    patches = raw.transpose(0, 2, 4, 1, 3, 5).reshape(-1, 3 * side * side)
    mean = patches.mean(0)
    u, s, vt = np.linalg.svd(patches - mean, full_matrices=False)
    low = (u[:, :values] * s[:values]) @ vt[:values] + mean
    expected = low.reshape(6, 4, 4, 3, side, side).transpose(0, 3, 1, 4, 2, 5).reshape(6, 3, 16, 16)
    found = pca.reconstructed(pictures).numpy().astype(np.float64)
    assert np.abs(found - np.clip(expected, 0, 255)).max() <= 0.5 + 1e-3  # rounding to eight bits


def test_patch_pca_with_all_values_loses_nothing(pictures: Tensor) -> None:
    assert torch.equal(fit_patch_pca(pictures, 2, 12).reconstructed(pictures), pictures)


def test_bytes_are_rounded_and_limited() -> None:
    assert to_bytes(torch.tensor([-3.0, 0.4, 0.6, 254.7, 300.0])).tolist() == [0, 0, 1, 255, 255]


def test_reconstruction_does_not_depend_on_batches(model: Path, pictures: Tensor) -> None:
    vae = open_pipeline(model).vae
    whole, parts = reconstructed(vae, pictures), reconstructed(vae, pictures, batch=1)
    assert whole.dtype == torch.uint8
    assert (whole.int() - parts.int()).abs().max() <= 1
    direct = vae(pictures[:1].float() / 127.5 - 1).sample
    assert (whole[:1] - ((direct + 1) * 127.5).clamp(0, 255)).abs().max() <= 0.5 + 1e-3


def test_orders_take_the_first_captions_in_file_order(data: Path) -> None:
    found = orders(CaptionedFolder.open(data), per_class=2)
    assert found == [
        Order("a photo of cat b", 0, "cat"),
        Order("a photo of cat d", 1, "cat"),
        Order("a photo of dog a", 2, "dog"),
        Order("a photo of dog c", 3, "dog"),
    ]
    with pytest.raises(ValueError, match="has 3 pictures of a cat in test; 4 are needed"):
        orders(CaptionedFolder.open(data), per_class=4)


def test_a_generated_picture_depends_on_its_own_order_alone(model: Path, data: Path) -> None:
    pipeline, wanted = open_pipeline(model), orders(CaptionedFolder.open(data), per_class=2)
    together = generated(pipeline, wanted, guidance_scale=5.0, steps=3, batch=3)
    alone = torch.cat([generated(pipeline, [order], guidance_scale=5.0, steps=3) for order in wanted])
    assert together.shape == (4, 3, 16, 16)
    assert (together.int() - alone.int()).abs().max() <= 1  # other kernels for other batch sizes
    assert (together[0].int() - together[1].int()).abs().max() > 1


def test_agreement_counts_pictures_of_the_ordered_class() -> None:
    torch.manual_seed(0)
    classifier = build_classifier((8, 16), (1, 1), size=16)
    picture = torch.randint(0, 256, (1, 3, 16, 16), dtype=torch.uint8)
    (seen,) = classifier.labels(picture)
    unseen = {"cat": "dog", "dog": "cat"}[seen]
    wanted = [Order("", k, label) for k, label in enumerate([seen, seen, seen, unseen, unseen])]
    assert agreement(classifier, picture.expand(5, -1, -1, -1), wanted) == {"all": 0.6, seen: 1.0, unseen: 0.0}


def test_the_grid_shows_both_classes_in_turn() -> None:
    wanted = [Order("", k, "cat" if k < 3 else "dog") for k in range(6)]
    assert interleaved(wanted, ("cat", "dog"), 4) == [0, 3, 1, 4]
    tiles = torch.arange(3, dtype=torch.uint8)[:, None, None, None].expand(3, 3, 2, 2) + 1
    sheet = np.asarray(grid(tiles, columns=2))
    assert sheet.shape == (4, 4, 3)
    assert sheet[::2, ::2, 0].tolist() == [[1, 2], [3, 0]]


def test_the_report_is_written_and_repeats(model: Path, data: Path, tmp_path: Path) -> None:
    figures = report(model, data, tmp_path / "a", bench_test=True, guidance_scale=2.0, per_class=2)
    assert figures["guidance_scale"] == 2.0
    assert json.loads((tmp_path / "a" / "quality.json").read_text()) == figures
    with Image.open(tmp_path / "a" / "samples.png") as samples:
        assert samples.size == (8 * 16, 16)
    assert figures["prompt_agreement"] == (figures["prompt_agreement_cat"] + figures["prompt_agreement_dog"]) / 2
    assert 5 < figures["vae_psnr_db"] < figures["patch_pca_psnr_db"] < 20
    assert "classifier_bench_test_balanced_accuracy" in figures
    again = report(model, data, tmp_path / "b", guidance_scale=2.0, per_class=2)
    assert again.items() < figures.items()
    assert (tmp_path / "a" / "samples.png").read_bytes() == (tmp_path / "b" / "samples.png").read_bytes()


def test_the_guidance_scale_is_the_presets_unless_given(model: Path, data: Path, tmp_path: Path) -> None:
    assert recommended_guidance(model) == 5.0
    preset = model / "presets.json"
    preset.write_text(json.dumps({"pix2pix-zero": {"options": {"guidance_scale": 3}}}))
    try:
        assert report(model, data, tmp_path, per_class=1)["guidance_scale"] == 3.0
    finally:
        preset.unlink()


def test_the_table_names_every_figure() -> None:
    console = Console(record=True, width=80)
    print_report({"vae_psnr_db": 26.123, "prompt_agreement": 0.925}, console)
    text = console.export_text()
    assert "vae psnr db" in text and "26.12" in text
    assert "prompt agreement" in text and "0.9250" in text


def _doubles(*parts: Tensor) -> list[np.ndarray]:
    return [part.numpy().astype(np.float64) for part in parts]
