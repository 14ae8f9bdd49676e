"""How often the network is asked where a photograph may change."""

from zeroshift.asked.edits import EditSpec
from zeroshift.conditioning.task import backwards, make_task
from zeroshift.masks.locating import subject_of
from zeroshift.model import Model

ANIMAL = "cat"
"""of which a coat is told, to see whether a target is one"""


def words_asked(spec: EditSpec, model: Model) -> int:
    """How many looks of an edit's mask are passes of the network, 0 to 2: none at what the model's segmenter knows.

    A source that is not named is taken to be an animal that it knows, and a target to stand for it or beside it.
    """
    looks, own = spec.looks(model), model.segmenter
    if own is None or not looks:
        return looks
    if spec.source is None:
        return int(looks > 1 and not (own.knows(spec.target) or own.knows(f"{spec.target} {ANIMAL}")))
    task = make_task(spec.source, spec.target, spec.prompt)
    return sum(not own.knows(subject_of(one)) for one in (task, backwards(task))[:looks])
