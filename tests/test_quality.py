"""The figures of a shipped model, on a tiny random one saved as a diffusers folder, and a tiny folder of pictures."""

import json
import string
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from PIL import Image
from rich.console import Console
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from tests.shell import call, refused
from zeroshift.classifier import build_classifier, save_classifier
from zeroshift.cli.quality import follow
from zeroshift.data import CaptionedFolder
from zeroshift.evaluation.agreement import (
    Order,
    agreement,
    coat_agreement,
    coat_orders,
    coat_pairs,
    generated,
    grid,
    interleaved,
    open_pipeline,
    orders,
)
from zeroshift.evaluation.bars import BEGIN, END
from zeroshift.evaluation.quality import Quality, print_report, report
from zeroshift.evaluation.reconstruction import fit_patch_pca, reconstructed
from zeroshift.evaluation.subject import Extent, recommended_guidance
from zeroshift.inversion.base import finished
from zeroshift.pictures import psnr, to_bytes
from zeroshift.translate import Progress
from zeroshift.vocabulary import STYLES

COATS = ("black", "orange")
FEW = Extent(per_class=2, per_coat=3, inversions=2, steps=2)


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
    parts = list(generated(pipeline, wanted, guidance_scale=5.0, steps=3, batch=3))
    assert [len(part) for part in parts] == [3, 1]
    together = torch.cat(parts)
    alone = torch.cat([part for order in wanted for part in generated(pipeline, [order], guidance_scale=5.0, steps=3)])
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


def test_frequent_pairs_are_ordered_in_turn(model: Path, coated: Path) -> None:
    classifier = build_classifier((8, 16), (1, 1), size=16, coats=COATS)
    folder = CaptionedFolder.open(coated)
    pairs = coat_pairs(folder, classifier)
    assert pairs == [("cat", "orange"), ("dog", "black")]  # 93 and 90 rows
    assert coat_pairs(folder, classifier, minimum=91) == pairs[:1]
    assert coat_pairs(folder, build_classifier((8, 16), (1, 1), coats=("black", "white"))) == pairs[1:]
    assert coat_orders(pairs, 2) == [
        Order("a photo of an orange cat", 0, "orange"),
        Order("a photo of an orange cat", 1, "orange"),
        Order("a photo of a black dog", 2, "black"),
        Order("a photo of a black dog", 3, "black"),
    ]


def test_coat_agreement_is_counted_pair_by_pair(pictures: Tensor) -> None:
    torch.manual_seed(0)
    classifier = build_classifier((8, 16), (1, 1), size=16, coats=("black", "orange", "white"))
    seen = classifier.coat_labels(pictures)
    unseen = {"black": "white", "white": "orange", "orange": "black"}
    shown = [seen[0], unseen[seen[1]], seen[2], unseen[seen[3]], unseen[seen[4]], unseen[seen[5]]]
    wanted = [Order("", k, coat) for k, coat in enumerate(shown)]
    found = coat_agreement(classifier, pictures, wanted, [("cat", "a"), ("dog", "b")])
    assert found == pytest.approx([2 / 3, 0])


def followed(work: Generator[Progress, None, Quality]) -> tuple[dict[str, tuple[int, int]], Quality]:
    """Return how far every stage came, of how much, and the result."""
    ends: dict[str, tuple[int, int]] = {}
    while True:
        try:
            step = next(work)
        except StopIteration as end:
            return ends, end.value
        ends[step.stage] = (step.done, step.total)


def size_of(picture: Path) -> tuple[int, int]:
    with Image.open(picture) as image:
        return image.size


def test_the_report_is_written_and_repeats(model: Path, coated: Path, tmp_path: Path) -> None:
    first = finished(report(model, coated, tmp_path / "a", replace(FEW, bench_test=True), 2.0))
    figures = first.figures
    assert json.loads((tmp_path / "a" / "quality.json").read_text()) == first.as_dict()
    assert first.left_out == ()
    sizes = {name: size_of(tmp_path / "a" / f"{name}.png") for name in ("samples", "coats", "neighbours")}
    assert sizes == {"samples": (8 * 16, 16), "coats": (3 * 16, 2 * 16), "neighbours": (11 * 16, 4 * 16)}
    assert figures["prompt_agreement"] == (figures["prompt_agreement_cat"] + figures["prompt_agreement_dog"]) / 2
    assert figures["coat_agreement"] == (figures["coat_agreement_cat_orange"] + figures["coat_agreement_dog_black"]) / 2
    assert figures["classifier_coat_accuracy"] in (0, 1)  # one picture was labelled by hand
    assert 5 < figures["vae_psnr_db"] < figures["patch_pca_psnr_db"] < 20
    assert figures["inversions"] == 2
    assert {f"caption_{name}_accuracy" for name in ("animal", "style", "renderings_animal")} < figures.keys()
    assert "classifier_bench_test_balanced_accuracy" in figures
    steps, again = followed(report(model, coated, tmp_path / "b", FEW, 2.0))
    assert steps == {"photographs": (4, 4), "samples": (4, 4), "coats": (6, 6), "inversions": (2, 2)}
    assert again.figures.items() < figures.items()
    for name in sizes:
        assert (tmp_path / "a" / f"{name}.png").read_bytes() == (tmp_path / "b" / f"{name}.png").read_bytes()


