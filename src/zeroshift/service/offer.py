"""What a service offers: the models, students and directions that it was started with, and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from zeroshift.conditioning.direction import Direction
from zeroshift.distillation.editing import StudentEditor
from zeroshift.editor import Editor
from zeroshift.service.refusals import Refusal, wrong


@dataclass(frozen=True, eq=False)
class Offer:
    """Models, students and edit directions by the names that requests may call them."""

    editors: Mapping[str, Editor]
    """the first is taken where a request names none"""
    directions: Mapping[str, Direction] = field(default_factory=dict)
    students: Mapping[str, StudentEditor] = field(default_factory=dict)
    """small networks that each know some edits; their names are none of the models'"""

    @property
    def names(self) -> list[str]:
        """Of models and students, the one that is taken where none is named first."""
        return [*self.editors, *self.students]

    @property
    def devices(self) -> frozenset[str]:
        """What torch calls the devices of all that is offered."""
        named = {str(editor.backbone.device) for editor in self.editors.values()}
        return frozenset(named | ({"cpu"} if self.students else set()))

    def maker(self, model: str | None) -> Editor | StudentEditor:
        """The model or the student that is meant.

        Raises:
            Refusal: it is not offered.
        """
        return self.students[model] if model is not None and model in self.students else self.editor(model)

    def editor(self, model: str | None) -> Editor:
        """The model that is meant.

        Raises:
            Refusal: it is not offered.
        """
        return self.editors[self.name_of(model)]

    def name_of(self, model: str | None) -> str:
        """The model that is meant.

        Raises:
            Refusal: it is not offered.
        """
        name = next(iter(self.editors)) if model is None else model
        if name not in self.editors:
            there = ", ".join(self.names)
            raise Refusal(404, "model_not_found", f'There is no model "{name}" here; there are: {there}.', "model")
        return name

    def direction(self, name: str) -> Direction:
        """The edit direction of that name, or of that hash.

        Raises:
            Refusal: it is not offered.
        """
        for known, direction in self.directions.items():
            if name in (known, direction.sha256):
                return direction
        there = f"there are: {', '.join(self.directions)}" if self.directions else "the service was started with none"
        raise wrong(f'There is no direction "{name}" here; {there}.', "direction", "direction_not_found")
