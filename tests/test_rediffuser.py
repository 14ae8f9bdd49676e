"""ReDiffuser: against plain loops written from its description, and identities, on a tiny random network in float64."""

from dataclasses import replace

import pytest
import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor

import zeroshift
from tests.oracles import Network, expose, guide_and_move
from tests.rediffusing import RICH, rediffuser
from tests.regeneration import PlainLoops
from tests.runs import SAVINGS, STEPS, TASK, apart, clean, last, method, plan, prompts, start, translated
from tests.test_several import grey_levels, pictures
from zeroshift.conditioning import EditDirection
from zeroshift.conditioning.direction import direction_of_words
from zeroshift.control import AttentionGuidance, FusedGuidance
from zeroshift.control.base import StepContext
from zeroshift.cost.flops import counted
from zeroshift.diffusion.sites import tapped
from zeroshift.diffusion.source_branch import SourceBranch, sliding
from zeroshift.inversion import RegularisedInversion
from zeroshift.methods import Pix2PixZero, ReDiffuser
from zeroshift.running.sampling import sample

EQUAL = 1e-10
VARIANTS = {
    "shared": {},
    "chain": {"regeneration": "chain"},
    "two-gradient": {"cooperative": "two-gradient"},
    "latent-blend": {"cooperative": "latent-blend", "regenerated_share": 0.3},
    "chain, latent-blend": {"cooperative": "latent-blend", "regeneration": "chain"},
    "prompt row": {"fused_rows": "prompt", "fusion": "equal"},
    "own weights": {"fusion_weights": (0.2, 0.5, 0.3)},
    "none in between": {"fusion_weights": (0.4, 0, 0.6)},
    "none of the edited": {"fusion_weights": (0.4, 0.6, 0)},
    "chain, none in between": {"fusion_weights": (0.4, 0, 0.6), "regeneration": "chain"},
    "chain, none of the edited": {"fusion_weights": (0.4, 0.6, 0), "regeneration": "chain"},
}


def oracle(backbone, x: Tensor, control: FusedGuidance, rho: tuple = (0.5,)) -> Tensor:
    net = expose(backbone.unet, backbone.scheduler)
    delta = direction_of_words(backbone, *TASK.words, 20).delta
    return PlainLoops(net, x, prompts(backbone).tokens, delta.double(), control, rho, STEPS).run()


@pytest.fixture(scope="module")
def usual(tiny) -> Tensor:
    """What the plain loops make with no option."""
    return oracle(tiny, clean(1), FusedGuidance())


@pytest.mark.parametrize("name", VARIANTS)
def test_edit_is_that_of_plain_loops(tiny, usual, name):
    chosen = rediffuser(**VARIANTS[name])
    ours = last(tiny, start(tiny), [plan(tiny, chosen, start(tiny)).branch]).targets[0]
    assert apart(ours, oracle(tiny, clean(1), chosen.control)) <= EQUAL
    if name != "shared":
        assert apart(ours, usual) > 1e-4


def test_v_prediction_and_several_prompts_in_between(tiny_v):
    for rich, options in ((RICH, {}), (replace(RICH, rho=(0.25, 0.75)), {"regeneration": "chain"})):
        chosen = rediffuser(rich, **options)
        ours = last(tiny_v, start(tiny_v), [plan(tiny_v, chosen, start(tiny_v)).branch]).targets[0]
        assert apart(ours, oracle(tiny_v, clean(1), chosen.control, rich.rho)) <= EQUAL


def test_defaults_are_pix2pix_zeros_and_the_figures():
    ours, theirs = ReDiffuser(), Pix2PixZero()
    assert (ours.steps, ours.guidance_scale, ours.inversion) == (50, 5.0, RegularisedInversion())
    assert ours.control.lambda_xa == theirs.control.lambda_xa
    assert (ours.conditioning.rho, ours.control.weights) == ((0.5,), (0.25, 0.25, 0.5))
    assert (ours.control.regeneration, ours.control.cooperative, ours.control.map_update) == ("shared", "none", "none")


