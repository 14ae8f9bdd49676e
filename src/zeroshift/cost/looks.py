"""How often the network is asked where a photograph may change."""

from zeroshift.asked.edits import EditSpec
from zeroshift.conditioning.task import backwards, make_task
from zeroshift.masks.locating import subject_of
from zeroshift.model import Model


def words_asked(spec: EditSpec, model: Model) -> int:
    """How many looks of an edit's mask are passes of the network, 0 to 2: none at what the model's segmenter knows.

    A source that is not named is taken to be an animal that it knows, but where the whole picture is to change.
    """
    looks, own = spec.looks(model), model.segmenter
    if own is None or not looks:
        return looks
    if spec.source is None:
        whole = spec.changes_all(model.vocabulary)
        return looks if whole else int(looks > 1 and not own.knows(spec.target))
    task = make_task(spec.source, spec.target, spec.prompt)
    return sum(not own.knows(subject_of(one)) for one in (task, backwards(task))[:looks])
