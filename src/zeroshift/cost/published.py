"""What other code needs for the same edit in SF, as formulas of the number of steps T.

They are what the code runs, whatever of it is needed; plain implementations of each procedure that are counted as
zeroshift is lie in ``benchmarks/official``. Optimisation is taken to use all its iterations, text encoder and VAE are
left out, and the parts of SF are those of Stable Diffusion 1.5 at 512 x 512.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TypeAlias

from zeroshift.conditioning import Prompts
from zeroshift.control import Replay
from zeroshift.inversion.shortened import iterations
from zeroshift.methods import Method
from zeroshift.options.shares import begun_steps

GUIDED = 1.17
"""backward pass of one row of cross-attention guidance, with gradients of the layers' weights, which nobody uses"""
REDESCRIBED = 1.11
"""the same of MirrorDiffusion's prompt"""
NEARLY_ALL = 1.90
"""backward pass that computes the gradient of nearly every weight"""
TRAINED = 3.0
"""forward and backward pass with every weight's gradient"""
CLIP = 0.0437
"""forward pass of CLIP ViT-B/16"""
LAYERS = 16
"""cross-attention layers"""
NOISIEST = 999
"""steps of Plug-and-Play's inversion"""

Parts: TypeAlias = tuple[str, str, str]
"""kinds of inversion, conditioning and control"""


@dataclass(frozen=True)
class Code:
    """What one published procedure costs, and which edits it is for."""

    sf: Callable[[Method], float]
    fixed: Mapping[str, object] = field(default_factory=dict)
    """options that it has with one value only"""
    needed: tuple[str, ...] = ()
    """options without which the edit would leave out a part that it always runs"""
    forward_only: bool = False
    """whether nothing but rows of the UNet is counted, so that the sum holds for every model"""


def published(formulas: Mapping[Parts, Code], method: Method, *, sd15: bool = True) -> float | None:
    """SF of the same first edit by other code; None if it is unknown or ``method`` is another edit.

    Backward passes and image encoder are counted in parts of SF that hold for Stable Diffusion 1.5 at 512 x 512 alone:
    without ``sd15``, for another model or size, a sum with such parts is None too.
    """
    parts = method.inversion, method.conditioning, method.control
    code = formulas.get((parts[0].kind, parts[1].kind, parts[2].kind))
    # option names are unique within a method
    options = {name: value for part in parts for name, value in asdict(part).items()}
    if code is None or method.extras or method.guidance_scale == 1 or not (sd15 or code.forward_only):
        return None
    same = all(options[name] == value for name, value in code.fixed.items())
    return code.sf(method) if same and all(options[name] for name in code.needed) else None


def of_guidance(backward: float, inversion: int) -> Callable[[Method], float]:
    """Two rows reconstructed, measured, predicted again: six forward and two backward passes per step."""
    return lambda method: 7 * method.steps + inversion + 2 * backward * method.steps


def of_mirror(method: Method) -> float:
    """T - 2 steps of inversion; per step three passes of two rows and one backward pass; four cycle steps."""
    step, rewriting = 2 + 2 * GUIDED, iterations(method.inversion, method.steps)
    return method.steps - 2 + (4 + step) * method.steps + 4 * step + (1 + REDESCRIBED) * rewriting


def of_replay(method: Method) -> float:
    """Inversion and reconstruction in 999 steps, then three rows; the first code has two rows there, and then four."""
    first = isinstance(method.control, Replay) and method.control.inclusive
    return 3 * NOISIEST + 4 * method.steps if first else 2 * NOISIEST + 3 * method.steps


def of_null_text(method: Method) -> float:
    """The prompt's prediction is made twice per step, and no weight is frozen."""
    return 8 * method.steps + TRAINED * iterations(method.inversion, method.steps)


