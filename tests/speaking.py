"""Tiny models of the real classes that say what a picture shows, and write sentences."""

from pathlib import Path

import torch
from PIL import Image
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import (
    BertTokenizerFast,
    BlipConfig,
    BlipForConditionalGeneration,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

BLIP_WORDS = (
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "[DEC]",
    "a",
    "cat",
    "dog",
    "photo",
    "of",
    "the",
    "on",
    "sofa",
)
WORDS = ["<pad>", "</s>", "<unk>", "a", "the", "cat", "dog", "sofa", "sleeps", "\n", "\n\n"]


def tiny_blip(place: Path) -> Path:
    """Save a tiny random BLIP that knows a dozen words."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = {**sizes, "vocab_size": len(BLIP_WORDS), "encoder_hidden_size": 16, "max_position_embeddings": 64}
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
    return saved_blip(model, place)


def saved_blip(model: BlipForConditionalGeneration, place: Path) -> Path:
    """A BLIP with the words and pictures that it takes, as transformers saves it."""
    model.save_pretrained(place)
    place.joinpath("vocab.txt").write_text("\n".join(BLIP_WORDS))
    BertTokenizerFast(vocab=str(place / "vocab.txt")).save_pretrained(place)
    BlipImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(place)
    return place


def taught_blip(place: Path, picture: Image.Image, caption: str) -> Path:
    """Save a tiny BLIP that was taught to say one caption of one picture."""
    tiny_blip(place)
    model, words = BlipForConditionalGeneration.from_pretrained(place), BertTokenizerFast.from_pretrained(place)
    pixels = BlipImageProcessorPil.from_pretrained(place)(images=[picture], return_tensors="pt").pixel_values
    ids = torch.tensor([[5, *words(caption, add_special_tokens=False).input_ids, 3]])  # [DEC] ... [SEP]
    step = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(60):
        loss = model(pixel_values=pixels, input_ids=ids, labels=ids).loss
        step.zero_grad()
        loss.backward()
        step.step()
    return saved_blip(model.eval(), place)


def word_tokenizer() -> PreTrainedTokenizerFast:
    words = Tokenizer(WordLevel({word: k for k, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=words, eos_token="</s>", pad_token="<pad>", unk_token="<unk>")


def language_model(folder: Path, causal: bool, chat: bool = False) -> Path:
    """Save a tiny random language model that knows a dozen words."""
    words = word_tokenizer()
    ids = {"eos_token_id": words.eos_token_id, "pad_token_id": words.pad_token_id}
    torch.manual_seed(0)
    if causal:
        shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
        model = LlamaForCausalLM(LlamaConfig(vocab_size=len(words), **shape, bos_token_id=0, **ids))
    else:
        shape = {"d_model": 16, "d_ff": 32, "d_kv": 8, "num_layers": 1, "num_heads": 2}
        model = T5ForConditionalGeneration(
            T5Config(vocab_size=len(words), **shape, decoder_start_token_id=words.pad_token_id, **ids)
        )
    if chat:
        words.chat_template = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>"
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder
