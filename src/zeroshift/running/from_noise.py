"""Pictures that begin with noise: sampled from prompts, and edited on the way."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from PIL import Image

from zeroshift.asked.request import Request, check_shared, describe, made_by, tiles
from zeroshift.conditioning.prompts import FixedPrompts
from zeroshift.control.base import Control
from zeroshift.control.perceptual import Vgg
from zeroshift.diffusion.backbone import Backbone
from zeroshift.diffusion.embedding import guidance_rows
from zeroshift.diffusion.noise import check_seeds, random_start
from zeroshift.diffusion.trajectory import Trajectory
from zeroshift.image.tensors import to_pictures
from zeroshift.methods.base import Planned
from zeroshift.options.errors import given
from zeroshift.recipe import GenerateRecipe, check_rows
from zeroshift.restoring import Restorer, restorer_for
from zeroshift.results import Natives, Result, decode, recipe_of
from zeroshift.running.sampling import Branch
from zeroshift.running.walking import Progress, planned_for, prepared, progress_of, walk


def translate_generated(
    backbone: Backbone,
    requests: Sequence[Request],
    *,
    seeds: Sequence[int],
    vgg: Vgg | None = None,
    restorer: Restorer | None = None,
) -> Iterator[Progress]:
    """Edit pictures that the model generates itself from the source prompt, one per seed (pix2pix-zero, section 4.1).

    The results' ``reconstruction`` is the generated source. A ``restorer`` redraws edits that ask for it, with their
    sources, as far as it knows them.

    Raises:
        ValueError: the requests do not share source prompt and steps.
    """
    check_rows(len(seeds))
    check_seeds(seeds, seeds)
    check_shared(requests, photograph=False)
    lead = requests[0]
    redraw = [restorer_for(restorer, request.task.target_prompt, request.restored) for request in requests]
    again = [restorer_for(by, lead.task.source_prompt, True) for by in redraw]
    prompt = backbone.embed([lead.task.source_prompt]).repeat(len(seeds))
    directions = prepared(backbone, requests, vgg)
    start = random_start(latent_shape(backbone), seeds).to(prompt.tokens)
    trajectory = Trajectory(backbone.schedule(lead.method.steps), (start,))
    planned = planned_for(backbone, requests, directions, prompt, trajectory, None, vgg)
    step = yield from walk(backbone, trajectory, planned, reconstruct=True)
    natives: Natives = []
    for (edits, sources), one, other in zip(decode(backbone, step, reconstruct=True), redraw, again, strict=True):
        edits = edits if one is None else [*map(one.restored, edits)]
        sources = sources if other is None else [other.restored(each) for each in sources if each is not None]
        natives.append((edits, sources))
    passed = tiles(backbone, (backbone.size, backbone.size))
    facts = [
        {**describe(backbone, r, None, restorer), **p.facts, **passed} for r, p in zip(requests, planned, strict=True)
    ]
    yield replace(progress_of(step, trajectory), results=_generated(natives, requests, facts, seeds))


def _generated(
    natives: Natives, requests: Sequence[Request], facts: Sequence[dict[str, object]], seeds: Sequence[int]
) -> tuple[tuple[Result, ...], ...]:
    """Every picture's results, one per request; of strength 0 they are the generated sources."""

    def result_of(edit: Image.Image, source: Image.Image | None, moves: float, recipe: dict[str, object]) -> Result:
        shown = edit if moves or source is None else source
        return Result(shown, shown, source, recipe, before=source)

    alone = len(seeds) == 1
    places = [{"seed": seed} | ({} if alone else {"rows": len(seeds), "row": row}) for row, seed in enumerate(seeds)]
    return tuple(
        tuple(
            result_of(edits[row], sources[row], request.method.strength, recipe_of(fact, place))
            for (edits, sources), request, fact in zip(natives, requests, facts, strict=True)
        )
        for row, place in enumerate(places)
    )


def generate(
    backbone: Backbone,
    prompts: Sequence[str],
    *,
    seeds: Sequence[int],
    steps: int,
    guidance_scale: float,
    restorer: Restorer | None = None,
) -> Iterator[Progress]:
    """Sample one picture per prompt and seed; yield after every network step.

    A ``restorer`` redraws pictures of the prompts that it knows.

    Raises:
        TypeError: a prompt is no text.
        ValueError: a prompt is empty, a number is none or out of range, or there are more or fewer seeds than prompts.
    """
    check_seeds(seeds, prompts)
    if type(steps) is not int:
        raise ValueError(f"The number of steps is a whole number, not {given(steps)}.")
    if (
        isinstance(guidance_scale, bool)
        or not isinstance(guidance_scale, (int, float))
        or not 1 <= guidance_scale <= 50
    ):
        raise ValueError(f"The guidance scale is a number from 1, where it is off, to 50, not {given(guidance_scale)}.")
    check_rows(len(prompts))
    if strange := [prompt for prompt in prompts if not isinstance(prompt, str)]:
        raise TypeError(f"A prompt is text, as in: a photo of a cat; not {given(strange[0])}.")
    if any(not prompt.strip() for prompt in prompts):
        raise ValueError("The prompt is empty; describe the picture, as in: a photo of a cat.")
    rows = guidance_rows(backbone.embed([""]).repeat(len(prompts)), backbone.embed(prompts), guidance_scale)
    start = random_start(latent_shape(backbone), seeds).to(rows.tokens)
    trajectory = Trajectory(backbone.schedule(steps), (start,))
    only = Planned(Branch(FixedPrompts(rows, rows), Control()), {})
    by = [restorer_for(restorer, prompt, True) for prompt in prompts]
    step = yield from walk(backbone, trajectory, [only], reconstruct=False)
    pictures = to_pictures(backbone.decode(step.targets[0]))
    pictures = [one if own is None else own.restored(one) for one, own in zip(pictures, by, strict=True)]
    recipe = {
        "command": "generate",
        "steps": steps,
        "guidance_scale": guidance_scale,
        **made_by(backbone),
        **tiles(backbone, (backbone.size, backbone.size)),
    }
    results = []
    for row, (picture, prompt, seed) in enumerate(zip(pictures, prompts, seeds, strict=True)):
        own = {"seed": seed, "prompt": prompt, "rows": len(prompts), "row": row}
        redrawn = {} if (one := by[row]) is None else {"restorer_sha256": one.sha256}
        written = GenerateRecipe.model_validate({**recipe, **own, **redrawn}).written()
        results.append((Result(picture, picture, None, written),))
    yield replace(progress_of(step, trajectory), results=tuple(results))


def latent_shape(backbone: Backbone) -> tuple[int, int, int]:
    """The shape (C, h, w) of one latent at the model's own size."""
    side = backbone.size // backbone.factor
    return (backbone.latent_channels, side, side)
