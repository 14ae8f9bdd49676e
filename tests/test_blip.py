"""Captions from a tiny random BLIP of the real class."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import (
    BertTokenizerFast,
    Blip2Config,
    Blip2ForConditionalGeneration,
    BlipForConditionalGeneration,
    PreTrainedTokenizerFast,
)
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

from tests.shell import call, photograph, refused
from tests.speaking import tiny_blip
from zeroshift import load
from zeroshift.captioning.blip import Blip, marks_of
from zeroshift.captioning.kept import CaptionFolder
from zeroshift.diffusion.backbone import Unsupported
from zeroshift.doubts import Doubt

BLIP_2_WORDS = ("<s>", "<pad>", "</s>", "<unk>", "<image>", "a", "cat", "dog", "photo", "of", "the", "on", "sofa")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_blip(tmp_path_factory.mktemp("captioner") / "blip")


def blip_2(place: Path) -> Path:
    """A tiny random BLIP-2 with OPT as its language model, as transformers saves it."""
    words = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(WordLevel({word: k for k, word in enumerate(BLIP_2_WORDS)}, unk_token="<unk>")),
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
    )
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    ids = {"bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1}
    text = {
        "hidden_size": 16,
        "ffn_dim": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "word_embed_proj_dim": 16,
    }
    config = Blip2Config(
        vision_config={**sizes, "image_size": 32, "patch_size": 16},
        qformer_config={**sizes, "encoder_hidden_size": 16, "vocab_size": 20},
        text_config={
            "model_type": "opt",
            "vocab_size": len(BLIP_2_WORDS),
            "max_position_embeddings": 64,
            **text,
            **ids,
        },
        num_query_tokens=4,
        image_token_index=4,
    )
    torch.manual_seed(0)
    model = Blip2ForConditionalGeneration(config)
    for weight in model.parameters():
        weight.data.mul_(8)  # else every picture has the same caption
    model.get_input_embeddings().weight.data[:5] = 0  # else marks are likelier than words
    model.save_pretrained(place)
    words.save_pretrained(place)
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
    assert wanted.startswith("[DEC] ")  # which is no word, whatever this tokenizer thinks
    assert Blip(folder, most_tokens=8).captions([one]) == [wanted.replace("[DEC] ", "")]


def test_a_picture_is_looked_at_once_and_alone(folder):
    found, blip = pictures(3), Blip(folder, most_tokens=8)
    together = blip.captions([*found, found[0]])
    assert len(blip.kept) == 3 and together[3] == together[0]
    assert [Blip(folder, most_tokens=8).captions([one])[0] for one in found] == together[:3]
    for key in blip.kept:
        blip.kept[key] = "a cat on the sofa"
    assert blip.captions(found) == ["a cat on the sofa"] * 3


def test_what_is_no_word_is_in_no_caption(folder, tmp_path):
    """BLIP begins with [DEC], which a tokenizer may take for a word like others."""
    kept = BertTokenizerFast.from_pretrained(folder)
    ids = [5, 7, 0, 6, 3, 13]  # [DEC] cat [PAD] a [SEP] sofa
    assert "[DEC]" in kept.decode(ids, skip_special_tokens=True)
    marks = marks_of(kept, BlipForConditionalGeneration.from_pretrained(folder).config)
    assert [kept.convert_ids_to_tokens(token) for token in ids if token not in marks] == ["cat", "a", "sofa"]
    renamed = {word: k for k, word in enumerate(("begin", "</s>", "end", "<image>", "<0x41>", "cat", "[oldies]", "<"))}
    plain = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(WordLevel(renamed, unk_token="</s>")))
    config = SimpleNamespace(text_config=SimpleNamespace(bos_token_id=0, eos_token_id=2), image_token_index=99)
    assert marks_of(plain, config) == {0, 1, 2, 3, 99}
    for caption in Blip(folder, most_tokens=8).captions(pictures(6)):
        assert "[" not in caption


def test_blip_2_says_what_transformers_says(tmp_path):
    place = blip_2(tmp_path / "blip-2")
    found = pictures(2)
    model = Blip2ForConditionalGeneration.from_pretrained(place)
    pixels = BlipImageProcessorPil.from_pretrained(place)(images=found[:1], return_tensors="pt").pixel_values
    ids = model.generate(pixel_values=pixels, max_new_tokens=8, do_sample=False)[0].tolist()
    assert ids[:5] == [4, 4, 4, 4, 0]  # the picture's places, and the beginning
    captions = Blip(place, most_tokens=8).captions(found)
    assert captions[0] == " ".join(BLIP_2_WORDS[k] for k in ids if k > 4) and len(set(captions)) == 2
    config = json.loads((place / "config.json").read_text())
    (place / "config.json").write_text(json.dumps({**config, "image_token_index": None}))
    with pytest.raises(Unsupported, match="names no image_token_index"):
        Blip(place)


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


def test_a_picture_is_looked_at_once_on_a_machine(capsys, folder, tmp_path, monkeypatch):
    """The second process does not even read the weights; another captioner, picture or setting is asked anew."""
    store, (one, other) = CaptionFolder(tmp_path), pictures(2)
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    wanted = Blip(folder, most_tokens=8).captions([one])
    assert Blip(copy, most_tokens=8, cache=store).captions([one]) == wanted
    again = Blip(copy, most_tokens=8, cache=store)
    assert again.captions([one]) == wanted and "_loaded" not in vars(again)
    listed = call(capsys, "cache", "list", "--cache", tmp_path)
    assert listed.out.endswith(f"copy  caption: {wanted[0]}\n")
    Blip(copy, most_tokens=8, cache=store).captions([one, other])
    Blip(copy, most_tokens=2, cache=store).captions([one])
    (copy / "model.safetensors").touch()
    Blip(copy, most_tokens=8, cache=store).captions([one])
    assert len(store.entries()) == 4
    store.entries()[-1].path.write_text("[1]")
    with pytest.warns(Doubt, match="in the cache of captions is damaged"):
        assert Blip(copy, most_tokens=8, cache=store).captions([one]) == wanted
    assert "4 files" in call(capsys, "cache", "clear", "--cache", tmp_path).out and not store.entries()
