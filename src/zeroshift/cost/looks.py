"""How often the network is asked where a photograph may change."""

from zeroshift.asked.edits import EditSpec
from zeroshift.model import Model


def words_asked(spec: EditSpec, model: Model) -> int:
    """How many looks of an edit's mask are passes of the network, 0 to 2: none at what the model's segmenter knows.

    A source that is not named is what the model sees, and that its segmenter knows.
    """
    own, seen = model.segmenter, [spec.source, spec.target][: spec.looks(model)]
    return len(seen) if own is None else sum(one is not None and not own.knows(one) for one in seen)
