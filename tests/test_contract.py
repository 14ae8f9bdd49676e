"""Every method with every inversion, conditioning, control and extra, on tiny models of the real classes."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import get_args

import pytest
from pydantic import ValidationError
from torch import Tensor

import zeroshift
from tests.runs import TASK, apart, clean, inverted, last, plan
from tests.test_several import grey_levels, pictures
from tests.tiny import WIDTH
from zeroshift.asked.request import Request
from zeroshift.backbones import Backbone
from zeroshift.conditioning import AnyConditioning, EditDirection
from zeroshift.control import AnyControl, AnyExtra, DeepCache
from zeroshift.image.tensors import to_pictures, to_tensor
from zeroshift.inversion import AnyInversion, DirectInversion, RandomStart, ValueEmbedding
from zeroshift.inversion.shortened import with_iterations
from zeroshift.methods import DDIM, METHODS, Method, PromptToPrompt
from zeroshift.options.errors import option_error

STEPS = 2


def kinds_of(union: object) -> list[type]:
    """Return the options classes of one part."""
    return list(get_args(get_args(union)[0]))


INVERSIONS, CONDITIONINGS, CONTROLS, EXTRAS = (
    kinds_of(u) for u in (AnyInversion, AnyConditioning, AnyControl, AnyExtra)
)


def named(part: type) -> str:
    return str(part.__dataclass_fields__["kind"].default)


def small(method: Method) -> Method:
    """Return the method with few steps, few sentences and few optimisation steps."""
    conditioning = method.conditioning
    if "sentences" in conditioning.__dataclass_fields__:
        conditioning = replace(conditioning, sentences=20)
    inversion = with_iterations(method.inversion, 2)
    return replace(method, steps=STEPS, conditioning=conditioning, inversion=inversion)


def combined(method: type[Method], **parts: object) -> Method:
    """Return the method with other parts."""
    return small(replace(method(), **parts))


def fitted(backbone: Backbone, method: Method) -> Method:
    """Return the method as it runs where prompts are wider than the image encoder's tokens."""
    wide = backbone.embed([""]).tokens.shape[-1] != WIDTH
    if not (wide and isinstance(method.inversion, ValueEmbedding)):
        return method
    return replace(method, inversion=replace(method.inversion, learn="direct"))


def refused(method: type[Method], **parts: object) -> None:
    """See that the method with other parts is refused with one sentence."""
    with pytest.raises(ValidationError) as refusal:
        combined(method, **parts)
    said = str(option_error(method.name, method, refusal.value))
    assert said.endswith(".") and "\n" not in said


def powerless(method: type[Method]) -> Method:
    """Return the method with zero edit strength."""
    chosen = small(method())
    chosen = replace(chosen, conditioning=replace(chosen.conditioning, strength=0.0))
    if isinstance(chosen.inversion, DirectInversion):  # an overwritten source has no step that a target could repeat
        return combined(method, inversion=METHODS[1]().inversion, conditioning=chosen.conditioning)
    return chosen


@pytest.fixture(params=["tiny", "tiny_xl"])
def network(request) -> Backbone:
    return request.getfixturevalue(request.param)


@pytest.fixture(params=["tiny", "tiny_v", pytest.param("tiny_xl", marks=pytest.mark.slow)])
def any_network(request) -> Backbone:
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def editor(checkpoint) -> zeroshift.Editor:
    return zeroshift.load(checkpoint, device="cpu", precision="fp32")


def edited(network: Backbone, method: Method, x0: Tensor, seeds: Sequence[int]) -> Tensor:
    """Invert latents by the method and edit them."""
    trajectory = inverted(network, method, x0, seeds=seeds)
    return last(network, trajectory, [plan(network, method, trajectory).branch], reconstruct=False).targets[0]


@pytest.mark.parametrize("inversion", INVERSIONS, ids=named)
@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_every_method_with_every_inversion(tiny, method, inversion):
    if inversion is RandomStart:  # nothing of the photograph is left in it
        return refused(method, inversion=inversion())
    assert edited(tiny, combined(method, inversion=inversion()), clean(1), [3]).isfinite().all()


def together() -> Iterator[object]:
    """Yield every method with every inversion; slow are those that are neither plain DDIM's nor the method's own."""
    for method, inversion in product(METHODS, INVERSIONS):
        if inversion is not RandomStart:
            quick = method is DDIM or isinstance(method().inversion, inversion)
            marks = () if quick else pytest.mark.slow
            yield pytest.param(method, inversion, id=f"{method.name}-{named(inversion)}", marks=marks)


