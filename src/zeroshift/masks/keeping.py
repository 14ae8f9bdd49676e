"""Of anybody's edited picture, what was meant to change; of the photograph, everything else, pixel by pixel."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zeroshift.image import ImageError, Photo, Picture, as_photo
from zeroshift.image.blending import blended
from zeroshift.image.changes import changed_part, disk, exactly_changed, grown
from zeroshift.image.drift import Drift, drift_of
from zeroshift.image.framing import Size
from zeroshift.image.masks import mask_picture, read_mask
from zeroshift.image.registration import Mask, Motion, limited, motion_of, moved_back

SOFT = 1 / 60
"""of the shorter side: how far an edit fades in, unless somebody says otherwise"""
_SAME = 0.01  # how far proportions may differ and count as the same
_AS_MANY = 0.1  # how far shares of tiles that agree with a motion may differ and count as the same
_UNSURE = 0.3  # of the tiles: where fewer moved alike, it is not sure how the two pictures lie
_CHANCE = 0.15  # of the tiles: so few agree with some motion in pictures that have nothing in common
_UNEVEN = 15.0  # grey levels: by so much and more another content differs from place to place, and no tint
_LOST = 0.01  # of a mask: so much may lie where the edit shows nothing without a word
_CUT = 0.1  # of the side of a square as large as an edit: so long it may lie at the end of what is shown
_LITTLE = 0.05  # of the picture: so little that is kept says nothing of the edit's colours


@dataclass(frozen=True, eq=False)
class Kept:
    """An edited picture whose background is the photograph's."""

    image: Image.Image
    """of the original's size, with its alpha; outside of ``mask`` its pixels are the original's"""
    mask: Image.Image
    """mode L, white where the edit was taken"""
    drift: Drift
    """how far the edited picture had drifted before; inside and outside of ``mask``"""
    warnings: tuple[str, ...] = ()
    """what may not be as somebody thinks"""


@dataclass(frozen=True, eq=False)
class _Laid:
    """An edit laid over its original, before its motion is undone."""

    picture: NDArray[np.uint8]
    """(H, W, 3)"""
    known: Mask
    """where it shows something, (H, W)"""
    motion: Motion


def keep(original: Picture, edited: Picture, *, mask: Picture | None = None, soft: int | None = None) -> Kept:
    """Take from an edited picture what changed, and everything else from the original.

    The edit is brought to the original's size, its shift, zoom and turn are found and undone, and the part that
    changed is blended in: its colours are matched to the original's along the border and it fades in over a few
    pixels, all of them inside of the mask.

    Args:
        original: the picture that was edited.
        edited: the same after any editor, of any size; its alpha is not looked at.
        mask: where the edit is taken, a picture of the original's size as ``image.masks.read_mask`` takes it; by
            default where something changed, and around it as far as the edit fades in.
        soft: pixels over which the edit fades in, 0 or more; by default 1/60 of the shorter side.

    Raises:
        ImageError: a picture is unusable, or the mask of another size, empty or nowhere that the edit shows.
        ValueError: ``soft`` is below 0.
    """
    before, after = as_photo(original), as_photo(edited)
    width = round(min(before.image.size) * SOFT) if soft is None else soft
    if width < 0:
        raise ValueError(f"The width `soft` is 0 or more pixels, not {soft}.")
    given = None if mask is None else read_mask(mask, before.image.size)
    pixels = np.asarray(before.image)
    laid = _likeliest(pixels, after)
    aligned, known = _aligned(pixels, laid)
    changed, where = _found(pixels, aligned, known, width) if given is None else (None, _shown(given, known))
    compared = known if _colours_told(where, known) else where
    reach = None if given is None else _reach(pixels, aligned, where, known, width)
    image = Image.fromarray(blended(pixels, aligned, where, width, compared, reach=reach))
    drift = drift_of(pixels, laid.picture, where, laid.motion, laid.known)
    doubts = (*_doubts(where, known, given, laid.motion), *_cut_off(changed, known, width))
    return Kept(before.with_alpha(image), mask_picture(where), drift, doubts)


def _colours_told(where: Mask, known: Mask) -> bool:
    """Whether enough lies outside of the edit for its colours to be compared there."""
    return float((known & ~where).sum()) >= _LITTLE * float(known.sum())


