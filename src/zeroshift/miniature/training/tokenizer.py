"""A CLIP tokenizer for a small vocabulary, trained on the captions and on the sentence bank's words."""

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizer

START, END, WORD_END = "<|startoftext|>", "<|endoftext|>", "</w>"
_WORDS = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def train_tokenizer(sentences: Iterable[str], vocabulary: int = 1500, length: int = 32) -> CLIPTokenizer:
    """A tokenizer of at most ``vocabulary`` pieces; like CLIP's, it pads with the end token to ``length``."""
    bpe = Tokenizer(models.BPE(end_of_word_suffix=WORD_END, unk_token=END))
    bpe.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(_WORDS), "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    sentences = list(sentences)
    # ties between merges go by id: letters that end words are numbered here, since the library numbers them by chance
    final = sorted({word[-1] for s in sentences for word, _ in split(bpe, s)})
    first = [START, END, *sorted(pre_tokenizers.ByteLevel.alphabet()), *(letter + WORD_END for letter in final)]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=first,
        end_of_word_suffix=WORD_END,
        show_progress=False,
    )
    bpe.train_from_iterator(sentences, trainer)
    merges = [tuple(pair) for pair in _merges(bpe)]
    return CLIPTokenizer(vocab=bpe.get_vocab(), merges=merges, model_max_length=length, pad_token=END)


def split(bpe: Tokenizer, sentence: str) -> list[tuple[str, tuple[int, int]]]:
    """The words of a sentence as the tokenizer sees them, with their places."""
    words: list[tuple[str, tuple[int, int]]] = bpe.pre_tokenizer.pre_tokenize_str(
        bpe.normalizer.normalize_str(sentence)
    )
    return words


def _merges(bpe: Tokenizer) -> list[list[str]]:
    import json

    pairs: list[list[str]] = json.loads(bpe.to_str())["model"]["merges"]
    return pairs
