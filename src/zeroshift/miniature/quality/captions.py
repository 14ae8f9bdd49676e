"""How often a captioner is right: on photographs, and on renderings of them in other styles."""

from collections.abc import Sequence
from statistics import fmean

from torch import Tensor

from zeroshift.captioning import Captioner
from zeroshift.captioning.subject import subject_of
from zeroshift.image.tensors import to_pictures
from zeroshift.miniature.data import CaptionedPicture
from zeroshift.miniature.reading import style_of
from zeroshift.miniature.renderings import RENDERINGS
from zeroshift.miniature.vocabulary import STYLES


def caption_figures(captioner: Captioner, pictures: Tensor, rows: Sequence[CaptionedPicture]) -> dict[str, float]:
    """How often captions of uint8 photographs (N, 3, S, S) have the noun that is their rows' ``species``.

    Of coats that were labelled by hand: how often captions say one, and how often that is the right one.
    """
    captions = captioned(captioner, pictures)
    figures = {"caption_animal_accuracy": animals(captions, rows)}
    by_hand = [row.labels.get("coat_label", "hand") == "hand" for row in rows]
    coated = [k for k, row in enumerate(rows) if row.labels.get("coat") and by_hand[k]]
    said = [(attributes(captions[k]), rows[k].labels["coat"]) for k in coated if attributes(captions[k])]
    if coated:
        figures["caption_coats_said"] = len(said) / len(coated)
    if said:
        figures["caption_coats_right"] = sum(found == coat for found, coat in said) / len(said)
    return figures


def style_caption_figures(captioner: Captioner, pictures: Tensor, rows: Sequence[CaptionedPicture]) -> dict[str, float]:
    """How often captions say the right style of uint8 photographs (N, 3, S, S) and of renderings in all others.

    Also how often they name the right animal in renderings. Every style counts alike.
    """
    right, told = [], []
    for style in STYLES:
        captions = captioned(captioner, pictures, style)
        right.append(sum(style_of(caption) == style for caption in captions) / len(captions))
        told += [animals(captions, rows)] * (style in RENDERINGS)
    names = (f"caption_style_accuracy_{style.replace('-', '_')}" for style in STYLES)
    means = {"caption_style_accuracy": fmean(right), "caption_renderings_animal_accuracy": fmean(told)}
    return {**means, **dict(zip(names, right, strict=True))}


def captioned(captioner: Captioner, pictures: Tensor, style: str = STYLES[0], batch: int = 64) -> list[str]:
    """Captions of uint8 photographs (N, 3, S, S), rendered in another style first if one is named."""
    found: list[str] = []
    for part in pictures.split(batch):
        shown = RENDERINGS[style](part) if style in RENDERINGS else part
        found += captioner.captions(to_pictures(shown.float() / 127.5 - 1))
    return found


def animals(captions: Sequence[str], rows: Sequence[CaptionedPicture]) -> float:
    """The share of captions whose noun is their row's ``species``."""
    hits = [subject_of(text).noun == row.labels["species"] for text, row in zip(captions, rows, strict=True)]
    return sum(hits) / len(hits)


def attributes(caption: str) -> str:
    """What stands before the noun: "black and white" of "a photo of a black and white cat"."""
    seen = subject_of(caption)
    return seen.phrase.removesuffix(seen.noun).strip()
