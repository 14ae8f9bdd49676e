"""What every method is: another one goes wherever those that there are go."""

from dataclasses import replace
from typing import Annotated, ClassVar, final

import pytest
import torch
from pydantic import Field
from pydantic.dataclasses import dataclass

import zeroshift
from tests.runs import TASK
from tests.shell import call
from tests.test_several import grey_levels, pictures
from zeroshift import methods
from zeroshift.asked.request import Request
from zeroshift.conditioning import Prompts
from zeroshift.control import NoControl
from zeroshift.cost.estimate import measure
from zeroshift.diffusion.embedding import Embedding
from zeroshift.image.tensors import to_pictures, to_tensor
from zeroshift.inversion.ddim import DDIMInversion
from zeroshift.methods import METHODS, Method, Pix2PixZero
from zeroshift.methods.base import ConditioningPart, ControlPart, GuidanceScale, Steps
from zeroshift.presets import build_method


@final
@dataclass(frozen=True, kw_only=True)
class Swap(Method):
    """DDIM inversion under the source prompt, sampling under the target prompt, and nothing else."""

    name: ClassVar[str] = "swap"
    title: ClassVar[str] = "word swap without control"

    steps: Steps = 4
    guidance_scale: GuidanceScale = 1.0
    inversion: Annotated[DDIMInversion, Field(description="the only one that it has")] = DDIMInversion()
    conditioning: ConditioningPart = Prompts()
    control: ControlPart = NoControl()


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    everything: tuple[type[Method], ...] = (*METHODS, Swap)
    monkeypatch.setattr(methods, "METHODS", everything)


@pytest.fixture(scope="module")
def editor(checkpoint) -> zeroshift.Editor:
    return zeroshift.load(checkpoint, device="cpu", precision="fp32")


def test_options_are_built_and_checked():
    assert build_method("swap") == Swap()
    assert build_method("swap", {"steps": 6}, {"inversion": {"grid": "official"}}) == Swap(
        steps=6, inversion=DDIMInversion(grid="official")
    )
    with pytest.raises(ValueError, match="swap has no option `lambda_xa`"):
        build_method("swap", {"lambda_xa": 1})
    for name in ("swap", "pix2pix-zero"):
        with pytest.raises(ValueError, match=f"{name} has no option `backwards`"):
            build_method(name, {"inversion": {"kind": "ddim", "backwards": True}})
    with pytest.raises(ValueError, match="choose one of: pix2pix-zero, .*, swap"):
        build_method("other")


def test_options_that_do_not_go_together_are_one_sentence():
    with pytest.raises(ValueError, match="^The official grid drops .* or the aligned grid.$"):
        build_method("pix2pix-zero", {"steps": 2, "inversion": {"grid": "official"}})


@pytest.mark.parametrize("verb", ["edit", "invert", "cost"])
def test_command_line_refuses_them_before_any_work(capsys, tmp_path, verb):
    words = {
        "edit": ("nowhere.png", "--source", "cat", "--target", "dog", "-o", tmp_path / "x.png"),
        "invert": ("nowhere.png", "--source", "cat", "-o", tmp_path / "x.safetensors"),
        "cost": (),
    }
    done = call(capsys, verb, *words[verb], "--method", "pix2pix-zero", "--grid", "official", "--steps", "2")
    assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 1)
    assert "The official grid drops the first and the last step" in done.err and not list(tmp_path.iterdir())


def test_edit_follows_its_equation(editor):
    """Without control an edit is a walk down and a walk up again, each under its own prompt."""
    (source,) = pictures(1)
    method = build_method("swap", {"steps": 3})
    result = editor.edit(source, "cat", "dog", method=method)
    assert (result.recipe["method"], result.recipe["options"]["steps"]) == ("swap", 3)
    backbone = editor.backbone
    x = backbone.encode(to_tensor([source.image]))
    for prompt, up in (("a photo of a cat", True), ("a photo of a dog", False)):
        x = walked(backbone, x, backbone.embed([prompt]), up)
    assert grey_levels(result.native, to_pictures(backbone.decode(x))[0]) <= 1


def walked(backbone, x: torch.Tensor, text: Embedding, up: bool) -> torch.Tensor:
    """Move a latent over three DDIM levels (-332, 1, 334, 667), to noise or back, asking at each pair's upper one."""
    alphas = [float(a) for a in backbone.scheduler.alphas_cumprod[[0, 1, 334, 667]].double()]
    pairs = [(1, alphas[0], alphas[1]), (334, alphas[1], alphas[2]), (667, alphas[2], alphas[3])]
    for timestep, low, high in pairs if up else reversed(pairs):
        left, reached = (low, high) if up else (high, low)
        with torch.no_grad():
            eps = backbone.predict(x, timestep, text)
        x = (reached / left) ** 0.5 * (x - (1 - left) ** 0.5 * eps) + (1 - reached) ** 0.5 * eps
    return x


def test_two_methods_of_one_source_share_a_run(editor):
    plain = Pix2PixZero(steps=4, guidance_scale=1.0, inversion=DDIMInversion(), conditioning=Prompts())
    requests = [Request(TASK, Swap()), Request(TASK, plain)]
    *_, together = editor.run(pictures(1), requests)
    for n, request in enumerate(requests):
        *_, alone = editor.run(pictures(1), [request])
        assert grey_levels(together.results[0][n].native, alone.results[0][0].native) == 0
    with pytest.raises(ValueError, match="Edits of one run share"):
        list(editor.run(pictures(1), [requests[0], Request(TASK, replace(plain, steps=5))]))


def test_cost_of_one_pass_down_and_one_up(checkpoint):
    cost = measure(Swap(steps=10), model=checkpoint)
    assert (cost.method, cost.official_first_edit_sf, cost.maps_held_steps) == ("swap", None, 0)
    assert (cost.first_edit_sf, cost.further_edit_sf, cost.further_target_sf) == pytest.approx((20, 10, 10))
