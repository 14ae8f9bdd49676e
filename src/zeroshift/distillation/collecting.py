"""Collecting pairs: a folder of photographs edited by a teacher, filtered, and nothing done twice."""

import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count, product
from pathlib import Path
from typing import Annotated, TypeAlias

from PIL import Image
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as options

from zeroshift.asked.edits import EditSpec
from zeroshift.asked.together import spread
from zeroshift.conditioning.task import Task, complete_source, make_task
from zeroshift.diffusion.backbone import Unsupported
from zeroshift.distillation.filters import ODD, Filters, gains, lacking, objects, overlap, reason
from zeroshift.distillation.pairs import About, Pair, Scores, add_pairs, read_pairs
from zeroshift.editor import Editor
from zeroshift.files import in_utf8, sha256_of_file, write_atomically
from zeroshift.framed import FramedPhoto
from zeroshift.image.reader import check_there
from zeroshift.masks.locating import found_by
from zeroshift.presets import options_of
from zeroshift.restoring import restorer_for
from zeroshift.results import Result
from zeroshift.running.batching import groups
from zeroshift.running.groups import run_groups
from zeroshift.running.looking import look_at

Strength: TypeAlias = Annotated[float, Field(gt=0, le=2)]
Share: TypeAlias = Annotated[float, Field(gt=0, lt=1)]


FRAMING = {"source", "target", "prompt", "fit", "region", "size", "mask", "soft", "detail", "direction"}
"""what of an edit its pictures depend on, beside its method"""


@options(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True))
class CollectOptions(Filters):
    """How pairs are collected."""

    strengths: tuple[Strength, ...] = (1.0,)
    """strengths that are tried; of those whose edits are kept the one with the largest gain is the whole edit"""
    seeds: tuple[Annotated[int, Field(ge=0, lt=2**63)], ...] = (0,)
    """seeds that are tried likewise; a method that draws nothing at random needs one alone"""
    between: tuple[Share, ...] = ()
    """shares of the whole edit's strength that are made as well, so that a student learns them as intensities"""
    batch: Annotated[int, Field(ge=1, le=64)] = 16
    """photographs that run together at most"""


class Odd(ValueError):
    """A photograph that does not show the source."""


@dataclass(frozen=True)
class Collected:
    """How far a collection is."""

    done: int
    total: int
    pairs: tuple[Pair, ...]
    """what came of the last batch"""


@dataclass(frozen=True)
class Candidate:
    """One edit of one photograph that may be kept, in the model's frame."""

    seed: int
    strength: float
    pictures: dict[float, Image.Image]
    """by intensity"""
    mask: Image.Image


def collect(
    editor: Editor, photographs: Sequence[Path], spec: EditSpec, wanted: CollectOptions, root: Path
) -> Iterator[Collected]:
    """Edit every photograph that has no line in the log of ``root`` yet, and yield after each batch.

    Args:
        editor: the teacher's model.
        photographs: files; of two with the same bytes one counts.
        spec: the edit, with its source; its strength and seed are those of ``wanted``.
        wanted: what is tried and what is kept.
        root: where pictures and log lie.

    Raises:
        ValueError: an option makes no sense, or the folder holds pairs of another edit.
        ImageError: a photograph is no file that can be read.
        Unsupported: CLIP is to tell gains, and the model has none.
    """
    check(editor, wanted)
    known = {pair.key for pair in read_pairs(root)}
    facts = facts_of(editor, spec, wanted)
    for path in photographs:
        check_there(path)
    named = {key_of(facts, sha256_of_file(path)): path for path in photographs}
    todo = {key: path for key, path in named.items() if key not in known}
    done = len(named) - len(todo)
    keys = list(todo)
    for start in range(0, len(keys), wanted.batch):
        pairs = edited(editor, {key: todo[key] for key in keys[start : start + wanted.batch]}, spec, wanted, root)
        add_pairs(root, pairs)
        done += len(pairs)
        yield Collected(done, len(named), tuple(pairs))


def check(editor: Editor, wanted: CollectOptions) -> None:
    """Refuse filters that the model cannot serve.

    Raises:
        Unsupported: CLIP is to tell gains, and the model has none; the sentence says what to do.
    """
    if not wanted.gains:
        return
    try:
        editor.backbone.clip.text_features(["a cat"])
    except Unsupported as error:
        raise Unsupported(f"{error} Or leave the filter out with `gains` off.") from error