@pytest.mark.parametrize(("photograph", "regeneration"), [(True, "shared"), (False, "shared"), (False, "chain")])
@pytest.mark.parametrize("savings", SAVINGS, ids=str)
def test_source_maps_alone_are_pix2pix_zero(tiny, photograph, regeneration, savings):
    """So are the approximate savings."""
    same_as_pix2pix_zero(tiny, photograph, regeneration, savings)


@pytest.mark.parametrize("regeneration", ["shared", "chain"])
def test_so_they_are_with_a_network_that_predicts_v(tiny_v, regeneration):
    same_as_pix2pix_zero(tiny_v, False, regeneration, {})


def same_as_pix2pix_zero(backbone, photograph: bool, regeneration: str, savings: dict[str, object]) -> None:
    chosen = rediffuser(fusion_weights=(1, 0, 0), regeneration=regeneration, **savings)
    plain, here = method(STEPS, control=AttentionGuidance(**savings)), start(backbone)
    ours, theirs = (last(backbone, here, [plan(backbone, m, here, photograph).branch]) for m in (chosen, plain))
    assert apart(ours.targets[0], theirs.targets[0]) <= EQUAL and apart(ours.source, theirs.source) <= EQUAL


@pytest.mark.parametrize("regeneration", ["shared", pytest.param("chain", marks=pytest.mark.slow)])
@pytest.mark.slow
def test_savings_change_the_edit_and_cost_less(tiny, regeneration):
    def run(**options: object) -> tuple[Tensor, int]:
        step, flops = counted(lambda: translated(tiny, rediffuser(regeneration=regeneration, **options), clean(1)))
        return step.targets[0], flops

    whole, all_of_it = run()
    for savings in SAVINGS[1:]:
        saved, less = run(**savings)
        assert less < all_of_it and apart(saved, whole) > 1e-6, savings
    assert torch.equal(run(guidance_until=1.0, guided_layers="all", reuse_noise=False)[0], whole)


def test_noise_of_the_gradients_pass_knows_no_map_update():
    with pytest.raises(ValueError, match="leave `reuse_noise` or `map_update` out"):
        rediffuser(reuse_noise=True, map_update="multiply")


@pytest.mark.parametrize(
    ("name", "photograph"),
    [("shared", True), ("shared", False), ("prompt row", False), ("two-gradient", True), ("chain, latent-blend", True)],
)
def test_no_strength_is_the_reconstruction(tiny, name, photograph):
    chosen, here = rediffuser(replace(RICH, strength=0.0), **VARIANTS[name]), start(tiny)
    step = last(tiny, here, [plan(tiny, chosen, here, photograph).branch])
    assert apart(step.targets[0], step.source) <= EQUAL


def test_weights_follow_the_strength_up_to_the_papers(tiny):
    def weights(strength: float) -> tuple[float, ...]:
        branch = plan(tiny, rediffuser(replace(RICH, strength=strength)), start(tiny)).branch
        return branch.control.weights(0)

    assert weights(1.0) == weights(2.0) == (0.25, 0.25, 0.5) and weights(0.0) == (1, 0, 0)
    assert weights(0.5) == pytest.approx((0.625, 0.125, 0.25))


@pytest.mark.parametrize("name", ["shared", "chain, latent-blend"])
def test_batch_of_pictures_is_single_pictures(tiny, name):
    chosen = rediffuser(**VARIANTS[name])
    together = translated(tiny, chosen, clean(2)).targets[0]
    for k in range(2):
        assert apart(together[k : k + 1], translated(tiny, chosen, clean(2)[k : k + 1]).targets[0]) <= EQUAL


def test_fused_maps_are_distributions(tiny):
    here, chosen = start(tiny), rediffuser(fusion_weights=(0.2, 0.5, 0.3))
    branch = plan(tiny, chosen, here).branch
    control = branch.control
    with torch.no_grad(), tapped(tiny, lambda site: control.records(site, 0)) as taps:
        source = SourceBranch(tiny, taps, here, branch.conditioning, control.records, control.prompt_only)
        for i, recorded in sliding(control.walk(source), *control.window):
            assert [r.i for r in recorded] == [k for k in (i - 1, i, i + 1) if 0 <= k < STEPS]
            at = StepContext(tiny, here, taps, i, branch.conditioning.target(i), recorded)
            maps = control.reference(at).values()
            assert len(maps) == sum(site.kind == "cross" for site in tiny.sites)
            assert all(apart(m.sum(-1), torch.ones(m.shape[:-1])) <= EQUAL for m in maps)


