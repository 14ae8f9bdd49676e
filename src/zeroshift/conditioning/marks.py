"""How far an edit of a strength goes: as far as the strength, or by a model's own marks in between.

A network sees nothing of a target for a part of the way, and then all of it within little strength. Marks spread that
over the strengths from 0 to 1, so that each of them is another edit.
"""

from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field, StrictFloat


def _rising(marks: tuple[float, ...]) -> tuple[float, ...]:
    if list(marks) != sorted(marks):
        raise ValueError(f"The `strength_marks` rise from 0 to 1, and {', '.join(f'{m:g}' for m in marks)} do not.")
    return marks


Marks: TypeAlias = Annotated[
    tuple[Annotated[StrictFloat, Field(ge=0, le=1)], ...], Field(max_length=15), AfterValidator(_rising)
]


def reached(strength: float, marks: tuple[float, ...]) -> float:
    """How far on the way to the target an edit of a strength of 0 or more goes.

    0 is the source, 1 the target, as are the strengths; in between it goes by the ``marks``, which belong to strengths
    spread evenly, and in straight lines from one to the next. Without marks, and above 1, it is the strength itself.
    """
    if not marks or strength >= 1:
        return strength
    ends = (0.0, *marks, 1.0)
    place = strength * (len(ends) - 1)
    below, above = ends[int(place)], ends[int(place) + 1]
    return below + (place - int(place)) * (above - below)