def facts_of(editor: Editor, spec: EditSpec, wanted: CollectOptions) -> dict[str, object]:
    """All that pairs depend on but their photographs and the thresholds."""
    asked = restorer = None
    if spec.source is not None:
        restorer = restorer_for(editor.restorer, spec.task(editor.vocabulary).target_prompt, spec.restores(editor))
    if spec.source is not None and (spec.looks(editor) or wanted.min_overlap):
        there_and_back = spec.looks(editor) > 1 or bool(wanted.min_overlap)
        asked = found_by(editor.segmenter, make_task(spec.source, spec.target), grown=there_and_back)
    return {
        **({} if asked is None else {"segmenter": asked.sha256}),
        **({} if restorer is None else {"restorer": restorer.sha256}),
        "model": editor.backbone.identity.sha256,
        "method": options_of(spec.built(editor)),
        "edit": spec.model_dump(mode="json", include=FRAMING),
        "tried": [wanted.strengths, wanted.seeds, wanted.between, bool(wanted.min_overlap)],
    }


def key_of(facts: Mapping[str, object], sha256: str) -> str:
    """The hash of all that the pair of a photograph of that hash depends on."""
    return hashlib.sha256(json.dumps({"photograph": sha256, **facts}, sort_keys=True).encode()).hexdigest()[:24]


def about(editor: Editor, spec: EditSpec, command: str) -> About:
    """What the pairs of an edit have in common."""
    method = spec.built(editor)
    identity, size = editor.backbone.identity, spec.size or editor.backbone.size
    assert spec.source is not None
    facts = options_of(method), identity.name, identity.sha256, size, (command,)
    mask = None if spec.mask is None else str(spec.mask)
    return About(spec.source, spec.target, method.name, *facts, mask, spec.region)


def edited(editor: Editor, files: dict[str, Path], spec: EditSpec, wanted: CollectOptions, root: Path) -> list[Pair]:
    """Edit photographs by their keys and write what came of it; why one cannot be edited is noted as its pair."""
    failed = dict[int, Exception]()
    made = dict(tried(editor, list(files.values()), spec, wanted, failed))
    best = scored(editor, made, spec, wanted)
    pairs = []
    for place, (key, path) in enumerate(files.items()):
        if place not in made:
            why = ODD if isinstance(failed[place], Odd) else f"it cannot be edited: {failed[place]}"
            pairs.append(Pair(key, in_utf8(path.name), 0, 0, (), Scores(), why))
            continue
        frame, one, scores = made[place][0], *best[place]
        pair = Pair(
            key, in_utf8(path.name), one.seed, one.strength, tuple(one.pictures), scores, reason(scores, wanted)
        )
        for intensity, picture in {0.0: frame.pixels, **one.pictures}.items():
            write_atomically(pair.file(root, intensity), webp(picture))
        write_atomically(pair.mask_file(root), webp(one.mask))
        pairs.append(pair)
    return pairs


def tried(
    editor: Editor, photographs: Sequence[Path], spec: EditSpec, wanted: CollectOptions, failed: dict[int, Exception]
) -> Iterator[tuple[int, tuple[FramedPhoto, list[Candidate]]]]:
    """Yield of every photograph, by its place, how the model sees it and every edit of it that was tried."""
    whole, shares = list(product(wanted.seeds, wanted.strengths)), (*wanted.between, 1.0)
    specs = [
        one.model_copy(update={"seed": seed})
        for seed, strength in whole
        for one in spread(spec, [strength * share for share in shares])
    ]
    frames, results = dict[int, FramedPhoto](), dict[int, dict[int, Result]]()
    # the student will see all of the part that is found, whatever it makes of it
    looked = look_at(editor, photographs, specs[0], batch=wanted.batch, failed=failed, near=False)
    seen = showing(editor, looked, spec, wanted, failed)
    for group, step in run_groups(
        editor, groups(editor, seen, specs, batch=wanted.batch, failed=failed), failed=failed
    ):
        for place, frame, row in zip(group.members, group.frames, step.results, strict=False):  # none but at the end
            frames[place] = frame
            results.setdefault(place, {}).update(zip(group.edits, row, strict=True))
    for place, frame in frames.items():
        if place not in failed:
            every = [results[place][n] for n in range(len(specs))]
            rows = [every[n : n + len(shares)] for n in range(0, len(every), len(shares))]
            yield place, (frame, [candidate(frame, *one, shares, row) for one, row in zip(whole, rows, strict=True)])


