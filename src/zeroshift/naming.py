"""What results are called where nobody says so."""

from zeroshift.edits import EditSpec
from zeroshift.files import slug
from zeroshift.methods.idle import part_of


def result_stem(source: str, spec: EditSpec) -> str:
    """The name of an edit of the picture called ``source``, such as "cat-dog-sdedit-0", without an extension.

    It says target, method and seed, and between them the strength if one is asked for: "cat-dog-0.5-sdedit-0".
    """
    strength = part_of(spec.options, "conditioning").get("strength")
    spaced = f"-{strength:g}" if isinstance(strength, (int, float)) else ""
    return f"{source}-{slug(spec.target)}{spaced}-{spec.method}-{spec.seed}"