def _reach(original: NDArray[np.uint8], aligned: NDArray[np.uint8], where: Mask, known: Mask, soft: int) -> int | None:
    """Over how many pixels what is far off around a given mask loses its say inside; None where all has one tint."""
    around = grown(where, soft + 1) & known & ~where
    if not around.any() or (original[around].astype(np.float32) - aligned[around]).std(0).max() < _UNEVEN:
        return None
    *_, width, height = cv2.boundingRect(where.astype(np.uint8))
    return max(1, min(int(width), int(height)) // 4)


def _doubts(where: Mask, known: Mask, given: Mask | None, motion: Motion) -> Iterator[str]:
    if not motion.support:
        yield "no common motion of the two pictures was found, so they are compared as they lie."
    elif motion.support < _UNSURE:
        yield (
            f"only {motion.support:.0%} of the two pictures moved alike, so that it is not sure how they lie over each "
            "other; look whether the result fits."
        )
    if not where.any():
        yield "nothing looks changed, so the result is the photograph; with `mask` you say where the edit is."
    elif not _colours_told(where, known):
        advice = "; with `mask` you say where the edit is" if given is None else ""
        share = (where & known).sum() / known.sum()
        yield (
            f"the edit is taken for {share:.1%} of what it shows, so that nearly nothing of the photograph is kept "
            f"there and the edit's colours are left as they are{advice}."
        )
    if given is not None and (given & ~known).sum() > _LOST * given.sum():
        yield "the mask reaches beyond what the edited picture shows of the photograph, and the edit is cut off there."


def _cut_off(changed: Mask | None, known: Mask, soft: int) -> Iterator[str]:
    """Whether what changed reaches a place beyond which the edit shows nothing; strips in which it only fades in aside.

    It need not be a large share of the edit: of one that is deep, only a side lies there.
    """
    if changed is None or not changed.any():
        return
    beyond = cv2.morphologyEx((~known).astype(np.uint8), cv2.MORPH_OPEN, disk(soft)) > 0
    if (changed & grown(beyond, 2)).sum() > 2 * _CUT * float(np.sqrt(changed.sum())):
        yield "the edit reaches the end of what the edited picture shows of the photograph, and is cut off there."


def _shown(given: Mask, known: Mask) -> Mask:
    """What the edited picture shows of the part that was asked for."""
    if not (given & known).any():
        raise ImageError("The mask lies outside of what the edited picture shows; give one that meets it, or none.")
    return given & known


def _found(original: NDArray[np.uint8], aligned: NDArray[np.uint8], known: Mask, soft: int) -> tuple[Mask, Mask]:
    """The part that changed, and the same with a border for the edit to fade in over."""
    if (exact := exactly_changed(original, aligned, known)) is not None:
        return exact, grown(exact, soft + 0.5) & known
    small = limited(original), limited(aligned), limited(known.astype(np.uint8)) > 0
    found = cv2.resize(changed_part(*small).astype(np.uint8), known.shape[::-1], interpolation=cv2.INTER_NEAREST)
    return (found > 0) & known, np.asarray(cv2.dilate(found, disk(soft)) > 0) & known


def _aligned(original: NDArray[np.uint8], laid: "_Laid") -> tuple[NDArray[np.uint8], Mask]:
    """The edit brought to where the original is, which fills what the edit does not show, and where it shows."""
    aligned, known = moved_back(laid.picture, laid.known, laid.motion)
    return np.where(known[..., None], aligned, original), known


def _likeliest(original: NDArray[np.uint8], edited: Photo) -> "_Laid":
    """The edit laid as most tiles agree with; of several such ways the one after which it has to be moved least.

    Where these are as near, too, the last, which is the largest. Where hardly any tiles agree with any way, the first:
    a picture that was redrawn has its own proportions, and squeezed it covers all.
    """
    size = (original.shape[1], original.shape[0])
    tried = [_Laid(picture, known, motion_of(original, picture)) for picture, known in _ways(edited.image, size)]
    most = max(laid.motion.support for laid in tried)
    if most < _CHANCE:
        return tried[0]
    near = [laid for laid in tried if laid.motion.support >= most - _AS_MANY]
    return min(reversed(near), key=lambda laid: round(laid.motion.reach(size)))


def _ways(edited: Image.Image, size: Size) -> Iterator[tuple[NDArray[np.uint8], Mask]]:
    """Lay an edit over a picture of ``size``, and say where it covers that, in every way that it may have come.

    Squeezed to its proportions; and where these differ also as the middle of it, cut out, or as all of it, padded.
    """
    yield np.asarray(_stretched(edited, size)), np.ones(size[::-1], np.bool_)
    scales = [length / own for length, own in zip(size, edited.size, strict=True)]
    if max(scales) > (1 + _SAME) * min(scales):
        for scale in (min(scales), max(scales)):
            yield _centred(_stretched(edited, (round(edited.width * scale), round(edited.height * scale))), size)


def _centred(edited: Image.Image, size: Size) -> tuple[NDArray[np.uint8], Mask]:
    left, top = ((length - own) // 2 for length, own in zip(size, edited.size, strict=True))
    canvas, known = Image.new("RGB", size), Image.new("L", size)
    canvas.paste(edited, (left, top))
    known.paste(255, (left, top, left + edited.width, top + edited.height))
    return np.asarray(canvas), np.asarray(known) > 0


def _stretched(edited: Image.Image, size: Size) -> Image.Image:
    return edited if edited.size == size else edited.resize(size, Image.Resampling.LANCZOS)
