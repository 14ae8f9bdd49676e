"""The figures of a model: reconstruction, agreement, coats."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from zeroshift.image.tensors import psnr, to_bytes
from zeroshift.miniature.classifier import build_classifier
from zeroshift.miniature.data import CaptionedFolder
from zeroshift.miniature.quality.agreement import (
    Order,
    agreement,
    coat_agreement,
    coat_orders,
    coat_pairs,
    decoded,
    frequent_pairs,
    grid,
    interleaved,
    open_pipeline,
    orders,
    sampled,
)
from zeroshift.miniature.quality.reconstruction import fit_patch_pca, reconstructed


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
    parts = list(sampled(pipeline, wanted, guidance_scale=5.0, steps=3, batch=3))
    assert [len(part) for part in parts] == [3, 1]
    together = decoded(pipeline, torch.cat(parts))
    single = (part for order in wanted for part in sampled(pipeline, [order], guidance_scale=5.0, steps=3))
    alone = decoded(pipeline, torch.cat(list(single)))
    assert together.shape == (4, 3, 16, 16)
    assert (together.int() - alone.int()).abs().max() <= 1  # other kernels for other batch sizes
    assert (together[0].int() - together[1].int()).abs().max() > 1
    own = torch.Generator().manual_seed(wanted[0].seed)
    (picture,) = pipeline(wanted[0].prompt, num_inference_steps=3, guidance_scale=5.0, generator=own, output_type="pt")[
        0
    ]
    assert (together[0] / 255 - picture).abs().max() <= 1.01 / 255  # what diffusers' pipeline decodes itself


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
    classifier = build_classifier((8, 16), (1, 1), size=16, coats=("black", "orange"))
    folder = CaptionedFolder.open(coated)
    pairs = coat_pairs(folder, classifier)
    assert pairs == [("cat", "orange"), ("dog", "black")]  # 93 and 90 rows
    assert coat_pairs(folder, classifier, minimum=91) == pairs[:1]
    assert coat_pairs(folder, build_classifier((8, 16), (1, 1), coats=("black", "white"))) == pairs[1:]
    assert frequent_pairs(folder, ("cat", "dog")) == pairs  # whatever a classifier knows
    assert frequent_pairs(folder, ("dog", "horse")) == pairs[1:]
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


def _doubles(*parts: Tensor) -> list[np.ndarray]:
    return [part.numpy().astype(np.float64) for part in parts]
