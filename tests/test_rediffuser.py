"""ReDiffuser: against plain loops written from its description, and identities, on a tiny random network in float64."""

from dataclasses import replace

import pytest
import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor

from tests.oracles import Network, expose, guide_and_move
from tests.regeneration import PlainLoops
from tests.runs import TASK, apart, clean, last, method, plan, prompts, translated
from tests.watch import calls
from zeroshift.conditioning import EditDirection, RichPrompts
from zeroshift.conditioning.base import Run
from zeroshift.conditioning.direction import direction_of_words
from zeroshift.conditioning.task import make_task
from zeroshift.control import FusedGuidance
from zeroshift.control.base import Here
from zeroshift.cost import measure
from zeroshift.counting import count, maps_held
from zeroshift.inversion import DDIMInversion, DirectInversion, RegularisedInversion
from zeroshift.methods import Pix2PixZero, ReDiffuser
from zeroshift.operations import forward_flops
from zeroshift.presets import build_method
from zeroshift.request import Request, check_shared
from zeroshift.sampling import sample
from zeroshift.sites import tapped
from zeroshift.source import Source, sliding
from zeroshift.trajectory import Trajectory

EQUAL, STEPS = 1e-10, 4
RICH = RichPrompts(sentences=20)
VARIANTS = {
    "shared": {},
    "chain": {"regeneration": "chain"},
    "two-gradient": {"cooperative": "two-gradient"},
    "latent-blend": {"cooperative": "latent-blend", "regenerated_share": 0.3},
    "chain, latent-blend": {"cooperative": "latent-blend", "regeneration": "chain"},
    "prompt row": {"fused_rows": "prompt", "fusion": "equal"},
    "own weights": {"fusion_weights": (0.2, 0.5, 0.3)},
}


def rediffuser(rich: RichPrompts = RICH, **options: object) -> ReDiffuser:
    return ReDiffuser(steps=STEPS, conditioning=rich, control=FusedGuidance(**options), inversion=DDIMInversion())


def start(backbone, count: int = 1) -> Trajectory:
    return Trajectory(backbone.schedule(STEPS), (clean(count),))


@pytest.fixture(params=["epsilon", "v_prediction"])
def backbone(request, tiny, tiny_v):
    return tiny if request.param == "epsilon" else tiny_v


def oracle(backbone, x: Tensor, control: FusedGuidance, rho: tuple = (0.5,)) -> Tensor:
    net = expose(backbone.unet, backbone.scheduler)
    delta = direction_of_words(backbone, *TASK.words, 20).delta
    return PlainLoops(net, x, prompts(backbone).tokens, delta.double(), control, rho, STEPS).run()


@pytest.mark.parametrize("name", VARIANTS)
def test_edit_is_that_of_plain_loops(tiny, name):
    chosen = rediffuser(**VARIANTS[name])
    ours = last(tiny, start(tiny), [plan(tiny, chosen, start(tiny)).branch]).targets[0]
    assert apart(ours, oracle(tiny, clean(1), chosen.control)) <= EQUAL
    if name != "shared":
        assert apart(ours, oracle(tiny, clean(1), FusedGuidance())) > 1e-4


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
def test_source_maps_alone_are_pix2pix_zero(backbone, photograph, regeneration):
    chosen = rediffuser(fusion_weights=(1, 0, 0), regeneration=regeneration)
    plain, here = method(STEPS), start(backbone)
    ours, theirs = (last(backbone, here, [plan(backbone, m, here, photograph).branch]) for m in (chosen, plain))
    assert apart(ours.targets[0], theirs.targets[0]) <= EQUAL and apart(ours.source, theirs.source) <= EQUAL


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

    assert weights(1.0) == weights(2.0) == (0.25, 0.25, 0.5) and weights(-1.0) == (1, 0, 0)
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
        source = Source(tiny, taps, here, branch.conditioning, control.records)
        for i, recorded in sliding(control.walk(source), *control.window):
            assert [r.i for r in recorded] == [k for k in (i - 1, i, i + 1) if 0 <= k < STEPS]
            at = Here(tiny, here, taps, i, branch.conditioning.target(i), recorded)
            maps = control.reference(at).values()
            assert len(maps) == sum(site.kind == "cross" for site in tiny.sites)
            assert all(apart(m.sum(-1), torch.ones(m.shape[:-1])) <= EQUAL for m in maps)


