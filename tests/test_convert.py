"""Folders in diffusers format written of one file and of pickled weights, reading nothing but data."""

import json
import os
import shutil
from pathlib import Path

import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file

from tests import replicas
from tests.original_layout import original, write_original
from tests.shell import call, refused
from tests.tiny import hub_cache
from zeroshift import load
from zeroshift.backbones.checkpoint import find_checkpoint
from zeroshift.backbones.convert import convert
from zeroshift.diffusion.backbone import Unsupported

WEIGHTS = {
    "unet/diffusion_pytorch_model": "unet/diffusion_pytorch_model",
    "vae/diffusion_pytorch_model": "vae/diffusion_pytorch_model",
    "text_encoder/model": "text_encoder/pytorch_model",
}


def pickled(checkpoint: Path, folder: Path) -> Path:
    """A checkpoint as older repositories have it, one network in two files."""
    shutil.copytree(checkpoint, folder)
    for plain, name in WEIGHTS.items():
        path = folder / f"{plain}.safetensors"
        tensors = load_file(path)
        path.unlink()
        if plain.startswith("unet"):
            halves = [dict(list(tensors.items())[k::2]) for k in range(2)]
            index = {}
            for k, half in enumerate(halves, 1):
                torch.save(half, folder / f"{name}-0000{k}-of-00002.bin")
                index |= dict.fromkeys(half, f"diffusion_pytorch_model-0000{k}-of-00002.bin")
            table = {"metadata": {"total_size": 1}, "weight_map": index}
            (folder / f"{name}.bin.index.json").write_text(json.dumps(table))
        else:
            torch.save(tensors, folder / f"{name}.bin")
    return folder


def test_pickled_weights_become_the_same_plain_ones(checkpoint, tmp_path, capsys):
    old = pickled(checkpoint, tmp_path / "old")
    with pytest.raises(Unsupported, match="only pickled weights, .*: zeroshift convert MODEL FOLDER"):
        load(old, device="cpu")
    assert call(capsys, "convert", old, tmp_path / "new").out == f"{tmp_path / 'new'}\n"
    ours, theirs = (load(model, device="cpu", precision="fp32").backbone for model in (tmp_path / "new", checkpoint))
    for part in ("unet", "vae", "text_encoder"):
        wanted = getattr(theirs, part).state_dict()
        assert all(torch.equal(x, wanted[key]) for key, x in getattr(ours, part).state_dict().items())
    assert not list((tmp_path / "new").rglob("*.bin"))


def test_a_file_becomes_a_folder_that_diffusers_loads(tmp_path):
    from diffusers import StableDiffusionXLPipeline

    pipeline = replicas.stable_diffusion_xl()
    convert(write_original(pipeline, "XL", tmp_path / "xl.safetensors"), tmp_path / "xl")
    again = StableDiffusionXLPipeline.from_pretrained(tmp_path / "xl", local_files_only=True)
    for part in ("unet", "vae", "text_encoder", "text_encoder_2"):
        wanted = getattr(pipeline, part).state_dict()
        assert all(torch.equal(x, wanted[key]) for key, x in getattr(again, part).state_dict().items())
    assert find_checkpoint(tmp_path / "xl", None, None).family.name == "Stable Diffusion XL"


def test_a_pickled_file_becomes_a_folder_in_its_precision(tmp_path):
    pipeline = replicas.stable_diffusion_1()
    tensors = {key: x.half() for key, x in original(pipeline, "1").items()}
    torch.save({"state_dict": tensors, "global_step": 7}, tmp_path / "old.ckpt")
    convert(tmp_path / "old.ckpt", tmp_path / "new")
    saved = load_file(tmp_path / "new/unet/diffusion_pytorch_model.safetensors")
    wanted = pipeline.unet.state_dict()
    assert saved.keys() == wanted.keys()
    assert all(torch.equal(x, wanted[key].half()) for key, x in saved.items())


class Trap:
    """What a pickle does when it is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path),)


def test_pickles_with_code_are_refused_and_not_run(checkpoint, tmp_path, capsys):
    old = pickled(checkpoint, tmp_path / "old")
    torch.save({"state_dict": Trap(tmp_path / "sprung")}, tmp_path / "trap.ckpt")
    torch.save(Trap(tmp_path / "sprung"), old / "vae/diffusion_pytorch_model.bin")
    for model in (tmp_path / "trap.ckpt", old):
        refused(call(capsys, "convert", model, tmp_path / "new"), 1, "holds more than tensors and plain data")
        assert not (tmp_path / "sprung").exists() and not (tmp_path / "new").exists()
    (tmp_path / "bad.ckpt").write_bytes(b"x")
    refused(call(capsys, "convert", tmp_path / "bad.ckpt", tmp_path / "new"), 1, "bad.ckpt holds more than", "damaged")


def test_nothing_is_written_over(checkpoint, tmp_path, capsys):
    old = pickled(checkpoint, tmp_path / "old")
    (tmp_path / "new").mkdir()
    (tmp_path / "new/mine.txt").write_text("mine")
    refused(call(capsys, "convert", old, tmp_path / "new"), 1, "is there and not empty")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["mine.txt"]


def test_a_hub_repository_with_pickles_alone_is_told_so(checkpoint, tmp_path, monkeypatch):
    old = pickled(checkpoint, tmp_path / "old")
    names = [path.relative_to(old).as_posix() for path in old.rglob("*")]
    monkeypatch.setattr(huggingface_hub, "list_repo_files", lambda name, *, revision: names)
    hub_cache(old, tmp_path / "cache", ignore=shutil.ignore_patterns("*.bin"))
    with pytest.raises(Unsupported, match=r"^The unet of owner/name has only pickled weights"):
        find_checkpoint("owner/name", None, tmp_path / "cache")