@pytest.mark.parametrize("network", ["tiny", pytest.param("tiny_xl", marks=pytest.mark.slow)], indirect=True)
@pytest.mark.parametrize(("method", "inversion"), together())
def test_pictures_of_a_batch_are_inverted_and_edited_as_each_alone(network, method, inversion):
    chosen = fitted(network, combined(method, inversion=inversion()))
    x0 = clean(2)
    both = edited(network, chosen, x0, [3, 4])
    assert both.isfinite().all()
    for k in range(2):
        assert apart(edited(network, chosen, x0[k : k + 1], [3 + k])[0], both[k]) <= 1e-10


@pytest.mark.parametrize("conditioning", CONDITIONINGS, ids=named)
@pytest.mark.parametrize("control", CONTROLS, ids=named)
def test_every_control_under_every_conditioning(network, control, conditioning):
    parts = {"control": control(), "conditioning": conditioning()}
    if (named(control) == "fused-guidance") != (named(conditioning) == "rich"):  # each makes no sense without the other
        return refused(METHODS[0], **parts)
    chosen = combined(METHODS[0], **parts)
    trajectory = inverted(network, chosen, clean(1))
    assert last(network, trajectory, [plan(network, chosen, trajectory).branch]).targets[0].isfinite().all()


@pytest.mark.parametrize("network", ["tiny", pytest.param("tiny_xl", marks=pytest.mark.slow)], indirect=True)
@pytest.mark.parametrize("extra", EXTRAS, ids=named)
@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_every_method_with_every_extra(network, method, extra):
    plain = combined(method, inversion=DirectInversion())
    trajectory = inverted(network, plain, clean(1))
    branches = [plan(network, chosen, trajectory).branch for chosen in (plain, replace(plain, extras=(extra(),)))]
    without, beside = last(network, trajectory, branches, reconstruct=False).targets
    idle = extra is DeepCache and method is PromptToPrompt  # which looks into the network at each of these steps
    assert beside.isfinite().all() and (apart(beside, without) > 1e-6) != idle


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_direct_inversion_returns_every_source(any_network, method):
    """Direct inversion leaves the source branch at the photograph's own latent."""
    backbone = any_network
    chosen = combined(method, inversion=DirectInversion())
    x0 = clean(1)
    trajectory = inverted(backbone, chosen, x0)
    assert apart(last(backbone, trajectory, [plan(backbone, chosen, trajectory).branch]).source, x0) <= 1e-10


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_no_strength_is_the_reconstruction(any_network, method):
    """With zero edit strength the target branch is the source branch, by the same steps as any edit."""
    backbone = any_network
    chosen = fitted(backbone, powerless(method))
    trajectory = inverted(backbone, chosen, clean(1))
    step = last(backbone, trajectory, [plan(backbone, chosen, trajectory).branch])
    assert apart(step.targets[0], step.source) <= 1e-10


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_both_hold_to_a_grey_level_in_single_precision(editor, method):
    """From picture to picture; the autoencoder's round trip is all that direct inversion loses."""
    (source,) = pictures(1)
    *_, still = editor.run([source], [Request(TASK, powerless(method))], reconstruct=True)
    *_, exact = editor.run([source], [Request(TASK, combined(method, inversion=DirectInversion()))], reconstruct=True)
    (unmoved,), (edited,) = still.results[0], exact.results[0]
    assert unmoved.image.tobytes() == source.image.tobytes()
    round_trip = editor.backbone.decode(editor.backbone.encode(to_tensor([source.image])))
    assert grey_levels(edited.reconstruction, to_pictures(round_trip)[0]) <= 1


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_generated_sources(network, method):
    chosen = small(method())
    trajectory = inverted(network, replace(chosen, inversion=METHODS[1]().inversion), clean(1))
    step = last(network, trajectory, [plan(network, chosen, trajectory, photograph=False).branch])
    assert step.targets[0].isfinite().all()
    assert step.source.isfinite().all()


def test_the_lists_hold_everything():
    assert {"ddim", "regularised", "direct", "negative-prompt"} <= {named(kind) for kind in INVERSIONS}
    assert {"direction", "prompts"} <= {named(kind) for kind in CONDITIONINGS}
    assert EditDirection in CONDITIONINGS