def of_style(method: Method) -> float:
    """Two inversions; CLIP runs in every cross-attention layer for every row that sees what was learned, and no weight
    is frozen."""
    assert isinstance(method.conditioning, Prompts)  # as its key in OFFICIAL says
    steps, trained = method.steps, iterations(method.inversion, method.steps)
    # source row of training and of the edit at every step, target row until tau_v; three times as much per iteration
    rows = 2 * steps + begun_steps(method.conditioning.values_until, steps) + 3 * trained
    return 9 * steps + TRAINED * trained + LAYERS * CLIP * rows


def sampled(rows: int) -> Callable[[Method], float]:
    """``rows`` in every step that sampling takes."""
    return lambda method: rows * (method.steps - method.inversion.first(method.steps))


def noised(rows: int) -> Callable[[Method], float]:
    """Two rows for the noise of every step, then ``rows`` in those that sampling takes."""
    return lambda method: 2 * method.steps + sampled(rows)(method)


WHOLE: Mapping[str, object] = {"guidance_until": 1.0, "guided_layers": "all", "reuse_noise": False}
GUIDANCE: Mapping[str, object] = {
    **WHOLE,
    "guided_rows": "both",
    "shared_gradient": False,
    "maps_from": "reconstruction",
    "regularise_final": False,
    "normalise": False,
}
HARD: Mapping[str, object] = {
    "mixing": "hard",
    "feature_mix": 1.0,
    "attention_mix": 1.0,
    "extra_features": 0,
    "encoder_features": False,
    "match_features": "off",
    "target_start": "inverted",
    "strength": 1.0,
}
NETWORK: Mapping[str, object] = {
    "learn": "network",
    "mapping": "affine",
    "attention_loss": "mse",
    "entropy_weight": 0.0,
    "clean_weight": 0.0,
    "clip_weight": 0.0,
    "strength": 1.0,
}
ALIGNED: Mapping[str, object] = {"grid": "aligned", "inversion_steps": None, "strength": 1.0}
MIRROR: Mapping[str, object] = {
    **WHOLE,
    "optimiser": "adam",
    "strength_schedule": "mirror",
    "cycle_steps": 4,
    "normalise": False,
}
OFFICIAL: Mapping[Parts, Code] = {
    ("regularised", "direction", "attention-guidance"): Code(of_guidance(GUIDED, -2), GUIDANCE, ("lambda_xa",)),
    ("redescription", "direction", "mirror-guidance"): Code(of_mirror, MIRROR, ("lambda_xa", "inner_steps")),
    ("direct", "prompts", "replay"): Code(of_replay, HARD, forward_only=True),
    ("value-embedding", "prompts", "prompt-to-prompt"): Code(of_style, NETWORK),
    ("ddim", "prompts", "prompt-to-prompt"): Code(lambda method: 5 * method.steps, ALIGNED, forward_only=True),
    # inversion, offsets of both branches, a reconstruction, the edit
    ("direct", "prompts", "prompt-to-prompt"): Code(lambda method: 13 * method.steps, ALIGNED, forward_only=True),
    ("null-text", "prompts", "prompt-to-prompt"): Code(of_null_text, {"optimise": "negative", "strength": 1.0}),
    ("edit-friendly", "prompts", "prompt-to-prompt"): Code(noised(4), {"strength": 1.0}, forward_only=True),
    ("edit-friendly", "prompts", "none"): Code(noised(2), {"strength": 1.0}, forward_only=True),
    ("noised", "prompts", "none"): Code(sampled(2), {"strength": 1.0}, forward_only=True),
}
"""The authors' code; for SDEdit Stable Diffusion's own img2img. ReDiffuser has none."""
DIFFUSERS: Mapping[Parts, Code] = {
    ("regularised", "direction", "attention-guidance"): Code(of_guidance(NEARLY_ALL, 0), GUIDANCE, ("lambda_xa",)),
    ("noised", "prompts", "none"): Code(sampled(2), {"strength": 1.0}, forward_only=True),
}
"""diffusers' pipelines."""
