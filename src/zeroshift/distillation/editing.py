"""Editing photographs with a student: the frames, masks, regions and recipes of every other edit."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import torch
from pydantic import Field, StrictFloat, StrictInt
from torch import Tensor

from zeroshift.asked.data import Data
from zeroshift.diffusion.machine import machine_of
from zeroshift.distillation.students import Student
from zeroshift.framed import FramedPhoto, framed_as
from zeroshift.frames import Frames, SubjectFinder, choosing
from zeroshift.image import Fit, Photo, Picture, as_photo
from zeroshift.image.framing import MOST_SIZE
from zeroshift.image.masks import ALPHA, MOST_SOFT, Alpha
from zeroshift.image.regions import Region
from zeroshift.image.registration import Mask
from zeroshift.image.tensors import to_pictures, to_tensor
from zeroshift.installed import version, versions_of_pictures
from zeroshift.masks.masking import allowed_in, in_photograph, masked_by, places_of, width_of, with_mask
from zeroshift.recipe import STUDENT, EditRecipe, ModelOfRecipe
from zeroshift.results import Place, Result, Verdict, recipe_of, whole
from zeroshift.verdicts import change_between

TOUCHED = 1 / 64
"""share of the edit from which on a place counts as edited"""


class StudentSpec(Data):
    """What is asked of a student."""

    called: ClassVar[str] = "a student's edit"

    target: str
    source: str | None = None
    """by default the only one from which it knows a way to the target"""
    intensity: Annotated[StrictFloat, Field(ge=0, le=1)] = 1.0
    """how much of the edit is made: 0 is the photograph, 1 all of it"""
    fit: Fit | None = None
    """how the picture meets the student's frame; by default as it does the teacher's"""
    region: Annotated[str, Field(max_length=100)] | None = None
    """the part that is edited: "X,Y,W,H" in pixels or percent, "auto" (where the subject is) or "none" (all of it)"""
    size: Annotated[StrictInt, Field(ge=16, le=MOST_SIZE)] | None = None
    """side in pixels of the square whose pixels the frame has; by default the student's own"""
    soft: Annotated[StrictInt, Field(ge=0, le=MOST_SOFT)] | None = None
    """pixels over which the edit fades in, inside a mask; by default 1/60 of the shorter side"""


@dataclass(frozen=True, eq=False)
class StudentEditor:
    """A student with what finds subjects; edits one picture at a time."""

    student: Student
    finder: SubjectFinder | None = None

    @property
    def size(self) -> int:
        """Side of its usual frame in pixels."""
        return self.student.network.size

    def edit(self, picture: Picture, spec: StudentSpec, mask: Picture | Alpha | None = None) -> Result:
        """Edit a photograph.

        Args:
            picture: as ``Editor.edit`` takes it.
            spec: what is asked for.
            mask: a picture of its size, white or transparent where it may change, or "alpha"; beside that the student
                has a mask of its own.

        Raises:
            ValueError: the picture, the mask, the region or a word is unusable; the sentence says why.
        """
        return self.edit_framed(self.framed(as_photo(picture), spec, mask), spec)

    def framed(self, photo: Photo, spec: StudentSpec, mask: Picture | Alpha | None = None) -> FramedPhoto:
        """What the student sees of a photograph.

        Raises:
            ValueError: the mask or the region is unusable.
        """
        given = None if mask is None else ALPHA if isinstance(mask, str) and mask == ALPHA else as_photo(mask)
        network = self.student.network
        usual: Fit = "crop" if network.size < 256 else "aspect"
        frames = Frames(self.student.name, network.size, network.multiple, usual, self.finder)
        allowed: Callable[[Photo], Mask] | None = None if given is None else lambda one: allowed_in(one, given)
        choice = choosing(frames, spec.fit, spec.region, size=spec.size, allowed=allowed)(photo)
        frame = framed_as(network, photo, choice)
        return frame if given is None else with_mask(frame, given)

    def edit_framed(self, frame: FramedPhoto, spec: StudentSpec) -> Result:
        """Edit what ``framed`` gave.

        Raises:
            ValueError: the student does not know the words, or the frame is of a size that it does not take.
        """
        number = self.student.number(spec.source, spec.target)
        made, m = self.student.edited(to_tensor([frame.pixels]), number, spec.intensity)
        (native,) = to_pictures(made)
        image, where = whole(native, frame, place(frame, m, spec.soft), None)
        if spec.intensity == 0:
            image, native = frame.photo.with_alpha(frame.photo.image), frame.pixels
        told, change = self.recipe(frame, spec, number), change_between(frame.pixels, native)
        return Result(image, native, None, told, frame.part, Verdict(change), (), frame.photo.image, where)

    def recipe(self, frame: FramedPhoto, spec: StudentSpec, number: int) -> dict[str, object]:
        """What the picture is made again from."""
        source, target = self.student.directions[number]
        facts = {
            "command": "edit",
            "method": STUDENT,
            "options": {"intensity": spec.intensity},
            "source": source,
            "target": target,
            "source_prompt": source,
            "target_prompt": target,
            "zeroshift": version("zeroshift"),
            "model": ModelOfRecipe(name=self.student.name, sha256=self.student.sha256).model_dump(exclude_none=True),
            "versions": versions_of_pictures(),
            "threads": torch.get_num_threads(),
            "device": "cpu",
            "machine": machine_of(torch.device("cpu")),
            "precision": "fp32",
            **({} if spec.soft is None else {"soft": spec.soft}),
        }
        origin = {
            "fit": frame.fit,
            "seed": 0,
            "source_sha256": frame.photo.sha256,
            **({} if frame.region is None else {"region": frame.region}),
            **({} if frame.size is None else {"size": frame.size}),
            **masked_by(frame),
        }
        return recipe_of(facts, origin)


def place(frame: FramedPhoto, m: Tensor | None, soft: int | None) -> Place | None:
    """Where the photograph changes: in the mask that was given and, if the student tells it, in its own.

    Everywhere else the photograph keeps its pixels, not those that come of its small frame.
    """
    (given,) = places_of([frame], soft, None)
    if m is None:
        return given
    width = width_of(frame.framing, soft)
    own = in_photograph(frame.framing, (m[0, 0] >= TOUCHED).numpy(), width)
    return Place(own, width, shows=False) if given is None else replace(given, mask=given.mask & own)


def replayed(editor: StudentEditor, recipe: EditRecipe, photo: Photo, mask: Photo | None = None) -> Result:
    """A picture made again from its recipe.

    Raises:
        ValueError: the student, the photograph or the mask is another one.
    """
    if editor.student.sha256 != recipe.model.sha256:
        raise ValueError(f"This picture was made by another student ({recipe.model.sha256[:12]}); give that.")
    if photo.sha256 != recipe.source_sha256:
        raise ValueError("This picture was made from another photograph; give what its recipe names.")
    region = None if recipe.region is None else str(Region.of(recipe.region))
    intensity = float(str(recipe.options["intensity"]))
    spec = StudentSpec(
        target=recipe.target,
        source=recipe.source,
        intensity=intensity,
        fit=recipe.fit,
        region="none" if region is None else region,
        size=recipe.size,
        soft=recipe.soft,
    )
    shown: Picture | Alpha | None = ALPHA if recipe.mask == "alpha" else mask
    return editor.edit(photo, spec, shown)
