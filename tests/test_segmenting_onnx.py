"""A mask found by an ONNX network: tiny ones, and a SegFormer's that must say what transformers says."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from transformers import SegformerForSemanticSegmentation

import zeroshift
from tests.test_segmenting import PICTURE, saved
from zeroshift.diffusion.backbone import Unsupported
from zeroshift.loading import open_segmenter
from zeroshift.masks.segmenting import SegmentationNetwork
from zeroshift.masks.segmenting_onnx import OnnxSegmenter

CPU = torch.device("cpu")
RAMP = np.dstack([np.tile(np.linspace(0, 255, 48), (48, 1))] * 3).round().astype(np.uint8)


def written(file: Path, weights: np.ndarray, side: int | str = "side", activation: str | None = None) -> Path:
    """A network of one layer: every class is a weighted sum of a place's colours."""
    nodes = [helper.make_node("Conv", ["picture", "weights"], ["sums" if activation else "found"])]
    over = {"axis": 1} if activation == "Softmax" else {}
    nodes += [helper.make_node(activation, ["sums"], ["found"], **over)] if activation else []
    shapes = {"picture": [1, 3, side, side], "found": [1, len(weights), side, side]}
    takes, says = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shapes[name]) for name in shapes)
    held = numpy_helper.from_array(weights[..., None, None].astype(np.float32), "weights")
    graph = helper.make_graph(nodes, "tiny", [takes], [says], [held])
    file.parent.mkdir(exist_ok=True, parents=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), file)
    return file


class Logits(torch.nn.Module):
    """What is exported: the network without transformers' own kind of answer."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network(x).logits


def told(folder: Path, **facts: object) -> None:
    (folder / "preprocessor_config.json").write_text(json.dumps(facts))


def test_an_exported_network_says_what_it_said_before(tmp_path):
    folder = saved(tmp_path / "net", ["background", "cat", "dog"])
    network = SegformerForSemanticSegmentation.from_pretrained(folder, attn_implementation="eager").eval()
    file = tmp_path / "export" / "onnx" / "model.onnx"
    file.parent.mkdir(parents=True)
    names = {"input_names": ["pixel_values"], "output_names": ["logits"], "dynamo": False}
    torch.onnx.export(
        Logits(network).eval(), (torch.zeros(1, 3, 64, 64),), tmp_path / "export" / "onnx" / "model.onnx", **names
    )
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / "export" / name).write_bytes((folder / name).read_bytes())
    exported = open_segmenter(tmp_path / "export", CPU)
    assert isinstance(exported, OnnxSegmenter)
    pictures = [Image.fromarray(PICTURE)] * 2
    wanted = SegmentationNetwork(folder).where(pictures, "cat")
    torch.testing.assert_close(exported.where(pictures, "cat"), wanted, atol=1e-5, rtol=0)


@pytest.mark.parametrize("activation", [None, "Sigmoid"])
def test_one_class_is_the_subject_whether_sure_already_or_not(tmp_path, activation):
    file = written(tmp_path / "saliency.onnx", np.array([[2.0, 2.0, 2.0]]), activation=activation)
    told(tmp_path, image_mean=[0.5] * 3, image_std=[0.5] * 3)
    found = open_segmenter(file, CPU).where([Image.fromarray(RAMP)], "whatever it is")
    wanted = 1 / (1 + np.exp(-6 * (RAMP[..., 0] / 127.5 - 1.0)))
    np.testing.assert_allclose(found[0, 0], wanted, atol=1e-5)


def test_the_size_fixed_in_the_file_goes_before_what_is_beside_it(tmp_path):
    file = written(tmp_path / "fixed.onnx", np.eye(3)[:1], side=16, activation="Sigmoid")
    told(tmp_path, size=64, image_mean=[0.0] * 3, image_std=[1.0] * 3)
    assert OnnxSegmenter(file).where([Image.fromarray(RAMP)], "").shape == (1, 1, 48, 48)


def test_shares_of_classes_are_not_shared_out_again(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"id2label": {"0": "background", "1": "cat"}}))
    told(tmp_path, image_mean=[0.0] * 3, image_std=[1.0] * 3)
    file = written(tmp_path / "shares.onnx", np.array([[0.3, 0, 0], [0, 0, 1.7]]), activation="Softmax")
    found = OnnxSegmenter(file).where([Image.fromarray(RAMP)], "cat")
    x = RAMP[..., 0] / 255
    np.testing.assert_allclose(found[0, 0], np.exp(1.7 * x) / (np.exp(0.3 * x) + np.exp(1.7 * x)), atol=1e-5)


def test_what_cannot_be_used_is_refused_in_a_sentence(tmp_path):
    nameless = written(tmp_path / "many" / "one.onnx", np.eye(3))
    with pytest.raises(Unsupported, match='knows no "cat"'):
        OnnxSegmenter(nameless).where([Image.fromarray(RAMP)], "cat")
    written(tmp_path / "many" / "two.onnx", np.eye(3))
    with pytest.raises(Unsupported, match="2 ONNX files"):
        open_segmenter(tmp_path / "many", CPU)
    (tmp_path / "cut.onnx").write_bytes(nameless.read_bytes()[:50])
    with pytest.raises(Unsupported, match="cannot be made of its file"):
        OnnxSegmenter(tmp_path / "cut.onnx").where([Image.fromarray(RAMP)], "cat")


def test_an_edit_keeps_to_what_it_finds(checkpoint, tmp_path):
    file = written(tmp_path / "bright.onnx", np.array([[9.0, 9.0, 9.0]]))
    told(tmp_path, image_mean=[0.5] * 3, image_std=[0.5] * 3)
    editor = zeroshift.load(checkpoint, device="cpu", precision="fp32", segmenter=file)
    spec = zeroshift.EditSpec(
        target="dog", source="cat", method="ddim", options={"steps": 2}, mask="auto", fit="stretch"
    )
    result = editor.edit(PICTURE, spec)
    assert result.recipe["segmenter_sha256"] == OnnxSegmenter(file).sha256
    found = np.asarray(result.mask) > 0
    assert found[:, 50:].all() and not found[:, :40].any()
    np.testing.assert_array_equal(np.asarray(result.image)[~found], PICTURE[~found])
