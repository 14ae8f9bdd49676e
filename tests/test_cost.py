"""Costs: what shapes alone count is what a real run does, and what pix2pix-zero costs stays below its bars."""

import json
import shutil
from collections.abc import Hashable
from dataclasses import replace

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from tests.runs import TASK, further_row, inverted, last, plan
from tests.tiny import hub_cache
from zeroshift.conditioning.shift import EditDirection
from zeroshift.control.base import Control, StepContext
from zeroshift.control.guidance import AttentionGuidance
from zeroshift.cost.counting import count, direction_flops, kinds_of_edit, kinds_of_steps, maps_held, sampling_flops
from zeroshift.cost.estimate import measure
from zeroshift.cost.flops import counted, flops_of, forward_flops
from zeroshift.cost.published import DIFFUSERS, OFFICIAL, published
from zeroshift.cost.remembered import Remembered
from zeroshift.cost.sketch import Sketch
from zeroshift.diffusion.sites import NOTHING, Part, Site
from zeroshift.diffusion.trajectory import Trajectory
from zeroshift.inversion import DDIMInversion, DirectInversion, NoisedStart, RegularisedInversion
from zeroshift.masks.locating import where_words_look
from zeroshift.methods import DDIM, Method, Pix2PixZero, SDEdit
from zeroshift.methods import METHODS as ALL
from zeroshift.running.sampling import Branch, sample

SHORT = SDEdit(steps=2, guidance_scale=1.0)
UNGUIDED = Pix2PixZero(steps=50, inversion=DDIMInversion(), control=AttentionGuidance(lambda_xa=0))
# regularisation has no matrix product; its many small operations would only take time
REGULARISED = RegularisedInversion(reg_steps=1, ac_rolls=1)
FEW = EditDirection(sentences=5)
METHODS = {
    "default grid": Pix2PixZero(steps=4, inversion=REGULARISED, conditioning=FEW),
    "many steps": Pix2PixZero(steps=10, inversion=REGULARISED, conditioning=FEW),
    "official grid": Pix2PixZero(steps=5, inversion=replace(REGULARISED, grid="official"), conditioning=FEW),
    "noised, one row": Pix2PixZero(steps=4, guidance_scale=1, inversion=NoisedStart(), conditioning=FEW),
    "exact source": Pix2PixZero(steps=4, inversion=DirectInversion(), conditioning=FEW),
    "finer inversion": DDIM(steps=5, inversion=DDIMInversion(inversion_steps=10)),
    "finer inversion, exact source": DDIM(steps=5, inversion=DirectInversion(inversion_steps=10)),
    "some of the steps": SDEdit(steps=10, inversion=NoisedStart(noise_strength=0.3)),
}


