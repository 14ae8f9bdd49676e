"""Sentences from a language model on this machine, as pix2pix-zero's demo takes them from FLAN-T5."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

from zeroshift.backbones.checkpoint import is_folder
from zeroshift.backbones.hub import snapshot
from zeroshift.backbones.whole import check_weights, loading, no_bars
from zeroshift.diffusion.backbone import Unsupported
from zeroshift.files import sha256_of
from zeroshift.generators.base import asked
from zeroshift.generators.sifting import marked
from zeroshift.sentences import with_article

_WANTED = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja")
_READ = (
    "*.safetensors",
    "*config.json",
    "tokenizer*",
    "special_tokens_map.json",
    "vocab*",
    "merges.txt",
    "*.model",
    "*.jinja",
)
"""files that sentences depend on"""
_THINKS = "<think>"
"""what templates of models that reason may end in"""
_WHAT = "a language model as transformers saves it"


@dataclass(frozen=True)
class LanguageModel:
    """A model of transformers: one that answers a text (FLAN-T5) or that goes on with one (any causal model).

    Raises:
        ValueError: there is no such folder or repository.
        Unsupported: it has no configuration or no plain weights, or is no language model.
    """

    model: str | Path
    """folder as transformers saves it, or hub id"""
    seed: int = 0
    """sentences are drawn with it"""
    temperature: float = 0.95
    """of drawing, as in pix2pix-zero's demo"""
    at_once: int = 16
    """answers to one request"""
    most_tokens: int = 64
    """of one answer"""
    most_requests: int = 250
    """for one word"""
    cache_dir: str | Path | None = None
    """where hub downloads are kept"""
    device: str = "cpu"
    """where it runs, as torch calls it"""

    @property
    def name(self) -> str:
        return f"language model {self._title}"

    @property
    def settings(self) -> Mapping[str, str]:
        return {
            "seed": str(self.seed),
            "temperature": f"{self.temperature:g}",
            "at_once": str(self.at_once),
            "most_tokens": str(self.most_tokens),
            "request": request("WORD"),
            "sha256": self._sha256,
        }

    def __call__(self, word: str, count: int) -> Sequence[str]:
        return asked(self._answers, word, count, self.most_requests)

    @property
    def _title(self) -> str:
        folder = Path(self.model)
        return folder.resolve().name if folder.is_dir() else str(self.model)

    @cached_property
    def _root(self) -> Path:
        folder = is_folder(self.model, _WHAT)
        return (
            Path(self.model)
            if folder
            else snapshot(str(self.model), None, self.cache_dir, _WANTED, what="language model")
        )

    @cached_property
    def _sha256(self) -> str:
        return sha256_of({file for pattern in _READ for file in self._root.glob(pattern)}, self._root)

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        root = self._root
        if not (root / "config.json").is_file():
            raise Unsupported(f"The language model {self._title} has no config.json; give the folder of {_WHAT}.")
        weights = sorted(root.glob("*.safetensors"))
        if not weights:
            raise Unsupported(f"The language model {self._title} has no .safetensors weights; give one that has.")
        what = f"the language model {self._title}"
        check_weights(weights, what)
        with loading(what, "its files"), no_bars():
            config = AutoConfig.from_pretrained(root, local_files_only=True)
            kind = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
            tokenizer = AutoTokenizer.from_pretrained(root, local_files_only=True)
            model = kind.from_pretrained(root, local_files_only=True, use_safetensors=True)
        if not model.can_generate():
            raise Unsupported(f"{what.capitalize()} writes no text; give {_WHAT}.")
        return model.to(self.device).eval(), tokenizer

    @torch.no_grad()
    def _answers(self, word: str, number: int) -> list[str]:
        model, tokenizer = self._loaded
        prompt = prompt_of(tokenizer, word)
        ids = ids_of(tokenizer, prompt).to(model.device)
        with torch.random.fork_rng():  # transformers draws from torch's own generator
            torch.manual_seed(self.seed * 100_003 + number)
            drawn = model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                do_sample=True,
                temperature=self.temperature,
                num_return_sequences=self.at_once,
                max_new_tokens=self.most_tokens,
                pad_token_id=tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id,
            )
        pad, eos = tokenizer.pad_token_id, model.generation_config.eos_token_id
        ends = {pad, *(eos if isinstance(eos, list) else [eos])}
        begins = 0 if model.config.is_encoder_decoder else ids.shape[1]
        texts = tokenizer.batch_decode(drawn[:, begins:], skip_special_tokens=True)
        answers = [marked(said, int(row[-1]) not in ends) for said, row in zip(texts, drawn, strict=True)]
        thinks = _THINKS if prompt.rstrip().endswith(_THINKS) else ""  # then an answer has the end of it alone
        return [line for answer in answers for line in f"{thinks}{answer}".splitlines() if line.strip()]


def request(word: str) -> str:
    """What is asked of it."""
    return f'Write one caption of a picture that shows {with_article(word)}, with the word "{word}" in it.'


def prompt_of(tokenizer: Any, word: str) -> str:  # noqa: ANN401 - of any class of transformers
    """The request as the model was taught to take it."""
    if tokenizer.chat_template is None:
        return request(word)
    chat = [{"role": "user", "content": request(word)}]
    prompt: str = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    return prompt


def ids_of(tokenizer: Any, prompt: str) -> torch.Tensor:  # noqa: ANN401 - of any class of transformers
    """The tokens of a prompt, 1 x n; a chat template has written the special ones already."""
    ids: torch.Tensor = tokenizer(
        prompt, return_tensors="pt", add_special_tokens=tokenizer.chat_template is None
    ).input_ids
    return ids
