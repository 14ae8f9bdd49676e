"""About how long a run takes, before its first edit: an edit's passes, counted on shapes, times one that is timed."""

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from zeroshift.bench.entries import Entry
from zeroshift.bench.items import Item
from zeroshift.bench.running import seconds_for
from zeroshift.cost.counting import auto_mask_flops, count
from zeroshift.cost.flops import forward_flops, prompt_for
from zeroshift.cost.looks import words_asked
from zeroshift.cost.remembered import Remembered
from zeroshift.diffusion.backbone import Backbone, Unsupported
from zeroshift.memory.room import is_shortage
from zeroshift.methods import Method
from zeroshift.running.looking import look_at

if TYPE_CHECKING:
    from zeroshift.editor import Editor

COUNTING = 4.0
"""seconds in which the passes of a method are counted, about"""
TIMED = 2
"""passes, of which the faster counts: the first finds memory and kernels"""


def seconds_before(
    editor: "Editor",
    todo: Sequence[tuple[Item, Entry]],
    took: Mapping[str, Sequence[float]],
    *,
    seed: int = 0,
    batch: int = 1,
    counting: float = COUNTING,
) -> float | None:
    """About how long edits will take, at most: an entry's by its earlier ones, where it has none by its passes.

    An inversion that optimises is taken not to stop early, and every edit to invert for itself. Decoding is left out.

    Args:
        took: seconds of earlier edits, by entry.
        batch: how many items are edited together at most.
        counting: seconds for which a method's passes are counted; nothing is said where the edits may not take longer.
    """
    firsts = {entry.name: (item, entry) for item, entry in reversed(todo) if not took.get(entry.name)}
    methods, looks, sizes = dict[str, Method](), dict[str, int](), list[tuple[int, int]]()
    for name, (item, entry) in firsts.items():
        with suppress(ValueError, Unsupported):  # the run says what is wrong with it; that takes no time
            spec = entry.spec(item, seed)
            sizes += [frame.pixels.size for frame in look_at(editor, [item.picture], spec)] if not sizes else []
            methods[name], looks[name] = spec.built(editor), words_asked(spec, editor)
    if not firsts:
        return seconds_for(todo, took)
    if not methods:
        return None
    one = pass_seconds(editor.backbone, sizes[0], batch)
    least = sum(one * methods[entry.name].steps for _, entry in todo if entry.name in methods)
    if least < counting * len(set(methods.values())):
        return None
    kinds = {name: (method, looks[name]) for name, method in methods.items()}
    found = passes(editor.backbone, set(kinds.values()), sizes[0])
    guessed = {name: [one * found[kinds[name]] if name in kinds else 0.0] for name in firsts}
    return seconds_for(todo, {**took, **guessed})


def passes(
    backbone: Backbone, kinds: Iterable[tuple[Method, int]], size: tuple[int, int]
) -> dict[tuple[Method, int], float]:
    """A first edit's passes of the network on one sample, by its method and how often words say where it may change.

    Args:
        backbone: loaded; it is not asked for anything.
        kinds: what is counted, on shapes alone.
        size: of the picture in the model's frame, width and height.
    """
    from zeroshift.backbones.twin import twin  # diffusers takes seconds to import

    shapes, found = twin(backbone), dict[tuple[Method, int], float]()
    x0 = latents(shapes, size, 1)
    with Remembered():
        unit, look = forward_flops(shapes, x0), auto_mask_flops(shapes, x0)
        for method, looks in kinds:
            flops = count(shapes, method, x0)
            found[method, looks] = (flops.inversion + flops.one_target + looks * look) / unit
    return found


@torch.no_grad()
def pass_seconds(backbone: Backbone, size: tuple[int, int], rows: int = 1) -> float:
    """Seconds that a pass of the network takes for one of ``rows`` samples together, the faster of two.

    Where memory is too small for so many, of half of them: a run parts its batches likewise.
    """
    seconds = list[float]()
    try:
        x = latents(backbone, size, rows)
        text = prompt_for(backbone, x)
        for _ in range(TIMED):
            begun = time.perf_counter()
            backbone.predict(x, 500, text).sum().item()  # waits until the device has computed it
            seconds.append(time.perf_counter() - begun)
    except (RuntimeError, MemoryError) as error:
        if rows == 1 or not is_shortage(error):
            raise
        return pass_seconds(backbone, size, rows // 2)
    return min(seconds) / rows


def latents(backbone: Backbone, size: tuple[int, int], rows: int) -> Tensor:
    """Latents (rows, C, h, w) of pictures of ``size``, width and height."""
    width, height = (side // backbone.factor for side in size)
    return torch.zeros(rows, backbone.latent_channels, height, width, device=backbone.device)
