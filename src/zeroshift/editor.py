"""The Python interface: a loaded model that edits."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Never, Unpack, overload

from PIL import Image

from zeroshift.asked.arguments import (
    Asked,
    Batched,
    Place,
    Targets,
    by_method,
    check_arguments,
    check_store,
    check_targets,
    seeds_of,
    spec_of,
    told,
)
from zeroshift.asked.edits import EditSpec
from zeroshift.asked.request import Request
from zeroshift.captioning import Seen
from zeroshift.conditioning.direction import Direction, as_direction
from zeroshift.diffusion.trajectory import Trajectory
from zeroshift.image import Fit, Photo, Picture, check_files
from zeroshift.image.masks import Alpha, Said
from zeroshift.image.regions import Region
from zeroshift.image.tensors import to_pictures
from zeroshift.inversions import InversionMemory, InversionStore
from zeroshift.masks.masking import allowed_in, masked
from zeroshift.methods import Method
from zeroshift.model import Model
from zeroshift.results import Result
from zeroshift.running.batching import groups
from zeroshift.running.from_noise import generate, translate_generated
from zeroshift.running.grouping import Group
from zeroshift.running.groups import run_group, run_groups
from zeroshift.running.inverting import invert
from zeroshift.running.looking import check_sure, framed_alike, look, look_at
from zeroshift.running.walking import Progress


@dataclass(frozen=True, eq=False, repr=False)
class Editor(Model):
    """A loaded model that edits."""

    @overload
    def edit(  # type: ignore[overload-overlap]  # a str is a sequence of str, and means one path
        self, image: Picture, source: str | EditSpec | None = None, target: str = "", **asked: Unpack[Asked]
    ) -> Result: ...

    @overload
    def edit(
        self, image: Sequence[Picture], source: str | EditSpec | None = None, target: str = "", **asked: Unpack[Batched]
    ) -> list[Result]: ...

    @overload
    def edit(  # type: ignore[overload-overlap]
        self, image: Picture, source: str | None = None, *, target: Targets, **asked: Unpack[Asked]
    ) -> list[Result]: ...

    @overload
    def edit(
        self, image: Sequence[Picture], source: str | None = None, *, target: Targets, **asked: Unpack[Batched]
    ) -> list[list[Result]]: ...

    def edit(
        self,
        image: Picture | Sequence[Picture],
        source: str | EditSpec | None = None,
        target: str | Targets = "",
        *,
        prompt: str | None = None,
        direction: Direction | str | Path | None = None,
        method: Method | str | None = None,
        seed: int = 0,
        seeds: Sequence[int] | None = None,
        fit: Fit | None = None,
        region: Place | None = None,
        mask: Said | Picture | None = None,
        soft: int | None = None,
        detail: float = 0.0,
        strength: float | None = None,
        fast: bool = False,
        batch: int | None = None,
        inversions: InversionStore | None = None,
        **others: Never,
    ) -> Result | list[Result] | list[list[Result]]:
        """Translate a photograph, or a list of them, from ``source`` to ``target``.

        Pictures of one framed size and source run as one batch; a batch's size changes the last bits of its results.

        Args:
            image: path, bytes of a file, file object, Pillow picture, or uint8 array of (H, W, 3); a list gives a list
                of results in its order.
            source: what it shows: a word of ``prompt``, or a whole prompt; by default the model's captioner says it,
                and the results' recipes have the ``caption``. Or all that is asked for as an ``EditSpec``, with
                ``direction``, ``method``, ``seeds``, ``batch`` and its mask's picture beside it at most.
            target: what it shall show: a word that takes the source's place, or a whole prompt. A list gives a list of
                results in its place, one per target, on the same inversion if they are edited in the same part.
            prompt: description of the picture that has the word ``source`` in it; default "a photo of a SOURCE".
            direction: an edit direction, or the file of a saved one, to use instead of one made from the words.
            method: the name of one, with this model's presets; or one built from its class, which is taken as it is,
                with the paper's values where none are given (``self.method(name, options)`` puts presets beneath
                them). Default plug-and-play.
            seed: seed of everything random.
            seeds: a seed for each picture of a list, in place of ``seed``.
            fit: how the picture meets the model's frame.
            region: the part that is edited: "X,Y,W,H" in pixels or percent of the picture, a tuple of four pixels, or a
                ``Region``; "auto" is where the subject is, "none" all of the picture. By default "auto" if the model
                has a finder, no ``fit`` is given and the target is not a matter of the whole picture, as styles are.
                The rest stays as it is.
            mask: where it may change, inside the region: "auto" is where the subject is, "grown" there and where the
                result has grown beyond that, "alpha" where it is transparent, "none" all of it; or a picture of its
                size, white or transparent there. All else keeps its pixels. By default "grown" where the ``region`` is
                "auto", unless that is asked for with a ``fit``.
            soft: pixels over which the edit fades in, inside the mask; by default 1/60 of the shorter side.
            detail: how much of its own detail a picture is given back where the edit changes nothing, 0 to 1.
            strength: how much of the edit is made: 0 is the photograph, 1 the method's own, above 1 more.
            fast: whether fewer passes of the network are made, by what is known of the method.
            batch: how many pictures of a list run together at most; by default what memory has room for, up to 16.
                Where it runs out all the same, halves are run.
            inversions: where inversions are kept, so that another edit of the same part of a picture inverts nothing.
            others: none; what else is given is refused by a sentence that says where it belongs.

        Raises:
            Unsupported: no source is given, and the model has no captioner.
            TypeError: there is no such argument.
            ValueError: a picture, word or option is unusable; the sentence says why.
        """
        check_arguments("edit", Batched.__annotations__, others, method)
        check_store(inversions)
        single = isinstance(image, (str, bytes)) or not isinstance(image, Sequence)
        pictures: Sequence[Picture] = [image] if single else image  # type: ignore[assignment,list-item]
        said, given = told(mask)
        several = isinstance(target, (list, tuple))
        targets = target if isinstance(target, (list, tuple)) else [target]
        asked = (prompt, seed, fit, region, said, soft, detail, strength, fast)
        specs, method = by_method([spec_of(source, one, *asked) for one in targets], method, strength)
        along, seeds = as_direction(direction), seeds_of(pictures, specs[0].seed if specs else seed, seeds)
        check_targets(specs, method, directed=along is not None, vgg=None if self.vgg else False)
        check_files(pictures)
        found: dict[tuple[int, int], Result] = {}
        parts = framed_alike(self, specs)
        if inversions is None and len(parts) > 1:
            inversions = InversionMemory()  # some pictures may be framed alike for all targets
        for part in parts:
            wanted = [specs[n] for n in part]
            frames = look_at(self, pictures, wanted[0], mask=given)
            work = groups(self, frames, wanted, direction=along, method=method, seeds=seeds, batch=batch)
            for group, step in run_groups(self, work, inversions=inversions):
                for k, row in zip(group.members, step.results, strict=False):  # of the last step
                    found |= {(k, part[n]): result for n, result in zip(group.edits, row, strict=True)}
        table = [[found[k, n] for n in range(len(specs))] for k in range(len(pictures))]
        rows: list[list[Result]] | list[Result] = table if several else [row[0] for row in table]
        return rows[0] if single else rows

    def stream(
        self,
        image: Picture,
        source: str | EditSpec | None = None,
        target: str = "",
        *,
        prompt: str | None = None,
        direction: Direction | str | Path | None = None,
        method: Method | str | None = None,
        seed: int = 0,
        fit: Fit | None = None,
        region: Place | None = None,
        mask: Said | Picture | None = None,
        soft: int | None = None,
        detail: float = 0.0,
        strength: float | None = None,
        fast: bool = False,
        inversions: InversionStore | None = None,
        **others: Never,
    ) -> Iterator[Progress]:
        """Do what ``edit`` does step by step; ``preview`` turns a step into a picture, the last step has the result.

        Raises:
            Unsupported: no source is given, and the model has no captioner.
            TypeError: there is no such argument.
            ValueError: the picture, a word or an option is unusable; the sentence says why.
        """
        check_arguments("stream", Asked.__annotations__, others, method)
        check_store(inversions)
        said, given = told(mask)
        asked, along = (prompt, seed, fit, region, said, soft, detail, strength, fast), as_direction(direction)
        (spec,), method = by_method([spec_of(source, target, *asked)], method, strength)
        check_targets([spec], method, directed=along is not None, vgg=None if self.vgg else False)
        (group,) = groups(self, look_at(self, [image], spec, mask=given), [spec], direction=along, method=method)
        return run_group(self, group, inversions=inversions)

    def caption(self, image: Picture, *, fit: Fit | None = None, region: str | Region | None = None) -> str:
        """What a picture shows, as in "a photo of a tabby cat".

        Raises:
            Unsupported: the model has no captioner.
            ValueError: the picture is unusable, or the captioner is not sure; the sentence says why.
        """
        (frame,) = look(self, [image], fit=fit, region=region, caption=True)
        check_sure(frame)
        return str(frame.caption)

    def see(self, image: Picture, *, fit: Fit | None = None, region: str | Region | None = None) -> Seen:
        """What the captioner makes of a picture: its likeliest caption, probabilities, and whether it is sure.

        Raises:
            Unsupported: the model has no captioner.
            ValueError: the picture is unusable; the sentence says why.
        """
        (frame,) = look(self, [image], fit=fit, region=region, caption=True)
        assert frame.seen is not None
        return frame.seen

    def run(
        self,
        pictures: Sequence[Photo],
        requests: Sequence[Request],
        *,
        seed: int = 0,
        seeds: Sequence[int] | None = None,
        fit: Fit | None = None,
        region: str | Region | None = None,
        size: int | None = None,
        mask: Photo | Alpha | None = None,
        reconstruct: bool = False,
        trajectory: Trajectory | None = None,
        inversions: InversionStore | None = None,
    ) -> Iterator[Progress]:
        """Do several edits of several pictures of one framed size; the edits share inversion and source branch.

        All of the part that is found around a subject is edited, whatever it becomes, as ``invert`` inverts it.
        ``seeds`` has a seed for each picture, in place of ``seed``. With ``reconstruct`` the results have the source
        branch's picture, too. Nothing is inverted with a ``trajectory`` that ``invert`` made of the same pictures and
        prompt, or with one that ``inversions`` has kept from an earlier run; that keeps new ones. ``size`` is the side
        of the square whose pixels the frame has, by default the model's own. ``mask`` is a picture of their size, white
        or transparent where they may change, or their own alpha.

        Raises:
            ValueError: the pictures frame to different sizes or the edits cannot share a source (see
                ``running.batching.groups``), or there are more or fewer seeds than pictures.
        """
        if not pictures or not requests:
            raise ValueError("There is nothing to do; give at least one picture and one edit of it.")
        allowed = None if mask is None else partial(allowed_in, mask=mask)
        frames = [*look(self, pictures, fit=fit, region=region, size=size, allowed=allowed)]
        frames = frames if mask is None else [*masked(frames, mask)]
        group = Group((), tuple(requests), [], [*seeds_of(pictures, seed, seeds)], frames)
        return run_group(self, group, reconstruct=reconstruct, trajectory=trajectory, inversions=inversions)

    def invert(
        self,
        pictures: Sequence[Photo],
        request: Request,
        *,
        seed: int = 0,
        seeds: Sequence[int] | None = None,
        fit: Fit | None = None,
        region: str | Region | None = None,
        size: int | None = None,
    ) -> Iterator[Progress]:
        """Only invert; the last step has the trajectory. ``seeds`` has a seed for each picture, in place of ``seed``.

        Raises:
            TypeError: the pictures are no list, or the request is something else.
            ValueError: the pictures frame to different sizes, or there are more or fewer seeds than pictures.
        """
        if not isinstance(request, Request) or isinstance(pictures, str) or not isinstance(pictures, Sequence):
            raise TypeError("Inverted is a list of pictures as a Request says; give those two.")
        frames = [*look(self, pictures, fit=fit, region=region, size=size)]
        return invert(self.backbone, frames, request, seeds=seeds_of(pictures, seed, seeds))

    def run_generated(
        self, requests: Sequence[Request], *, seed: int = 0, seeds: Sequence[int] | None = None
    ) -> Iterator[Progress]:
        """Do several edits of a picture that the model generates from the source prompt and ``seed``.

        With ``seeds`` there are as many pictures.

        Raises:
            ValueError: the edits cannot share a source.
        """
        given = [seed] if seeds is None else seeds
        return translate_generated(self.backbone, requests, seeds=given, vgg=self.vgg, restorer=self.restorer)

    def generate(
        self,
        prompt: str,
        *,
        seed: int = 0,
        steps: int | None = None,
        guidance_scale: float | None = None,
        restore: bool = True,
    ) -> Image.Image:
        """Sample a picture from a prompt, at the model's own size; by default in 50 steps at a guidance scale of 5.

        A Turbo model (``backbones/turbo.py``) takes 4 steps and no guidance. With ``restore`` the model's restorer
        redraws pictures that it knows; without, they are as the model draws them.

        Raises:
            TypeError: the prompt is no text.
            ValueError: the prompt is empty, or the number of steps does not fit.
        """
        steps = self.sampled.steps if steps is None else steps
        scale = self.sampled.guidance_scale if guidance_scale is None else guidance_scale
        restorer = self.restorer if restore else None
        *_, last = generate(self.backbone, [prompt], seeds=[seed], steps=steps, guidance_scale=scale, restorer=restorer)
        return last.results[0][0].image

    def preview(self, step: Progress) -> list[Image.Image]:
        """Decode a step's estimate of the finished pictures, at the model's size; empty while inverting.

        Raises:
            ValueError: the model returned values that are not numbers.
        """
        return [] if step.latents is None else to_pictures(self.backbone.decode(step.latents))