def test_rows_of_the_network(tiny):
    """Source, in-between and edited prompts in one pass; the measuring pass and the step have two rows."""
    here = start(tiny)
    with calls(tiny.unet) as rows:
        last(tiny, here, [plan(tiny, rediffuser(), here).branch], reconstruct=False)
    assert rows == [3, *[3, 2, 2] * (STEPS - 1), 2, 2]
    three = rediffuser(replace(RICH, rho=(0.3, 0.6)), lambda_xa=0)
    with calls(tiny.unet) as rows:
        last(tiny, here, [plan(tiny, three, here).branch], reconstruct=False)
    assert rows == [2] * STEPS  # nothing is regenerated that nobody compares
    direct = replace(rediffuser(), inversion=DirectInversion())
    step = translated(tiny, direct, clean(1))
    assert torch.equal(step.source, clean(1))


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


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"control": {"fusion_weights": (0.5, 0.5)}}, "three numbers that sum to 1, such as 0.6,0.2,0.2, not 0.5,0.5"),
        ({"control": {"fusion_weights": (0.5, 0.5, 0.5)}}, "three numbers that sum to 1"),
        ({"conditioning": {"kind": "direction"}}, "--conditioning rich and --control fused-guidance together"),
        ({"control": {"kind": "attention-guidance"}}, "--conditioning rich and --control fused-guidance together"),
        ({"conditioning": {"rho": (1.5,)}}, "less than 1"),
        ({"conditioning": {"rho": ()}}, "at least 1 item"),
    ],
)
def test_refusals(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        build_method("rediffuser", options)


def test_what_edits_of_one_run_may_differ_in():
    whole = Request(TASK, rediffuser())
    check_shared([whole, Request(TASK, rediffuser(replace(RICH, strength=0.5), fusion="equal"))], photograph=True)
    fox, chain = Request(make_task("cat", "fox"), rediffuser()), rediffuser(regeneration="chain")
    for other in (fox, Request(TASK, rediffuser(replace(RICH, rho=(0.3,)))), Request(TASK, chain)):
        with pytest.raises(ValueError, match="Edits of one run share"):
            check_shared([whole, other], photograph=True)
    weaker = Request(TASK, replace(chain, conditioning=replace(RICH, strength=0.5)))
    with pytest.raises(ValueError, match="Edits of one run share"):
        check_shared([Request(TASK, chain), weaker], photograph=True)


def test_other_conditionings_are_refused(tiny):
    with pytest.raises(ValueError, match="Fused guidance needs rich prompts"):
        FusedGuidance().bind(Run(tiny, TASK, prompts(tiny), start(tiny), 5.0, True))


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


def test_maps_of_four_steps_are_held_and_no_more(tiny):
    values = sum(2 * (8 // site.scale) ** 2 * 16 for site in tiny.sites if site.kind == "cross")
    chosen = replace(rediffuser(), steps=8)
    assert maps_held(tiny, chosen, clean(1)) == (4, 4 * 4 * 3 * values)


def test_cost_is_pix2pix_zeros_and_two_source_rows(tiny):
    plain, unit = Pix2PixZero(steps=8, inversion=DDIMInversion()), forward_flops(tiny, clean(1))
    ours, theirs = (count(tiny, m, clean(1)) for m in (replace(rediffuser(), steps=8), plain))
    assert (ours.one_target - theirs.one_target) / unit == pytest.approx(2 * 8)
    # another strength shares the source
    assert ours.two_targets - ours.one_target == pytest.approx(theirs.two_targets - theirs.one_target)


@pytest.mark.slow
def test_cost_on_stable_diffusion():
    """Of 10.3 T, what a reading without savings takes, the regularised inversion is T and three source rows are 3 T."""
    cost = measure(ReDiffuser(inversion=RegularisedInversion(reg_steps=0)))
    assert cost.first_edit_sf == pytest.approx(511.88, abs=0.5)
    assert cost.further_edit_sf == pytest.approx(461.88, abs=0.5)
    assert cost.further_target_sf == pytest.approx(311.88, abs=0.5)
