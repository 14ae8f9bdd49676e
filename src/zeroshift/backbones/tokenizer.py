"""CLIP's public tokenizer (Radford et al. 2021), for checkpoints that come without one."""

import gzip
from functools import cache
from pathlib import Path

from transformers import CLIPTokenizer
from transformers.convert_slow_tokenizer import bytes_to_unicode

_MERGES = Path(__file__).parent / "vocabulary/merges.txt.gz"
START, END, LENGTH = "<|startoftext|>", "<|endoftext|>", 77
OPEN_CLIP_PADDING = "!"


@cache
def vocabulary() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """The 49,408 pieces with their numbers, and the merges that lead to them.

    Bytes come first, then bytes that end a word, then what is merged of them, then the two special tokens.
    """
    merges = [(a, b) for a, b in (line.split() for line in gzip.decompress(_MERGES.read_bytes()).decode().splitlines())]
    letters = list(bytes_to_unicode().values())
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), *(a + b for a, b in merges), START, END]
    return {piece: number for number, piece in enumerate(pieces)}, merges


def clip_tokenizer(padding: str = END) -> CLIPTokenizer:
    """A tokenizer of 77 tokens; Stable Diffusion 1 pads with the end token, OpenCLIP's encoders were used with "!"."""
    pieces, merges = vocabulary()
    return CLIPTokenizer(vocab=pieces, merges=merges, model_max_length=LENGTH, pad_token=padding)
