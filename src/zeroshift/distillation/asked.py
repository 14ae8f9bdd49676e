"""An edit as it is asked of a diffusion model, asked of a student."""

from zeroshift.asked.again import mask_of
from zeroshift.asked.edits import EditSpec
from zeroshift.distillation.comod import CoModulated
from zeroshift.distillation.editing import StudentSpec
from zeroshift.distillation.students import Student
from zeroshift.image.regions import Region
from zeroshift.methods.idle import part_of
from zeroshift.options.errors import OptionError
from zeroshift.recipe import STUDENT, EditRecipe

TAKEN = frozenset({"target", "source", "method", "options", "seed", "fit", "region", "size", "mask", "soft", "strict"})
"""fields of an ``EditSpec`` that mean something to a student, or do no harm"""
ONE_PASS = "The student {} makes its edit in one pass, and `{}` would do nothing; leave it out."
SAME = "A student draws nothing at random: an edit of a photograph is the same with every seed."


def asked_of(student: Student, spec: EditSpec) -> StudentSpec:
    """What ``spec`` asks of a student: its words, its strength up to 1, and where the picture may change.

    The masks "auto" and "grown" are the student's own, which it always has unless it is a co-modulated GAN.

    Raises:
        OptionError: it does not know the words, or a field or option would do nothing; paths begin at ``spec``.
    """
    if "method" in spec.model_fields_set and spec.method != STUDENT:
        sentence = f'The student {student.name} is a method of its own, "{STUDENT}"; say that, or leave `method` out.'
        raise OptionError(sentence, ("method",), spec.method)
    for name in sorted(spec.model_fields_set - TAKEN):
        if getattr(spec, name) != EditSpec.model_fields[name].default:
            raise OptionError(ONE_PASS.format(student.name, name), (name,))
    if spec.mask in ("auto", "grown") and isinstance(student.network, CoModulated):
        sentence = f"The student {student.name} draws all of a picture and has no mask of its own; pass one."
        raise OptionError(sentence, ("mask",))
    try:
        student.number(spec.source, spec.target)
    except ValueError as error:
        raise OptionError(str(error), ("target",), spec.target) from error
    where = {name: getattr(spec, name) for name in ("fit", "region", "size", "soft")}
    return StudentSpec(target=spec.target, source=spec.source, intensity=strength_of(student, spec), **where)


def strength_of(student: Student, spec: EditSpec) -> float:
    """The strength of an edit, the only option that a student has.

    Raises:
        OptionError: there are others, or it is not from 0 to 1.
    """
    conditioning = part_of(spec.options, "conditioning")
    for name in sorted({*spec.options} - {"conditioning"}):
        raise OptionError(ONE_PASS.format(student.name, name), ("options", name))
    for name in sorted({*conditioning} - {"strength"}):
        raise OptionError(ONE_PASS.format(student.name, name), ("options", "conditioning", name))
    strength = conditioning.get("strength", 1.0)
    if isinstance(strength, bool) or not isinstance(strength, int | float) or not 0 <= strength <= 1:
        sentence = f"A student's `strength` is a number from 0 to 1, not {strength}."
        raise OptionError(sentence, ("options", "conditioning", "strength"), strength)
    return float(strength)


def spec_of(recipe: EditRecipe) -> EditSpec:
    """The edit that a student's recipe describes: of the same photograph it makes the same picture."""
    strength = recipe.options["intensity"]
    return EditSpec.parse(
        {
            "target": recipe.target,
            "source": recipe.source,
            "method": STUDENT,
            "options": {} if strength == 1 else {"conditioning": {"strength": strength}},
            "fit": recipe.fit,
            "region": "none" if recipe.region is None else str(Region.of(recipe.region)),
            "size": recipe.size,
            "mask": None if recipe.mask is None else mask_of(recipe),
            "soft": recipe.soft,
        }
    )