def really(backbone, method: Method, x0: torch.Tensor) -> tuple[int, int, int]:
    """Count every step of a real inversion, and of sampling with one and with two targets."""
    encoding = flops_of(lambda: backbone.embed([TASK.source_prompt]))  # left out of all costs
    trajectory, inversion = counted(lambda: inverted(backbone, method, x0))
    edits = [plan(backbone, method, trajectory).branch for _ in range(3)]
    one, two = (
        flops_of(lambda some=some: last(backbone, trajectory, some, reconstruct=False))
        for some in (edits[:1], edits[1:])
    )
    return inversion - encoding, one, two


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_extended_counts_equal_a_real_run_of_every_step(tiny, name):
    x0 = torch.randn(1, 4, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found, real = count(tiny, METHODS[name], x0), really(tiny, METHODS[name], x0)
    assert (found.inversion, found.one_target, found.two_targets) == real


def cheaper(method: type[Method]) -> Method:
    """Make a method of five steps, whose inversion is another matter."""
    found = method(steps=5, inversion=SDEdit().inversion if method is SDEdit else DirectInversion())
    conditioning = found.conditioning
    few = replace(conditioning, sentences=5) if "sentences" in conditioning.__dataclass_fields__ else conditioning
    return replace(found, conditioning=few)


@pytest.mark.parametrize("method", ALL, ids=lambda method: method.name)
def test_steps_of_every_method_that_leave_the_same_notes_on_a_sketch_cost_the_same(tiny, method):
    chosen, x0 = cheaper(method), torch.randn(1, 4, 8, 8, dtype=torch.float64)
    trajectory = inverted(tiny, chosen, x0)
    walk = sample(tiny, trajectory, [plan(tiny, chosen, trajectory).branch])
    real = [flops_of(lambda: next(walk)) for _ in trajectory.steps]
    kinds = kinds_of_edit(tiny, chosen)
    assert sorted(i for kind in kinds for i in kind) == list(trajectory.steps)
    assert all(len({real[i - trajectory.first] for i in kind}) == 1 for kind in kinds)


@pytest.mark.slow
def test_shapes_alone_count_what_a_network_does(tiny, checkpoint):
    method = Pix2PixZero(steps=2, inversion=REGULARISED, conditioning=FEW)
    cost = measure(method, model=checkpoint)
    x0 = torch.zeros(1, 4, 8, 8, dtype=torch.float64)
    unit = forward_flops(tiny, x0)
    inversion, one, two = really(tiny, method, x0)
    assert cost.unet_forward_tflop * 1e12 == pytest.approx(unit, rel=1e-12)
    assert cost.first_edit_sf == pytest.approx((inversion + one) / unit, rel=1e-12)
    assert cost.further_edit_sf == pytest.approx(one / unit, rel=1e-12)
    assert cost.further_target_sf == pytest.approx((two - one) / unit, rel=1e-12)
    assert cost.auto_mask_sf == pytest.approx(flops_of(lambda: where_words_look(tiny, x0, TASK, [0])) / unit, rel=0.05)
    assert published(OFFICIAL, method) and cost.official_first_edit_sf is None  # Stable Diffusion 1.5's factors


def test_shapes_that_are_remembered_are_those_of_the_same_types_and_strides():
    whole = torch.zeros(2, 3, dtype=torch.int64, device="meta")
    with Remembered():
        for _ in range(2):
            assert (whole + 1).dtype == torch.int64 and (whole + 1.0).dtype == torch.float32
            assert (whole.T + 1).stride() == (1, 3)
            assert whole.view(6).add_(1)._base is whole and torch.ones(1).add(1).item() == 2


class Now(Control):
    """Records at some steps, replaces at others, looks ahead."""

    def __init__(self, records: set[int], applies: set[int], ahead: int) -> None:
        self.at, self.on, self.window = records, applies, (0, ahead)

    def records(self, site: Site, i: int) -> frozenset[Part]:
        return frozenset({"v"}) if site.kind == "cross" and i in self.at else NOTHING

    def applies(self, site: Site, i: int) -> frozenset[Part]:
        return frozenset({"v"}) if site.kind == "cross" and i in self.on else NOTHING

    def apply(self, here: StepContext):
        return (lambda _site, _part, compute: compute()) if here.i in self.on else None


@pytest.mark.parametrize(
    ("replayed", "ahead", "records", "applies"),
    [
        (False, 0, {0, 4}, {4}),
        (True, 1, {0, 1, 2}, {0, 1, 2}),
        (False, 0, {3}, set()),
        (True, 1, {3}, set()),
        (True, 1, set(), {5}),
        pytest.param(True, 1, {0, 4}, {4}, marks=pytest.mark.slow),
        pytest.param(False, 0, {0, 1, 2}, {0, 1, 2}, marks=pytest.mark.slow),
        pytest.param(False, 0, set(), {5}, marks=pytest.mark.slow),
    ],
)
def test_steps_that_differ_are_counted_apart(tiny, replayed, ahead, records, applies):
    latent = torch.zeros(1, 4, 8, 8, dtype=torch.float64)
    trajectory = Trajectory(tiny.schedule(6), (latent,) * 7, replayed=replayed)
    conditioning = plan(tiny, DDIM(steps=6), trajectory).branch.conditioning
    edits = [Branch(conditioning, Now(records, applies, ahead)), Branch(conditioning, Control())]
    real = flops_of(lambda: last(tiny, trajectory, edits, reconstruct=False))
    notes: list[Hashable] = []
    kinds = kinds_of_steps(Sketch(tiny, notes), notes, trajectory, edits)
    assert sampling_flops(tiny, trajectory, edits, kinds) == real


def test_prompts_need_no_sentences_and_words_that_are_swapped_none(tiny):
    swapped = Pix2PixZero(conditioning=EditDirection(words="swap"))
    assert direction_flops(tiny, DDIM()) == direction_flops(tiny, swapped) == 0
    few, many = (direction_flops(tiny, Pix2PixZero(conditioning=EditDirection(sentences=n))) for n in (10, 30))
    assert many == 3 * few == 60 * flops_of(lambda: tiny.embed(["a cat"]))


def test_without_guidance_a_step_is_one_pass_to_invert_and_two_rows_to_sample(tiny, checkpoint):
    cost = measure(UNGUIDED, model=checkpoint, size=64)
    x = torch.zeros(1, 4, 16, 16).double()
    saved = 50 * (1 - further_row(tiny, x))  # both rows are of one latent
    assert cost.unet_forward_tflop * 1e12 == pytest.approx(forward_flops(tiny, x))
    found = (cost.first_edit_sf, cost.further_edit_sf, cost.further_target_sf)
    assert found == pytest.approx((150 - saved, 100 - saved, 100 - saved))
    assert (cost.size, cost.maps_held_steps, cost.maps_held_mb) == (64, 0, 0)


def test_the_counter_agrees_with_torchs_own_forward_and_backward(tiny):
    text = tiny.embed(["a cat"])

    def run():
        # torch's counter refuses gradients at a leaf
        x = torch.ones(1, 4, 8, 8, dtype=torch.float64, requires_grad=True).repeat(1, 1, 1, 1)
        torch.autograd.grad(tiny.predict(x, 1, text).sum(), x)

    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as theirs:
        run()
    assert flops_of(run) == theirs.get_total_flops() > 1.9 * forward_flops(tiny, torch.ones(1, 4, 8, 8).double())


def test_maps_of_one_step_are_held_and_no_more(tiny):
    heads, tokens = 2, 16
    values = sum(heads * (8 // site.scale) ** 2 * tokens for site in tiny.sites if site.kind == "cross")
    x0 = torch.zeros(1, 4, 8, 8, dtype=torch.float64)
    assert maps_held(tiny, Pix2PixZero(steps=5), x0) == (1, 4 * values)


def test_a_size_that_the_network_cannot_take_is_refused(checkpoint):
    with pytest.raises(ValueError, match="multiple of 16 for this model, not 40"):
        measure(SHORT, model=checkpoint, size=40)


def test_other_code_has_no_figure_for_what_it_cannot_do():
    """Both run inversion, guidance and both rows whatever the options say."""
    whole = Pix2PixZero(steps=20)
    assert (published(OFFICIAL, whole), published(DIFFUSERS, whole)) == pytest.approx((184.8, 216))
    for partly in (
        replace(whole, guidance_scale=1.0),
        replace(whole, control=AttentionGuidance(lambda_xa=0)),
        replace(whole, inversion=DDIMInversion()),
        replace(whole, inversion=NoisedStart()),
    ):
        assert published(OFFICIAL, partly) is None and published(DIFFUSERS, partly) is None


@pytest.mark.parametrize(
    ("method", "sd15", "other"),
    [(Pix2PixZero(steps=5), 44.7, None), (SDEdit(steps=10, inversion=NoisedStart(noise_strength=0.5)), 10, 10)],
)
def test_parts_that_only_stable_diffusion_has_are_counted_for_no_other_model(method, sd15, other):
    """Rows are the same for every model; backward passes take another part of a forward pass in each."""
    assert published(OFFICIAL, method) == pytest.approx(sd15)
    assert published(OFFICIAL, method, sd15=False) == other


def test_weights_need_not_be_there(checkpoint, tmp_path):
    shutil.copytree(checkpoint, tmp_path / "tiny", ignore=shutil.ignore_patterns("*.safetensors"))
    bare, whole = (measure(SHORT, model=folder) for folder in (tmp_path / "tiny", checkpoint))
    assert bare == whole
    (tmp_path / "tiny/vae/config.json").unlink()
    with pytest.raises(ValueError, match=r"The vae of tiny has no config\.json"):
        measure(SHORT, model=tmp_path / "tiny")


@pytest.mark.slow
def test_configurations_of_the_hub(checkpoint, tmp_path):
    bare = shutil.ignore_patterns("*.safetensors")
    hub_cache(checkpoint, tmp_path, ignore=bare)
    cost = measure(SHORT, model="owner/name", cache_dir=tmp_path)
    assert cost == replace(measure(SHORT, model=checkpoint), model="owner/name")
    with pytest.raises(ValueError, match="owner/other is not in the cache and cannot be downloaded"):
        measure(SHORT, model="owner/other", cache_dir=tmp_path)


@pytest.mark.slow
def test_pix2pix_zero_on_stable_diffusion_stays_below_its_bars():
    cost = measure(Pix2PixZero(steps=50))
    assert cost.unet_forward_tflop == pytest.approx(0.803, abs=5e-4)
    assert cost.first_edit_sf == pytest.approx(409.28, abs=0.5) and cost.first_edit_sf <= 420
    assert cost.further_edit_sf == pytest.approx(359.28, abs=0.5) and cost.further_edit_sf <= 370
    # ViT-L/14's text encoder, 2,000 times: 12 layers of 77 tokens, 12 w^2 weights each, and attention's two products
    layer = 2 * 77 * 12 * 768**2 + 2 * 2 * 77**2 * 768
    assert cost.direction_sf == pytest.approx(2000 * 12 * layer / 0.803e12, rel=0.01)
    assert cost.further_target_sf == pytest.approx(309.28, abs=0.5) and cost.further_target_sf <= 320
    assert (cost.official_first_edit_sf, cost.diffusers_first_edit_sf) == pytest.approx((465, 540))
    # 8 heads x 26,944 pixels x 77 tokens x 4 bytes, one row, one step
    assert (cost.maps_held_steps, cost.maps_held_mb) == (1, pytest.approx(66.39, abs=0.01))
    table = json.loads(json.dumps(cost.as_dict()))
    assert (table["model"], table["size"], table["first_edit_sf"]) == ("sd15", 512, cost.first_edit_sf)
