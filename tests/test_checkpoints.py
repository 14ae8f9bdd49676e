"""Checkpoints on disk and in the hub's cache: which files are loaded, hashed and named."""

import json
import re
import shutil
from pathlib import Path

import huggingface_hub
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from tests.tiny import COMMIT, hub_cache
from zeroshift import load
from zeroshift.asked.edits import EditSpec
from zeroshift.backbones import load_backbone
from zeroshift.backbones.checkpoint import SHIPPED, find_checkpoint
from zeroshift.diffusion.backbone import Unsupported
from zeroshift.editor import Editor
from zeroshift.loading import own_captioner
from zeroshift.methods import DDIM
from zeroshift.miniature.classifier import build_classifier, save_classifier
from zeroshift.presets import read_presets

NETWORKS = {
    "unet": "diffusion_pytorch_model",
    "vae": "diffusion_pytorch_model",
    "text_encoder": "model",
}


def halved(folder: Path, part: str, keep: bool = False) -> None:
    """Write a network's weights in half precision under the name that such files have."""
    plain = folder / part / f"{NETWORKS[part]}.safetensors"
    tensors = {name: tensor.half() for name, tensor in load_file(plain).items()}
    save_file(tensors, folder / part / f"{NETWORKS[part]}.fp16.safetensors", metadata={"format": "pt"})
    if not keep:
        plain.unlink()


@pytest.fixture
def folder(checkpoint, tmp_path) -> Path:
    return Path(shutil.copytree(checkpoint, tmp_path / "copy"))


def sha256(model: Path) -> str:
    return load_backbone(model, device="cpu").identity.sha256


@pytest.mark.parametrize("parts", [["unet"], ["vae", "text_encoder"], list(NETWORKS)])
def test_half_precision_files_where_there_are_no_others(folder, parts):
    for part in parts:
        halved(folder, part)
    assert dict(find_checkpoint(folder, None, None).variants) == {
        part: "fp16" if part in parts else None for part in NETWORKS
    }
    backbone = load_backbone(folder, device="cpu", precision="fp32")
    for part in NETWORKS:
        name = NETWORKS[part] + (".fp16" if part in parts else "")
        saved = load_file(folder / part / f"{name}.safetensors")
        loaded = getattr(backbone, part).state_dict()
        first = next(key for key in saved if key in loaded and saved[key].ndim > 1)
        assert torch.equal(loaded[first], saved[first].float())


def test_plain_files_come_first(folder):
    before = sha256(folder)
    for part in NETWORKS:
        halved(folder, part, keep=True)
    assert set(find_checkpoint(folder, None, None).variants.values()) == {None}
    assert sha256(folder) == before


def test_the_hash_covers_what_is_loaded_and_nothing_else(folder):
    before = sha256(folder)
    (folder / "unet" / "diffusion_pytorch_model.non_ema.safetensors").write_bytes(b"junk")
    (folder / "unet" / "old").mkdir()
    (folder / "unet" / "old" / "config.json").write_text("{}")
    (folder / "unet" / "notes.txt").write_text("mine")
    assert sha256(folder) == before
    config = json.loads((folder / "scheduler/scheduler_config.json").read_text())
    (folder / "scheduler/scheduler_config.json").write_text(json.dumps({**config, "steps_offset": 0}))
    assert sha256(folder) != before


def test_every_loaded_file_is_hashed(folder):
    names = [path.relative_to(folder).as_posix() for path in find_checkpoint(folder, None, None).files()]
    assert len(set(names)) == len(names)
    assert {f"{part}/{name}.safetensors" for part, name in NETWORKS.items()} <= set(names)
    assert {"unet/config.json", "tokenizer/tokenizer_config.json", "scheduler/scheduler_config.json"} <= set(names)
    assert not [name for name in names if "pytorch_model.bin" in name or name == "model_index.json"]


def test_weights_in_several_files(folder):
    from diffusers import UNet2DConditionModel

    whole = load_backbone(folder, device="cpu")
    weights = folder / "unet/diffusion_pytorch_model.safetensors"
    UNet2DConditionModel.from_pretrained(folder / "unet").save_pretrained(folder / "unet", max_shard_size="50KB")
    weights.unlink(missing_ok=True)
    assert len(list((folder / "unet").glob("*.safetensors"))) > 1
    split = load_backbone(folder, device="cpu")
    assert all(torch.equal(a, b) for a, b in zip(whole.unet.parameters(), split.unet.parameters(), strict=True))
    names = {path.name for path in find_checkpoint(folder, None, None).files()}
    assert "diffusion_pytorch_model.safetensors.index.json" in names