def showing(
    editor: Editor, frames: Iterator[FramedPhoto], spec: EditSpec, wanted: Filters, failed: dict[int, Exception]
) -> Iterator[FramedPhoto]:
    """Leave out, and note in ``failed``, photographs in which the classifier does not see the source."""
    assert spec.source is not None
    judge, prompt = editor.judge if wanted.classify else None, complete_source(spec.source, spec.prompt)
    places = (k for k in count() if k not in failed)
    for frame in frames:
        place = next(places)
        (missed,) = lacking(judge, [frame.about(frame.pixels)], prompt)
        if missed:
            failed[place] = Odd(missed)
        else:
            yield frame


def candidate(
    frame: FramedPhoto, seed: int, strength: float, shares: Sequence[float], results: Sequence[Result]
) -> Candidate:
    """An edit at every share of its strength, in the frame that the model saw."""
    pictures = {
        share: frame.framing.view(result.image.convert("RGB")) for share, result in zip(shares, results, strict=True)
    }
    mask = results[-1].mask
    assert mask is not None  # a photograph was edited
    return Candidate(seed, strength, pictures, frame.framing.view(mask))


def scored(
    editor: Editor, made: dict[int, tuple[FramedPhoto, list[Candidate]]], spec: EditSpec, wanted: CollectOptions
) -> dict[int, tuple[Candidate, Scores]]:
    """Of every photograph the best edit: one that is kept before one that is not, then the one of larger gain."""
    flat = [(place, frame, one) for place, (frame, tries) in made.items() for one in tries]
    before, after = [frame.pixels for _, frame, _ in flat], [one.pictures[1.0] for _, _, one in flat]
    assert spec.source is not None
    task = make_task(spec.source, spec.target, spec.prompt)
    gained = gains(editor.backbone, before, after, task.target_prompt) if wanted.gains else [None] * len(flat)
    missed = lacking(editor.judge if wanted.classify else None, after, task.target_prompt)
    scores = [Scores(gain, None, told) for gain, told in zip(gained, missed, strict=True)]
    scores = overlapping(editor, [(frame, one) for _, frame, one in flat], scores, task, wanted)
    best = dict[int, tuple[Candidate, Scores]]()
    for (place, _, one), found in zip(flat, scores, strict=True):
        if place not in best or rank(found, wanted) > rank(best[place][1], wanted):
            best[place] = (one, found)
    return best


def rank(scores: Scores, wanted: Filters) -> tuple[bool, float]:
    """By which the best edit is found."""
    return not reason(scores, wanted), scores.gain or 0.0


def overlapping(
    editor: Editor, made: Sequence[tuple[FramedPhoto, Candidate]], scores: Sequence[Scores], task: Task, wanted: Filters
) -> list[Scores]:
    """The scores with the overlap of the object's masks, where it is asked for and nothing else is wrong."""
    rows = [n for n, found in enumerate(scores) if wanted.min_overlap and not reason(found, wanted)]
    found = list(scores)
    if not rows:
        return found
    frames = [made[n][0] for n in rows]
    edits = [replace(frame, pixels=made[n][1].pictures[1.0]) for n, frame in zip(rows, frames, strict=True)]
    back = make_task(task.target, task.source, task.target_prompt)
    one = objects(editor.backbone, frames, task, editor.segmenter)
    other = objects(editor.backbone, edits, back, editor.segmenter)
    for n, a, b in zip(rows, one, other, strict=True):
        found[n] = replace(found[n], overlap=overlap(a, b))
    return found


def webp(picture: Image.Image) -> bytes:
    """A picture as the bytes of a lossless WebP file."""
    file = io.BytesIO()
    picture.save(file, "WEBP", lossless=True, quality=20, method=1)
    return file.getvalue()
