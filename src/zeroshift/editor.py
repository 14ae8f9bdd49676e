"""The Python interface: a loaded model that edits."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import overload

from PIL import Image

from zeroshift.captioning import Captioner, Vocabulary, vocabulary_of
from zeroshift.conditioning.direction import Direction, as_direction
from zeroshift.conditioning.task import Task, make_task
from zeroshift.control.perceptual import Vgg
from zeroshift.diffusion.backbone import Backbone, Unsupported
from zeroshift.diffusion.noise import check_seeds
from zeroshift.diffusion.trajectory import Trajectory
from zeroshift.image import Fit, Photo, Picture, as_photo, frame
from zeroshift.image.tensors import to_pictures
from zeroshift.methods import Method
from zeroshift.methods.idle import check_idle
from zeroshift.presets import Options, build_method
from zeroshift.request import Request
from zeroshift.results import Result, batches, of_one_task
from zeroshift.translate import Progress, generate, invert, translate, translate_generated


@dataclass(frozen=True, eq=False)
class Editor:
    """A loaded model, the options that it recommends, and what says in words what a picture shows."""

    backbone: Backbone
    presets: dict[str, Options]
    captioner: Captioner | None = None
    """None: every edit names its source"""
    vgg: Vgg | None = None
    """what the perceptual and the style term of refinement compare pictures by"""

    @property
    def default_fit(self) -> Fit:
        """Return "crop" for a small model, whose training pictures were square crops, else "aspect"."""
        return "crop" if self.backbone.size < 256 else "aspect"

    @property
    def vocabulary(self) -> Vocabulary:
        """What makes edits of captions: the captioner's own reading of them, or that of plain English."""
        return vocabulary_of(self.captioner)

    def method(self, name: str = "pix2pix-zero", options: Options | None = None, paper: bool = False) -> Method:
        """Return a method with this model's presets (not with ``paper``), overlaid by nested ``options``.

        Raises:
            ValueError: there is no such method or option, a value is out of range, or an option would do nothing.
        """
        built = build_method(name, {} if paper else self.presets.get(name, {}), options or {})
        check_idle(built, options or {})
        return built

    @overload
    def edit(  # type: ignore[overload-overlap]  # a str is a sequence of str, and means one path
        self,
        image: Picture,
        source: str | None = None,
        target: str = "",
        *,
        prompt: str | None = None,
        direction: Direction | str | Path | None = None,
        method: Method | None = None,
        seed: int = 0,
        fit: Fit | None = None,
    ) -> Result: ...

    @overload
    def edit(
        self,
        image: Sequence[Picture],
        source: str | None = None,
        target: str = "",
        *,
        prompt: str | None = None,
        direction: Direction | str | Path | None = None,
        method: Method | None = None,
        seed: int = 0,
        seeds: Sequence[int] | None = None,
        fit: Fit | None = None,
    ) -> list[Result]: ...

    def edit(
        self,
        image: Picture | Sequence[Picture],
        source: str | None = None,
        target: str = "",
        *,
        prompt: str | None = None,
        direction: Direction | str | Path | None = None,
        method: Method | None = None,
        seed: int = 0,
        seeds: Sequence[int] | None = None,
        fit: Fit | None = None,
    ) -> Result | list[Result]:
        """Translate a photograph, or a list of them, from ``source`` to ``target``.

        Pictures of one framed size and source run as one batch; a batch's size changes the last bits of its results.

        Args:
            image: path, bytes of a file, file object, Pillow picture, or uint8 array of (H, W, 3); a list gives a list
                of results in its order.
            source: what it shows: a word of ``prompt``, or a whole prompt; by default the model's captioner says it,
                and the results' recipes have the ``caption``.
            target: what it shall show: a word that takes the source's place, or a whole prompt.
            prompt: description of the picture that has the word ``source`` in it; default "a photo of a SOURCE".
            direction: an edit direction, or the file of a saved one, to use instead of one made from the words.
            method: default pix2pix-zero with this model's presets.
            seed: seed of everything random.
            seeds: a seed for each picture of a list, in place of ``seed``.
            fit: how the picture meets the model's frame.

        Raises:
            Unsupported: no source is given, and the model has no captioner.
            ValueError: a picture, word or option is unusable; the sentence says why.
        """
        single = isinstance(image, (str, bytes)) or not isinstance(image, Sequence)
        pictures: Sequence[Picture] = [image] if single else image  # type: ignore[assignment,list-item]
        sources = [as_photo(p) for p in pictures]
        drawn = seeds_of(sources, seed, seeds)
        asked = self._asked(sources, source, target, prompt, direction, fit)
        results: dict[int, Result] = {}
        for members in of_one_task(self.batches(sources, fit=fit), [task for task, _ in asked]):
            request = Request(asked[members[0]][0], method or self.method())
            *_, last = self.run([sources[k] for k in members], [request], seeds=[drawn[k] for k in members], fit=fit)
            results |= {k: row[0].told(asked[k][1]) for k, row in zip(members, last.results, strict=True)}
        return results[0] if single else [results[k] for k in range(len(sources))]

    def caption(self, image: Picture, *, fit: Fit | None = None) -> str:
        """Return what a picture shows, as in "a photo of a tabby cat".

        Raises:
            Unsupported: the model has no captioner.
            ValueError: the picture is unusable; the sentence says why.
        """
        return self.captions([as_photo(image)], fit=fit)[0]

    def captions(self, pictures: Sequence[Photo], *, fit: Fit | None = None) -> list[str]:
        """Return what each picture shows, of what of it comes into the model's frame.

        Raises:
            Unsupported: the model has no captioner.
            ValueError: a picture cannot be framed.
        """
        if self.captioner is None:
            raise Unsupported(
                f"The model {self.backbone.identity.name} has no captioner, so it cannot tell what a picture shows; "
                "give the source (--source), or load the model with a captioner (captioner= in Python)."
            )
        size, multiple = self.backbone.size, self.backbone.multiple
        framed = [frame(p.image, fit or self.default_fit, size=size, multiple=multiple)[0] for p in pictures]
        return self.captioner.captions(framed)

    def stream(
        self,
        image: Picture,
        source: str | None = None,
        target: str = "",
        *,
        prompt: str | None = None,
        direction: Direction | str | Path | None = None,
        method: Method | None = None,
        seed: int = 0,
        fit: Fit | None = None,
    ) -> Iterator[Progress]:
        """Do what ``edit`` does step by step; ``preview`` turns a step into a picture, the last step has the result.

        Raises:
            Unsupported: no source is given, and the model has no captioner.
            ValueError: the picture, a word or an option is unusable; the sentence says why.
        """
        sources = [as_photo(image)]
        [(task, caption)] = self._asked(sources, source, target, prompt, direction, fit)
        steps = self.run(sources, [Request(task, method or self.method())], seed=seed, fit=fit)
        return (replace(s, results=tuple(tuple(r.told(caption) for r in row) for row in s.results)) for s in steps)

    def _asked(
        self,
        sources: Sequence[Photo],
        source: str | None,
        target: str,
        prompt: str | None,
        direction: Direction | str | Path | None,
        fit: Fit | None,
    ) -> list[tuple[Task, str | None]]:
        """Return every picture's task, and its caption where that says what it shows.

        Raises:
            Unsupported: no source is given, and the model has no captioner.
            ValueError: a word is unusable.
        """
        along = as_direction(direction)
        if source is not None:
            return [(make_task(source, target, prompt, along), None)] * len(sources)
        if prompt is not None:
            raise ValueError("A prompt is a sentence with the word source in it; give both, or leave both out.")
        captions = self.captions(sources, fit=fit)
        return [(replace(self.vocabulary.retarget(c, target), direction=along), c) for c in captions]

    def batches(self, pictures: Sequence[Photo], *, fit: Fit | None = None) -> list[list[int]]:
        """Return which pictures, by index, ``run`` takes together: those of one framed size.

        Raises:
            ValueError: a picture cannot be framed.
        """
        return batches(self.backbone, pictures, fit or self.default_fit)

    def run(
        self,
        pictures: Sequence[Photo],
        requests: Sequence[Request],
        *,
        seed: int = 0,
        seeds: Sequence[int] | None = None,
        fit: Fit | None = None,
        reconstruct: bool = False,
        trajectory: Trajectory | None = None,
    ) -> Iterator[Progress]:
        """Do several edits of several pictures of one framed size; the edits share inversion and source branch.

        A ``trajectory`` that ``invert`` made of the same pictures and prompt saves the inversion. ``seeds`` has a seed
        for each picture, in place of ``seed``.

        Raises:
            ValueError: the pictures frame to different sizes (see ``batches``), the edits cannot share a source, or
                there are more or fewer seeds than pictures.
        """
        fit, seeds = fit or self.default_fit, seeds_of(pictures, seed, seeds)
        return translate(
            self.backbone,
            pictures,
            requests,
            seeds=seeds,
            fit=fit,
            reconstruct=reconstruct,
            trajectory=trajectory,
            vgg=self.vgg,
        )

    def invert(
        self,
        pictures: Sequence[Photo],
        request: Request,
        *,
        seed: int = 0,
        seeds: Sequence[int] | None = None,
        fit: Fit | None = None,
    ) -> Iterator[Progress]:
        """Only invert; the last step has the trajectory. ``seeds`` has a seed for each picture, in place of ``seed``.

        Raises:
            ValueError: the pictures frame to different sizes (see ``batches``), or there are more or fewer seeds.
        """
        seeds = seeds_of(pictures, seed, seeds)
        return invert(self.backbone, pictures, request, seeds=seeds, fit=fit or self.default_fit)

    def run_generated(
        self, requests: Sequence[Request], *, seed: int = 0, seeds: Sequence[int] | None = None
    ) -> Iterator[Progress]:
        """Do several edits of a picture that the model generates from the source prompt and ``seed``.

        With ``seeds`` there are as many pictures.

        Raises:
            ValueError: the edits cannot share a source.
        """
        return translate_generated(self.backbone, requests, seeds=[seed] if seeds is None else seeds, vgg=self.vgg)

    def generate(self, prompt: str, *, seed: int = 0, steps: int = 50, guidance_scale: float = 5.0) -> Image.Image:
        """Sample a picture from a prompt, at the model's own size.

        Raises:
            ValueError: the prompt is empty, or the number of steps does not fit.
        """
        *_, last = generate(self.backbone, [prompt], seeds=[seed], steps=steps, guidance_scale=guidance_scale)
        return last.results[0][0].image

    def preview(self, step: Progress) -> list[Image.Image]:
        """Decode a step's estimate of the finished pictures, at the model's size; empty while inverting.

        Raises:
            ValueError: the model returned values that are not numbers.
        """
        return [] if step.latents is None else to_pictures(self.backbone.decode(step.latents))


def seeds_of(rows: Sequence[object], seed: int, seeds: Sequence[int] | None) -> Sequence[int]:
    """The seed of every row of a batch: ``seeds`` where they are given, else ``seed`` for all.

    Raises:
        ValueError: there are more or fewer ``seeds`` than rows.
    """
    if seeds is not None:
        check_seeds(seeds, rows)
    return [seed] * len(rows) if seeds is None else seeds
