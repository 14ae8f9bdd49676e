"""What a service offers: the models and directions that it was started with, and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from zeroshift.conditioning.direction import Direction
from zeroshift.editor import Editor
from zeroshift.service.refusals import Refusal, wrong


@dataclass(frozen=True, eq=False)
class Offer:
    """Models and edit directions by the names that requests may call them."""

    editors: Mapping[str, Editor]
    """the first is taken where a request names none"""
    directions: Mapping[str, Direction] = field(default_factory=dict)

    def name_of(self, model: str | None) -> str:
        """The model that is meant.

        Raises:
            Refusal: it is not offered.
        """
        name = next(iter(self.editors)) if model is None else model
        if name not in self.editors:
            there = ", ".join(self.editors)
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
