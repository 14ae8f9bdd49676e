"""How a CLIP tokenizer takes words apart: byte pair encoding over the bytes of UTF-8."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

from transformers import CLIPTokenizer

WORD_END = "</w>"


@final
@dataclass(frozen=True, eq=False)
class TokenizerSpelling:
    """What a CLIP tokenizer makes of words."""

    tokenizer: CLIPTokenizer

    @property
    def length(self) -> int:
        """How many tokens of a prompt are read at most, begin and end token among them."""
        return int(self.tokenizer.model_max_length)

    @cached_property
    def whole(self) -> frozenset[str]:
        """All words that are one token, in small letters."""
        ended = (token.removesuffix(WORD_END) for token in self.tokenizer.get_vocab() if token.endswith(WORD_END))
        return frozenset(word for word in ended if word.isascii() and word.isalpha())

    def pieces(self, word: str) -> tuple[str, ...]:
        """The text of each token of a word; empty for one that is no whole character."""
        ids, special = self.tokenizer(word, add_special_tokens=False).input_ids, set(self.tokenizer.all_special_ids)
        texts = ("" if i in special else self.tokenizer.decode([i]).strip() for i in ids)
        return tuple("" if "\N{REPLACEMENT CHARACTER}" in text else text for text in texts)

    def lengths(self, prompts: Sequence[str]) -> list[int]:
        """How many tokens each prompt has before it is cut, begin and end token among them."""
        return [len(ids) for ids in self.tokenizer(list(prompts), verbose=False).input_ids]