def test_maps_can_be_multiplied(tiny):
    """Against attention written out: probabilities times the mean of the three maps, rows summing to 1 or not."""

    class Multiplied:
        def __init__(self, factor: Tensor, normalised: bool) -> None:
            self.factor, self.normalised = factor, normalised

        def __call__(self, attn, hidden_states, encoder_hidden_states, attention_mask=None):
            q = attn.head_to_batch_dim(attn.to_q(hidden_states))
            k, v = (attn.head_to_batch_dim(to(encoder_hidden_states)) for to in (attn.to_k, attn.to_v))
            probs = attn.get_attention_scores(q, k) * self.factor
            probs = probs / probs.sum(-1, keepdim=True) if self.normalised else probs
            return attn.to_out[0](attn.batch_to_head_dim(probs @ v))

    here, c = start(tiny), prompts(tiny).tokens
    delta = direction_of_words(tiny, *TASK.words, 20).delta.double()
    for update in ("multiply", "multiply-normalised"):
        net, x = expose(tiny.unet, tiny.scheduler), clean(1)
        maps = []
        with torch.no_grad():
            for prompt in (c, c + 0.5 * delta, c + delta):
                net(x, 751, prompt)
                maps.append(net.maps())
            means = [torch.cat([m, m]) for m in (sum(layers) / 3 for layers in zip(*maps, strict=True))]
            for module, mean in zip(cross_attention(net), means, strict=True):
                module.set_processor(Multiplied(mean, update == "multiply-normalised"))
            out = net(torch.cat([x, x]), 751, torch.cat([c, c + delta]))
            wanted = guide_and_move(net, x, out, 751, STEPS, 5.0)
        chosen = rediffuser(lambda_xa=0, map_update=update)
        first = next(sample(tiny, here, [plan(tiny, chosen, here).branch]))
        assert apart(first.targets[0], wanted) <= EQUAL


def cross_attention(net: Network) -> list[Attention]:
    return [module for name, module in net.unet.named_modules() if name.endswith("attn2")]


def test_unit_direction(tiny):
    """The strength is then the length of the way."""

    def moved(conditioning) -> Tensor:
        branch = plan(tiny, ReDiffuser(steps=STEPS, conditioning=conditioning), start(tiny)).branch
        return branch.conditioning.target(0).embeddings[-1].tokens - prompts(tiny).tokens

    plain, unit = moved(RICH), moved(replace(RICH, normalise=True, strength=3.0))
    assert float(unit.norm()) == pytest.approx(3.0, rel=1e-6) and apart(unit / 3, plain / plain.norm()) <= 1e-6
    pix = EditDirection(sentences=20, normalise=True, strength=3.0)
    branch = plan(tiny, method(STEPS, pix), start(tiny)).branch
    assert apart(branch.conditioning.target(0).embeddings[-1].tokens - prompts(tiny).tokens, unit) <= EQUAL


def test_a_regenerated_picture_is_the_input_of_a_second_stage(checkpoint, tmp_path):
    """As any picture is: the same from a file, and not what one stage gives."""
    editor = zeroshift.load(checkpoint, device="cpu", precision="fp32")
    (photograph,) = pictures(1)
    whole = editor.method("rediffuser", {"steps": 3, "conditioning": {"sentences": 10}})
    half = editor.edit(
        photograph, "cat", "dog", method=replace(whole, conditioning=replace(whole.conditioning, strength=0.5))
    )
    half.native.save(tmp_path / "half.png")
    second, again = (editor.edit(x, "cat", "dog", method=whole).native for x in (half.native, tmp_path / "half.png"))
    assert grey_levels(second, again) == 0
    assert grey_levels(second, editor.edit(photograph, "cat", "dog", method=whole).native) > 1
