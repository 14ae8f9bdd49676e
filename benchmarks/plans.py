"""What the whole comparison compares: every method at two intensities, inversions with controls, ablations, seeds."""

from collections.abc import Iterator, Mapping
from typing import get_args

from zeroshift.bench.entries import STRENGTHS, Entry, planned
from zeroshift.bench.items import Item
from zeroshift.inversion import AnyInversion
from zeroshift.methods import METHODS

SLOW = ("style-diffusion", "mirror-diffusion", "null-text", "value-embedding", "redescription")
"""methods and inversions that optimise at every step, and take several times as long as the others"""
LONG = ("mirror-diffusion",)
"""those of these methods that take long with any inversion, since they guide at all of more steps"""
SEEDS = range(4)


def is_slow(entry: Entry) -> bool:
    """Whether a method, or the inversion that takes the place of its own, is one of the slow ones."""
    inversion = entry.options.get("inversion")
    kind = inversion.get("kind") if isinstance(inversion, Mapping) else None
    return (kind or entry.method) in SLOW or entry.method in LONG


def gets_fewer(part: str, entry: Entry) -> bool:
    """Whether an entry gets the fewer items of a part: what is slow, but in ``defaults`` other strengths and masks.

    There every method is compared as it is on all items, however slow.
    """
    return not as_it_is(entry) if part == "defaults" else is_slow(entry)


def as_it_is(entry: Entry) -> bool:
    """Whether a method edits the whole photograph at full strength: others invert as that does."""
    return entry.mask is None and entry.intensity in (None, 1)


def defaults() -> list[Entry]:
    """Every method with the model's presets at two strengths, and at full strength inside of the mask ``auto``."""
    names = [method.name for method in METHODS]
    return [*planned(names, STRENGTHS), *(Entry(f"{name}+auto", name, mask="auto") for name in names)]


def targets() -> list[Entry]:
    """The methods that are not slow, for what a cat is turned into besides a dog, and for whole photographs."""
    names = [method.name for method in METHODS if method.name not in SLOW]
    return [Entry(name, name) for name in names]


def diversity() -> list[Entry]:
    """What draws anything, with four seeds."""
    edit_friendly = {"inversion": {"kind": "edit-friendly"}}
    drawing: dict[str, tuple[str, Mapping[str, object]]] = {
        "sdedit": ("sdedit", {}),
        "pix2pix-zero": ("pix2pix-zero", {}),
        "rediffuser": ("rediffuser", {}),
        "edit-friendly+ddim": ("ddim", edit_friendly),
        "edit-friendly+prompt-to-prompt": ("prompt-to-prompt", edit_friendly),
    }
    noises = [
        {"extras": [{"kind": "sampling-noise", "noise_seed": seed}]} for seed in SEEDS
    ]  # it has a seed of its own
    return [Entry(f"ddim+sampling-noise-seed{seed}", "ddim", noises[seed], seed=seed) for seed in SEEDS] + [
        Entry(f"{name}-seed{seed}", method, options, seed=seed)
        for name, (method, options) in drawing.items()
        for seed in SEEDS
    ]


def matrix(item: Item) -> list[Entry]:
    """Every inversion with the conditioning and control of every method, but what makes no sense together.

    ``item`` is any: whether parts go together is seen on a request.
    """
    union = get_args(AnyInversion)[0]
    kinds = [inversion.kind for inversion in get_args(union)]
    every = [
        Entry(f"{kind}+{method.name}", method.name, {"inversion": {"kind": kind}})
        for method in METHODS
        for kind in kinds
    ]
    return [entry for entry in every if _sensible(entry, item)]


def _sensible(entry: Entry, item: Item) -> bool:
    try:
        entry.spec(item, 0)
    except ValueError:
        return False
    return True


def ablations() -> list[Entry]:
    """The papers' own: what each part of a method adds, and readings that papers leave open."""
    return [Entry(name, method, options) for name, method, options in _ablations()]


def _ablations() -> Iterator[tuple[str, str, Mapping[str, object]]]:
    swap, alone = {"words": "swap"}, {"kind": "none"}
    yield (
        "pix2pix-zero-A-noise+swap",
        "pix2pix-zero",
        {"inversion": {"kind": "noised"}, "conditioning": swap, "control": alone},
    )
    yield (
        "pix2pix-zero-B-ddim+swap",
        "pix2pix-zero",
        {"inversion": {"kind": "ddim"}, "conditioning": swap, "control": alone},
    )
    yield "pix2pix-zero-C-regularised+swap", "pix2pix-zero", {"conditioning": swap, "control": alone}
    yield "pix2pix-zero-D-sentences", "pix2pix-zero", {"control": alone}
    yield "pix2pix-zero-E-guidance", "pix2pix-zero", {}
    for feature, attention in ((0.8, 0.5), (0.5, 0.5), (0.8, 0.25), (0.8, 0.8), (0.4, 0.25), (0.8, 0.0), (0.0, 0.5)):
        thresholds = {"feature_until": feature, "attention_until": attention}
        yield f"plug-and-play-f{feature:g}-a{attention:g}", "plug-and-play", {"control": thresholds}
    for cross, self_, uncond in ((0.2, 0.4, 0.0), (0.6, 0.6, 0.0), (0.6, 0.6, 0.5), (0.6, 0.2, 0.4), (0.2, 0.2, 0.0)):
        shares = {"cross_until": cross, "self_until": self_, "uncond_self_until": uncond}
        yield f"style-diffusion-c{cross:g}-s{self_:g}-u{uncond:g}", "style-diffusion", {"control": shares}
    for learn in ("network", "direct", "random-clamped"):
        yield f"style-diffusion-{learn}", "style-diffusion", {"inversion": {"learn": learn}}
    # what the paper sets beside the value input; the negative prompt's is in the matrix
    by_prompt = {"inversion": {"kind": "null-text", "optimise": "prompt"}}
    yield "style-diffusion-null-text-prompt", "style-diffusion", by_prompt
    for values in (0.0, 1.0):
        yield f"style-diffusion-v{values:g}", "style-diffusion", {"conditioning": {"values_until": values}}
    yield "mirror-diffusion-with", "mirror-diffusion", {}
    yield "mirror-diffusion-without", "mirror-diffusion", {"inversion": {"inner_steps": 0}}
    for reading in ("shared", "chain"):
        yield f"rediffuser-{reading}", "rediffuser", {"control": {"regeneration": reading}}
    for fusion in ("pairwise", "equal", "source-heavy"):
        yield f"rediffuser-{fusion}", "rediffuser", {"control": {"fusion": fusion}}
    for cooperative in ("two-gradient", "latent-blend"):
        yield f"rediffuser-{cooperative}", "rediffuser", {"control": {"cooperative": cooperative}}
