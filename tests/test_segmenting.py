"""A mask found by a segmentation network: tiny SegFormers whose last layer is made to say what colour tells."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import SegformerConfig, SegformerForSemanticSegmentation

import zeroshift
from zeroshift import EditSpec, replay
from zeroshift.diffusion.backbone import Unsupported
from zeroshift.image import Photo, encode_image, read_recipe
from zeroshift.loading import open_segmenter
from zeroshift.masks.segmenting import SegmentationNetwork
from zeroshift.recipe import parse_recipe

PICTURE = np.full((96, 96, 3), 30, np.uint8)
PICTURE[:, 48:] = 220


def saved(folder: Path, labels: list[str]) -> Path:
    torch.manual_seed(0)
    config = SegformerConfig(
        hidden_sizes=[8, 8, 8, 8],
        depths=[1, 1, 1, 1],
        num_attention_heads=[1, 1, 1, 1],
        decoder_hidden_size=8,
        id2label=dict(enumerate(labels)),
        label2id={label: k for k, label in enumerate(labels)},
    )
    SegformerForSemanticSegmentation(config).save_pretrained(folder)
    facts = {"size": {"height": 64, "width": 64}, "image_mean": [0.5] * 3, "image_std": [0.25] * 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(facts))
    return folder


def plain(folder: Path, side: int) -> torch.Tensor:
    """What transformers' own network says of the picture, prepared by hand."""
    x = torch.from_numpy(PICTURE).permute(2, 0, 1)[None].float() / 255
    small = torch.nn.functional.interpolate(x, size=side, mode="bilinear", antialias=True)
    network = SegformerForSemanticSegmentation.from_pretrained(folder).eval()
    with torch.no_grad():
        return network((small - 0.5) / 0.25).logits


@pytest.mark.parametrize(
    ("labels", "subject", "share"),
    [
        (["background", "cat", "dog"], "cat", lambda p: p[:, 1]),
        (["background", "thing", "dog"], "cat", lambda p: 1 - p[:, 0]),
        (["sky", "Tabby cat", "wild cat"], "cat", lambda p: p[:, 1] + p[:, 2]),
    ],
)
def test_the_subject_is_its_class_or_all_but_the_background(tmp_path, labels, subject, share):
    folder = saved(tmp_path / "net", labels)
    found = SegmentationNetwork(folder).where([Image.fromarray(PICTURE)], subject)
    wanted = share(plain(folder, 64).softmax(1))[:, None]
    wanted = torch.nn.functional.interpolate(wanted, size=(96, 96), mode="bilinear", align_corners=False)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


def test_what_says_nothing_of_the_subject_is_refused(tmp_path):
    network = SegmentationNetwork(saved(tmp_path / "net", ["sky", "tree", "road"]))
    with pytest.raises(Unsupported, match='knows no "cat"'):
        network.where([Image.fromarray(PICTURE)], "cat")
    (tmp_path / "empty").mkdir()
    with pytest.raises(Unsupported, match="has no config.json"):
        SegmentationNetwork(tmp_path / "empty")


@pytest.mark.parametrize("name", ["nowhere", "owner/name", "weights.pt"])
def test_what_is_no_folder_and_no_onnx_file_is_said_to_be_none(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights.pt").write_bytes(b"")
    with pytest.raises(Unsupported, match=f"^There is no folder or .onnx file {name}; give a segmentation model"):
        open_segmenter(name, torch.device("cpu"))


def test_an_edit_changes_what_the_network_finds_and_is_made_again(checkpoint, tmp_path):
    folder = saved(tmp_path / "net", ["background", "cat", "dog"])
    editor = zeroshift.load(checkpoint, device="cpu", precision="fp32", segmenter=folder)
    spec = EditSpec(target="dog", source="cat", method="ddim", options={"steps": 2}, mask="auto", fit="stretch")
    result = editor.edit(PICTURE, spec)
    assert result.recipe["segmenter_sha256"] == SegmentationNetwork(folder).sha256
    outside = np.asarray(result.mask) == 0
    np.testing.assert_array_equal(np.asarray(result.image)[outside], PICTURE[outside])
    path = tmp_path / "edit.png"
    path.write_bytes(encode_image(result.image, "PNG", result.recipe))
    recipe = parse_recipe(read_recipe(path))
    *_, last = replay(editor, recipe, Photo.of(PICTURE))
    np.testing.assert_array_equal(np.asarray(last.results[0][0].image), np.asarray(result.image))
    alone = zeroshift.load(checkpoint, device="cpu", precision="fp32")
    with pytest.raises(ValueError, match="segmenter"):
        replay(alone, recipe, Photo.of(PICTURE))
