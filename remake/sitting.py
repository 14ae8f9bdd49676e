"""Several edits of the same photographs, each inversion found once."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from zeroshift import Progress, Result
from zeroshift.diffusion.trajectory import Trajectory
from zeroshift.editor import Editor
from zeroshift.edits import EditSpec
from zeroshift.image import Photo
from zeroshift.methods.base import inversion_plan
from zeroshift.request import inversion_facts


@dataclass(frozen=True, eq=False)
class Sitting:
    """Photographs of one framed size that are edited together, and their inversions so far."""

    editor: Editor
    sources: Sequence[Photo]
    inverted: dict[str, Trajectory] = field(default_factory=dict)
    """by all that an inversion depends on"""

    def edit(self, asked: EditSpec, *, reconstruct: bool = False) -> list[Result]:
        """Return the edited photographs, as ``zeroshift edit`` makes them with a saved inversion.

        Raises:
            ValueError: the work cannot be done.
        """
        *_, last = self.editor.run(
            self.sources,
            [asked.resolve(self.editor)],
            seed=asked.seed,
            fit=asked.fit,
            reconstruct=reconstruct,
            trajectory=self.trajectory(asked),
        )
        return [row[0] for row in last.results]

    def trajectory(self, asked: EditSpec) -> Trajectory:
        """Return the inversion that an edit begins with."""
        request, fit = asked.resolve(self.editor), asked.fit or self.editor.default_fit
        seeds = [asked.seed] * len(self.sources)
        facts = inversion_facts(self.editor.backbone, self.sources, request, seeds=seeds, fit=fit)
        keep = inversion_plan(request.method, self.editor.backbone, seeds).keep
        maps = [site.name for site in self.editor.backbone.sites if keep(site)]  # of the inversion's passes
        key = json.dumps([facts, maps], sort_keys=True)
        if key not in self.inverted:
            *_, last = self.editor.invert(self.sources, request, seed=asked.seed, fit=fit)
            self.inverted[key] = found(last)
        return self.inverted[key]


def found(last: Progress) -> Trajectory:
    """Return what the last step of inverting carries."""
    assert last.trajectory is not None
    return last.trajectory
