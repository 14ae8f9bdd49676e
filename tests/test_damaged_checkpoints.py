"""A checkpoint of which a file is damaged, or of which two do not fit: the sentence names part and file."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from zeroshift import load
from zeroshift.backbones.checkpoint import find_checkpoint, find_configs
from zeroshift.diffusion.backbone import Unsupported
from zeroshift.miniature.classifier import build_classifier, load_classifier, save_classifier

UNET = "unet/diffusion_pytorch_model.safetensors"
TEXT = "text_encoder/model.safetensors"


@pytest.fixture
def folder(checkpoint, tmp_path) -> Path:
    return Path(shutil.copytree(checkpoint, tmp_path / "copy"))


def said(folder: Path) -> str:
    with pytest.raises(Unsupported, match="^[^\n]*; get it anew\\.$") as refusal:
        load(folder, device="cpu")
    return str(refusal.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\x80", '{"a": NaN}', "[" * 100_000])
@pytest.mark.parametrize(
    "file", ["unet/config.json", "tokenizer/tokenizer_config.json", "scheduler/scheduler_config.json"]
)
def test_tables_that_are_none(folder, file, text):
    (folder / file).write_text(text, encoding="latin-1")
    part, name = file.split("/")
    for find in (find_checkpoint, find_configs):
        with pytest.raises(Unsupported, match=f"^{name} of the {part} of copy is not a table in JSON .*anew"):
            find(folder, None, None)


@pytest.mark.parametrize("file", [UNET, TEXT])
def test_weights_cut_short(folder, file):
    (folder / file).write_bytes((folder / file).read_bytes()[:-10])
    part, name = file.split("/")
    assert said(folder).startswith(f"{name} of the {part} of copy is damaged or cut short (")


@pytest.mark.parametrize(("file", "key"), [(UNET, "conv_out.weight"), (TEXT, "encoder.layers.0.mlp.fc1.bias")])
def test_a_tensor_that_is_missing_or_misshaped(folder, file, key):
    tensors = load_file(folder / file)
    (name,) = (name for name in tensors if name.endswith(key))
    tensor = tensors.pop(name)
    save_file(tensors, folder / file, metadata={"format": "pt"})
    assert re.fullmatch(rf"\S+ of the \w+ of copy has no \S*{key}; get it anew\.", said(folder))
    save_file({**tensors, name: tensor[:1].contiguous()}, folder / file, metadata={"format": "pt"})
    assert key in said(folder)


@pytest.mark.parametrize(
    ("file", "changes", "words"),
    [
        ("vae/config.json", {"scaling_factor": 0}, ["The vae of copy", "scaling_factor of 0"]),
        ("vae/config.json", {"act_fn": "x"}, ["The vae of copy", "config.json"]),
        ("unet/config.json", {"in_channels": [4]}, ["unet of copy says in_channels [4], expected a whole number"]),
        ("unet/config.json", {"sample_size": None}, ["The unet of copy", "config.json"]),
        ("unet/config.json", {"layers_per_block": 10**6}, ["the unet of copy asks for layers_per_block 1000000"]),
        ("unet/config.json", {"addition_embed_type": "x"}, ["The unet of copy", "config.json"]),
        ("text_encoder/config.json", {"hidden_act": "x"}, ["The text_encoder of copy", "config.json"]),
        ("scheduler/scheduler_config.json", {"beta_schedule": "x"}, ["The scheduler of copy"]),
        ("tokenizer/tokenizer_config.json", {"model_max_length": 77}, ["model_max_length of 77", "at most 16 tokens"]),
    ],
)
def test_values_that_make_no_network(folder, file, changes, words):
    config = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps({**config, **changes}))
    for word in words:
        assert word in said(folder)


def test_a_tokenizer_of_another_text_encoder(folder):
    tensors, file = load_file(folder / TEXT), folder / "text_encoder/config.json"
    (name,) = (name for name in tensors if name.endswith("token_embedding.weight"))
    save_file({**tensors, name: tensors[name][:100].contiguous()}, folder / TEXT, metadata={"format": "pt"})
    file.write_text(json.dumps({**json.loads(file.read_text()), "vocab_size": 100}))
    assert "The tokenizer of copy" in said(folder) and "tokens that the text encoder does not know" in said(folder)


@pytest.mark.parametrize(
    "changes", [{"size": "x"}, {"classes": ["cat"]}, {"styles": ["mist"]}, {"architecture": {}}, {"coats": ["a", "b"]}]
)
def test_a_classifier_that_is_none(tmp_path, changes):
    save_classifier(build_classifier((8,), (1,), size=16), tmp_path)
    assert torch.equal(*(load_classifier(tmp_path).network.head.weight for _ in range(2)))
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, **changes}))
    with pytest.raises(ValueError, match=r"^The classifier in .* cannot be made of config\.json and model\.safetens"):
        load_classifier(tmp_path)