def test_what_cannot_be_measured_is_left_out(model: Path, data: Path, tmp_path: Path) -> None:
    plain = finished(report(model, data, tmp_path, Extent(per_class=1, per_coat=1, inversions=0, steps=1)))
    assert [sentence.split(":")[0] for sentence in plain.left_out] == [
        "The classifier's coats",
        "The samples' coats",
        "Inversion",
    ]
    assert not [name for name in plain.figures if "coat" in name or "inversion" in name]
    assert not (tmp_path / "coats.png").exists()


def test_the_guidance_scale_is_the_presets_unless_given(model: Path, data: Path, tmp_path: Path) -> None:
    assert recommended_guidance(model) == 5.0
    preset = model / "presets.json"
    preset.write_text(json.dumps({"pix2pix-zero": {"options": {"guidance_scale": 3}}}))
    try:
        few = Extent(per_class=1, per_coat=0, inversions=0, steps=1)
        assert finished(report(model, data, tmp_path, few)).figures["guidance_scale"] == 3.0
    finally:
        preset.unlink()


def test_the_table_names_every_figure_and_what_is_missing() -> None:
    console = Console(record=True, width=120)
    figures = {
        "vae_psnr_db": 26.123,
        "patch_pca_psnr_db": 24.0,
        "prompt_agreement": 0.985,
        "kid_samples": -0.25,
        "kid_coarsened": 0.5,
        "classifier_test_balanced_accuracy": 0.96,
    }
    print_report(Quality(figures, ("Coats: there are none.",)), console)
    text = console.export_text()
    rows = {
        line.split("│")[1].strip(): [c.strip() for c in line.split("│")[2:-1]]
        for line in text.splitlines()
        if "│" in line
    }
    assert rows["autoencoder, test photographs, mean of their PSNRs"] == ["26.12 dB", "≥ 27.00 dB", "no"]
    assert rows["the same above patch PCA with as many latent values"] == ["2.12 dB", "≥ 2.00 dB", "yes"]
    assert rows["samples that show their prompt's animal"] == ["98.5 %", "≥ 97.0 %", "yes"]
    assert rows["samples that show their prompt's coat, mean over pairs"] == ["not measured", "≥ 70.0 %", ""]
    assert rows["KID of samples to half of test"] == ["-0.25", "≤ 0.5", "yes"]
    assert rows["prompt agreement"] == ["0.985"]
    assert "Left out. Coats: there are none." in text


def test_the_command_measures_and_writes_the_card(model: Path, coated: Path, tmp_path: Path, capsys) -> None:
    card = tmp_path / "card.md"
    card.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    few = ("--per-class", 1, "--per-coat", 1, "--inversions", 1, "--steps", 2)
    done = call(capsys, "quality", coated, "-o", tmp_path / "out", "--model", model, "--card", card, "--json", *few)
    assert done.code == 0
    assert json.loads(done.out) == json.loads((tmp_path / "out" / "quality.json").read_text())
    written = card.read_text()
    assert written.startswith(f"before\n{BEGIN}\n\n| figure |") and written.endswith(f"\n\n{END}\nafter\n")
    assert "old" not in written
    assert "Coats, 1 samples each: cat orange" in written
    for text in (written, done.out, done.err):
        assert str(tmp_path) not in text and str(model) not in text and str(coated) not in text


def test_a_card_without_marks_is_refused_before_the_work(model: Path, data: Path, tmp_path: Path, capsys) -> None:
    card = tmp_path / "card.md"
    card.write_text(f"{END}{BEGIN}")
    for place in (card, tmp_path / "none.md"):
        done = call(capsys, "quality", data, "-o", tmp_path / "out", "--model", model, "--card", place)
        refused(done, 1, BEGIN, "mark with them")


@pytest.mark.parametrize("terminal", [False, True])
def test_the_command_shows_how_far_it_is(monkeypatch, capsys, terminal: bool) -> None:
    def work() -> Generator[Progress, None, str]:
        for done in range(3):
            yield Progress("samples", done, 2, None)
        return "figures"

    monkeypatch.setattr("zeroshift.cli.quality.PAUSE", -1.0)
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    assert follow(work(), silent=True) == "figures"
    assert capsys.readouterr().err == ""
    assert follow(work(), silent=False) == "figures"
    said = capsys.readouterr()
    assert said.out == ""
    assert ("samples" if terminal else "samples 2/2") in said.err


def _doubles(*parts: Tensor) -> list[np.ndarray]:
    return [part.numpy().astype(np.float64) for part in parts]
