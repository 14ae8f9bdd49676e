"""Several edits of the same photographs, each inversion found once."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from zeroshift import Result
from zeroshift.asked.edits import EditSpec
from zeroshift.editor import Editor
from zeroshift.image import Photo
from zeroshift.inversions import InversionMemory
from zeroshift.running.batching import groups
from zeroshift.running.groups import run_group
from zeroshift.running.looking import look_at


@dataclass(frozen=True, eq=False)
class Sitting:
    """Photographs of one framed size that are edited together, and their inversions so far."""

    editor: Editor
    sources: Sequence[Photo]
    inversions: InversionMemory = field(default_factory=InversionMemory)

    def edit(self, asked: EditSpec, *, reconstruct: bool = False) -> list[Result]:
        """The edited photographs, as ``zeroshift edit`` makes them with a saved inversion.

        Raises:
            ValueError: the work cannot be done.
        """
        frames = look_at(self.editor, self.sources, asked)
        (group,) = groups(self.editor, frames, [asked], batch=len(self.sources))
        *_, last = run_group(self.editor, group, reconstruct=reconstruct, inversions=self.inversions)
        return [row[0] for row in last.results]
