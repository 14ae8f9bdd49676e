"""Short runs of ReDiffuser."""

from tests.runs import STEPS
from zeroshift.conditioning import RichPrompts
from zeroshift.control import FusedGuidance
from zeroshift.inversion import DDIMInversion
from zeroshift.methods import ReDiffuser

RICH = RichPrompts(sentences=20)


def rediffuser(rich: RichPrompts = RICH, **options: object) -> ReDiffuser:
    return ReDiffuser(steps=STEPS, conditioning=rich, control=FusedGuidance(**options), inversion=DDIMInversion())
