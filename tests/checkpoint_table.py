"""The table of docs/checkpoints.md, made of replicas: ``python -m tests.checkpoint_table``."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler, EulerDiscreteScheduler
from PIL import Image

from tests import replicas
from tests.original_layout import write_original
from tests.test_contract import small
from zeroshift import Editor, load
from zeroshift.cli.shared import hush_libraries
from zeroshift.diffusion.noise import random_start
from zeroshift.files import slug
from zeroshift.inversion import ValueEmbedding
from zeroshift.methods import METHODS, Method
from zeroshift.running.from_noise import latent_shape

PAGE = Path(__file__).parent.parent / "docs/checkpoints.md"
BEGIN, END = "<!-- table -->\n", "<!-- /table -->\n"
HEAD = "| kind | loads as | prompts | schedule | pictures | methods |\n|---|---|---|---|---|---|\n"
PROMPT, STEPS, SEED = "a photo of a cat", 4, 3


@dataclass(frozen=True)
class Kind:
    """A row's model."""

    name: str
    build: Callable[[], Any]
    file: str | None = None
    """1, 2 or XL, to be written as one file; None for a folder"""
    metadata: tuple[tuple[str, str], ...] = ()


def turbo(build: Callable[[], Any]) -> Callable[[], Any]:
    """Return a builder of the same with the schedule of the Turbo models."""

    def built() -> Any:  # noqa: ANN401 - a pipeline
        pipeline = build()
        pipeline.scheduler = EulerDiscreteScheduler(**replicas.LEVELS, timestep_spacing="trailing")
        return pipeline

    return built


KINDS = (
    Kind("Stable Diffusion 1.x", replicas.stable_diffusion_1),
    Kind("Stable Diffusion 1.x", replicas.stable_diffusion_1, "1"),
    Kind("Stable Diffusion 2.x, 768 pixels (v)", replicas.stable_diffusion_2),
    Kind("Stable Diffusion 2.x, 768 pixels (v)", replicas.stable_diffusion_2, "2", (("prediction_type", "v"),)),
    Kind("Stable Diffusion 2.x, 512 pixels", lambda: replicas.stable_diffusion_2("epsilon")),
    Kind("SD-Turbo", turbo(lambda: replicas.stable_diffusion_2("epsilon"))),
    Kind("Stable Diffusion XL", replicas.stable_diffusion_xl),
    Kind("Stable Diffusion XL", replicas.stable_diffusion_xl, "XL"),
    Kind("SDXL-Turbo", turbo(replicas.stable_diffusion_xl)),
)


def row(kind: Kind, place: Path) -> str:
    """Measure one kind against diffusers."""
    pipeline = kind.build()
    pipeline.set_progress_bar_config(disable=True)
    if kind.file is None:
        path, loads = replicas.saved(pipeline, place / slug(kind.name)), "folder"
    else:
        path, loads = write_original(pipeline, kind.file, place / "m.safetensors", **dict(kind.metadata)), "file"
    editor = load(path, device="cpu", precision="fp32", cache=False)
    cells = [kind.name, loads, prompts(editor, pipeline), schedule(editor, pipeline), pictures(editor, pipeline)]
    return f"| {' | '.join([*cells, methods(editor)])} |\n"


@torch.no_grad()
def prompts(editor: Editor, pipeline: Any) -> str:  # noqa: ANN401 - a pipeline
    """Compare an encoded prompt."""
    ours, theirs = editor.backbone.embed([PROMPT]), encoded(pipeline)
    apart = float((ours.tokens - theirs[0]).abs().max())
    if ours.pooled is not None:
        apart = max(apart, float((ours.pooled - theirs[2]).abs().max()))
    return "equal" if apart == 0 else f"{apart:.0e} apart"


def encoded(pipeline: Any) -> tuple[torch.Tensor, ...]:  # noqa: ANN401 - a pipeline
    """Encode the prompt as diffusers does."""
    one = {"num_images_per_prompt": 1, "do_classifier_free_guidance": False}
    found: tuple[torch.Tensor, ...] = pipeline.encode_prompt(prompt=PROMPT, device="cpu", **one)
    return found


def schedule(editor: Editor, pipeline: Any) -> str:  # noqa: ANN401 - a pipeline
    """Compare timesteps of several numbers of steps."""
    theirs = DDIMScheduler.from_config(pipeline.scheduler.config)
    for steps in (1, 4, 20, 50):
        theirs.set_timesteps(steps)
        if tuple(theirs.timesteps.tolist()) != editor.backbone.schedule(steps).timesteps:
            return f"differs at {steps}"
    return "equal"


def pictures(editor: Editor, pipeline: Any) -> str:  # noqa: ANN401 - a pipeline
    """Compare a generated picture."""
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config, clip_sample=False)  # as pipelines have it
    start = random_start(latent_shape(editor.backbone), [SEED])
    told = {"height": replicas.SIDE, "width": replicas.SIDE, "num_inference_steps": STEPS}
    told["guidance_scale"] = editor.sampled.guidance_scale  # 1 of the Turbo models
    theirs = pipeline(PROMPT, latents=start, **told).images[0]
    ours = editor.generate(PROMPT, seed=SEED, steps=STEPS)
    apart = np.abs(np.asarray(ours, int) - np.asarray(theirs, int)).max()
    return "equal" if apart == 0 else f"{apart} of 255 apart"


def methods(editor: Editor) -> str:
    """Run every method for two steps."""
    photo = Image.new("RGB", (replicas.SIDE, replicas.SIDE), "teal")
    made = [editor.edit(photo, "cat", "dog", method=blind(small(method()))).image for method in METHODS]
    return f"{len(made)} of {len(METHODS)}"


def blind(method: Method) -> Method:
    """Return the method as it runs without an image encoder."""
    if isinstance(method.inversion, ValueEmbedding):
        return replace(method, inversion=replace(method.inversion, learn="direct"))
    return method


def main() -> None:
    hush_libraries()
    rows = []
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as place:
            rows.append(row(kind, Path(place)))
            print(rows[-1], end="", flush=True)
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}{HEAD}{''.join(rows)}{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()
