"""Captions from a tiny random BLIP of the real class."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import BertTokenizerFast, BlipConfig, BlipForConditionalGeneration
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

from tests.shell import call, photograph, refused
from zeroshift import load
from zeroshift.captioning.blip import Blip
from zeroshift.diffusion.backbone import Unsupported

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "a", "cat", "dog", "photo", "of", "the", "on", "sofa")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("captioner") / "blip"
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = {**sizes, "vocab_size": len(WORDS), "encoder_hidden_size": 16, "max_position_embeddings": 64}
    ids = {"bos_token_id": 5, "sep_token_id": 3, "eos_token_id": 3, "pad_token_id": 0}
    config = BlipConfig(
        text_config={**text, **ids},
        vision_config={**sizes, "image_size": 32, "patch_size": 16},
        projection_dim=16,
        image_text_hidden_size=16,
    )
    model = BlipForConditionalGeneration(config).eval()
    for weight in model.parameters():
        weight.data.mul_(3)  # else every picture has the same caption
    model.save_pretrained(place)
    place.joinpath("vocab.txt").write_text("\n".join(WORDS))
    BertTokenizerFast(vocab=str(place / "vocab.txt")).save_pretrained(place)
    BlipImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(place)
    return place


def pictures(count: int) -> list[Image.Image]:
    generator = np.random.default_rng(1)
    return [Image.fromarray(generator.integers(0, 256, (40, 30, 3), dtype=np.uint8)) for _ in range(count)]


def test_the_caption_is_that_of_transformers(folder):
    (one,) = pictures(1)
    model = BlipForConditionalGeneration.from_pretrained(folder)
    pixels = BlipImageProcessorPil.from_pretrained(folder)(images=[one], return_tensors="pt").pixel_values
    ids = model.generate(pixel_values=pixels, max_new_tokens=8, do_sample=False)
    wanted = BertTokenizerFast.from_pretrained(folder).decode(ids[0], skip_special_tokens=True)
    assert Blip(folder, most_tokens=8).captions([one]) == [wanted]


def test_a_picture_is_looked_at_once_and_alone(folder):
    found, blip = pictures(3), Blip(folder, most_tokens=8)
    together = blip.captions([*found, found[0]])
    assert len(blip.kept) == 3 and together[3] == together[0]
    assert [Blip(folder, most_tokens=8).captions([one])[0] for one in found] == together[:3]
    for key in blip.kept:
        blip.kept[key] = "a cat on the sofa"
    assert blip.captions(found) == ["a cat on the sofa"] * 3


def test_what_is_no_captioner_is_refused(folder, checkpoint, tmp_path):
    with pytest.raises(ValueError, match="There is no folder"):
        Blip(tmp_path / "none")
    with pytest.raises(Unsupported, match="no config.json"):
        Blip(checkpoint)
    other = shutil.copytree(folder, tmp_path / "other")
    (other / "config.json").write_text(json.dumps({"model_type": "clip"}))
    with pytest.raises(Unsupported, match="of the kind 'clip'"):
        Blip(other)
    (other / "model.safetensors").unlink()
    shutil.copy(folder / "config.json", other / "config.json")
    with pytest.raises(Unsupported, match="no .safetensors weights"):
        Blip(other)


def test_an_edit_without_a_source_by_its_caption(capsys, folder, checkpoint, tmp_path, monkeypatch):
    place = photograph(tmp_path / "x.png", 32, 32)
    (caption,) = Blip(folder).captions([Image.open(place)])
    done = call(capsys, "caption", place, "--model", checkpoint, "--captioner", folder)
    assert done.code == 0 and done.out == f"{place}: {caption}\n"
    monkeypatch.setattr(Blip, "captions", lambda self, found: ["a cat on the sofa"] * len(found))
    result = load(checkpoint, captioner=folder).edit(place, target="dog", method="sdedit")
    assert (result.recipe["caption"], result.recipe["target_prompt"]) == ("a cat on the sofa", "a dog on the sofa")
    done = call(capsys, "edit", place, "--target", "dog", "--model", checkpoint)
    refused(done, 1, "no captioner", "--source", "--captioner")