@pytest.mark.parametrize("half", [False, True])
def test_a_checkpoint_of_the_hub_is_named_by_its_commit(checkpoint, tmp_path, half):
    snapshot = hub_cache(checkpoint, tmp_path)
    if half:
        for part in NETWORKS:
            halved(snapshot, part)
    for revision in (None, "main", COMMIT):
        identity = load_backbone("owner/name", revision=revision, cache_dir=tmp_path, device="cpu").identity
        assert (identity.name, identity.revision, identity.sha256) == ("owner/name", COMMIT, sha256(snapshot))
    with pytest.raises(ValueError, match="cannot be downloaded"):
        load_backbone("owner/name", revision="other", cache_dir=tmp_path)


def test_what_comes_with_a_checkpoint_of_the_hub_is_found(checkpoint, tmp_path, monkeypatch):
    """Presets and captioner of a repository are asked for, and are those of its folder on this machine."""
    asked, download = list[str](), huggingface_hub.snapshot_download

    def recorded(name: str, *, allow_patterns: list[str], **options: object) -> str:
        asked.extend(allow_patterns)
        return download(name, allow_patterns=allow_patterns, **options)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", recorded)
    snapshot = hub_cache(checkpoint, tmp_path)
    (snapshot / "presets.json").write_text('{"ddim": {"options": {"steps": 7}}}')
    save_classifier(build_classifier((8,), (1,), size=16), snapshot / "classifier")
    editor = load("owner/name", cache_dir=tmp_path, device="cpu")
    assert editor.presets == {"ddim": {"steps": 7}}
    assert editor.see(Image.new("RGB", (32, 32))).caption in ("a photo of a cat", "a photo of a dog")
    assert {"presets.json", "classifier/*.json", "classifier/*.safetensors"} <= set(asked)


def test_no_weights(folder):
    (folder / "vae/diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(Unsupported, match="The vae of copy has no weights; zeroshift loads .safetensors only"):
        load_backbone(folder)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"pix2pix-zero": 1}', '{"pix2pix-zero": {}}', '{"pix2pix-zero": {"options": [1]}}', "\x80"],
)
def test_broken_presets_are_one_sentence(tmp_path, text):
    (tmp_path / "presets.json").write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match=r"presets\.json is not a table such as .*; mend it or take it away\.$"):
        read_presets(tmp_path)


def test_presets(tmp_path):
    assert read_presets(tmp_path) == {}
    (tmp_path / "presets.json").write_text('{"pix2pix-zero": {"why": "x", "options": {"steps": 7}}}')
    assert read_presets(tmp_path) == {"pix2pix-zero": {"steps": 7}}


def test_edits_of_the_whole_picture_have_presets_of_their_own(tiny, tmp_path):
    table = {"ddim": {"steps": 7, "guidance_scale": 5.0}, "ddim, whole picture": {"guidance_scale": 2.0}}
    (tmp_path / "presets.json").write_text(json.dumps({name: {"options": o} for name, o in table.items()}))
    editor = Editor(tiny, read_presets(tmp_path), own_captioner(SHIPPED))
    spec = EditSpec(source="cat", target="dog", method="ddim")
    assert spec.resolve(editor).method == DDIM(steps=7, guidance_scale=5.0)
    assert spec.model_copy(update={"target": "sketch"}).resolve(editor).method == DDIM(steps=7, guidance_scale=2.0)
    (tmp_path / "presets.json").write_text(json.dumps({"ddim, whole picture": {"options": {"steps": 0}}}))
    with pytest.raises(ValueError, match="recommends what cannot be"):
        read_presets(tmp_path)


@pytest.mark.skipif(not (SHIPPED / "unet").is_dir(), reason="the shipped model is not there")
def test_the_shipped_model_is_whole():
    checkpoint = find_checkpoint(None, None, None)
    assert all(path.is_file() for path in checkpoint.files()) and checkpoint.revision is None


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"device": "gpu"}, "`device` is one of: auto, cpu, cuda, mps, not 'gpu'."),
        ({"precision": "half"}, "`precision` is one of: auto, fp32, fp16, bf16, not 'half'."),
        ({"memory": None}, "`memory` is one of: low, auto, high, not None."),
    ],
)
def test_a_value_that_there_is_not_is_refused_before_anything_is_looked_for(asked, said):
    with pytest.raises(ValueError, match="^" + re.escape(said) + "$"):
        load("nowhere", **asked)
