"""Replay in the decoder: which layers, how much, when, and what it does not compute; tiny networks in float64."""

from dataclasses import replace
from math import cos, exp, pi

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from tests import joint_batch, oracles
from tests.joint_batch import FEATURE, MAPS
from tests.runs import TASK, apart, clean, inverted, last, plan, translated
from tests.tiny import WIDTH
from zeroshift.backbones.unet import find_sites
from zeroshift.control import NoControl, Replay
from zeroshift.control.features import aligned, decoder_layers, feature_shares, for_rows, more_features
from zeroshift.diffusion.backbone import Unsupported
from zeroshift.diffusion.noise import random_start
from zeroshift.diffusion.trajectory import Trajectory
from zeroshift.inversion import DirectInversion
from zeroshift.inversion.noised import NoisedStart
from zeroshift.methods import PlugAndPlay

EQUAL = 1e-10
STEPS = 4


def method(control: Replay, **options: object) -> PlugAndPlay:
    return PlugAndPlay(steps=STEPS, guidance_scale=4, control=control, **options)


def expected(
    backbone, *, feature: list[float], maps: list[float], layers: tuple[str, ...] = (FEATURE,), start=None
) -> Tensor:
    """Return the edit by a joint batch with these shares of the source."""
    network = oracles.expose(backbone.unet, backbone.scheduler)
    words = ("", PlugAndPlay().conditioning.negative, TASK.target_prompt)
    empty, negative, target = (backbone.embed([text]).tokens for text in words)
    return joint_batch.edit(
        network,
        joint_batch.invert(network, clean(1), empty, STEPS),
        ([empty], [1.0]),
        lambda i: ([negative, target], [-3.0, 4.0]),
        feature=feature,
        maps=maps,
        pairs=(0, 0),
        layers=layers,
        start=start,
    )[1]


def of_depth(depth: int, **options: object) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=16,
        block_out_channels=(8,) * depth,
        down_block_types=("CrossAttnDownBlock2D",) * (depth - 1) + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * (depth - 1),
        layers_per_block=1,
        cross_attention_dim=WIDTH,
        attention_head_dim=2,
        norm_num_groups=4,
        **options,
    )


def test_layers_in_stable_diffusion_and_in_the_tiny_network(tiny):
    with torch.device("meta"):
        sites = find_sites(UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8))
    layers = decoder_layers(sites)
    blocks = [(1, 1), (1, 2), *((stage, k) for stage in (2, 3) for k in range(3))]
    assert [s.name for s in layers.features] == ["up_blocks.1.resnets.1.conv2"]
    assert [s.name for s in layers.attention] == [
        f"up_blocks.{stage}.attentions.{k}.transformer_blocks.0.attn1" for stage, k in blocks
    ]
    more = [s.name for s in more_features(sites, layers.features[0], 2, encoder=True)]
    assert more[:2] == ["down_blocks.2.resnets.0.conv2", "down_blocks.2.resnets.1.conv2"]
    assert more[2:] == [f"up_blocks.{stage}.resnets.{k}.conv2" for stage, k in ((1, 1), (1, 2), (2, 0))]
    ours = decoder_layers(tiny.sites)
    assert ([s.name for s in ours.features], tuple(s.name for s in ours.attention)) == ([FEATURE], MAPS)


def test_a_network_without_such_a_layer_is_refused(tiny):
    shallow = replace(tiny, unet=of_depth(2).double())
    chosen = method(Replay())
    trajectory = inverted(shallow, chosen, clean(1, 16, 16))
    with pytest.raises(Unsupported, match="second residual block of the decoder stage at 1/4 .* has 0 there"):
        plan(shallow, chosen, trajectory)
    nothing = method(Replay(feature_until=0, attention_until=0))
    assert last(shallow, trajectory, [plan(shallow, nothing, trajectory).branch]).targets[0].isfinite().all()


def test_residual_blocks_of_another_build_are_refused(tiny):
    """Their output cannot be left out of the computation as Stable Diffusion's can."""
    other = replace(tiny, unet=of_depth(3, resnet_time_scale_shift="scale_shift").double())
    with pytest.raises(
        Unsupported, match="The residual block up_blocks.0.resnets.1 is not built as Stable Diffusion's"
    ):
        translated(other, method(Replay()), clean(1))


def test_more_layers_than_there_are_is_refused(tiny):
    assert translated(tiny, method(Replay(extra_features=4)), clean(1)).targets[0].isfinite().all()
    with pytest.raises(ValueError, match="has 4 residual blocks after the first that is replayed, not 5"):
        translated(tiny, method(Replay(extra_features=5)), clean(1))


def test_courses_of_the_mixing_coefficient(tiny):
    schedule = tiny.schedule(STEPS)  # 751, 501, 251, 1
    courses = {
        "hard": [0.5, 0.5, 0, 0],
        "constant": [0.5] * 4,
        "linear-t": [0.3755, 0.2505, 0.1255, 0.0005],
        "linear-i": [0.5, 0.375, 0.25, 0.125],
        "cosine": [0.5, (1 + cos(pi / 4)) / 4, 0.25, (1 + cos(3 * pi / 4)) / 4],
        "exponential": [0.5, exp(-1.5) / 2, exp(-3) / 2, exp(-4.5) / 2],
    }
    for mixing, wanted in courses.items():
        assert feature_shares(mixing, 0.5, 2, schedule) == pytest.approx(wanted, abs=1e-12), mixing


MIXED = {
    "features": (Replay(feature_mix=0.3), [0.3] * 3 + [0], [1, 1, 0, 0], (FEATURE,)),
    "features, falling": (Replay(mixing="linear-i"), [1, 0.75, 0.5, 0.25], [1, 1, 0, 0], (FEATURE,)),
    "maps": (Replay(attention_mix=0.3), [1, 1, 1, 0], [0.3, 0.3, 0, 0], (FEATURE,)),
    "maps alone": (Replay(feature_mix=0, attention_mix=0.6), [0] * 4, [0.6, 0.6, 0, 0], (FEATURE,)),
    "no maps": (Replay(attention_mix=0), [1, 1, 1, 0], [0] * 4, (FEATURE,)),
    "more layers": (
        Replay(extra_features=2, encoder_features=True, feature_mix=0.5),
        [0.5] * 3 + [0],
        [1, 1, 0, 0],
        (FEATURE, "up_blocks.1.resnets.0.conv2", "up_blocks.1.resnets.1.conv2", "down_blocks.2.resnets.0.conv2"),
    ),
}


@pytest.mark.parametrize("name", MIXED)
def test_mixing_against_the_joint_batch(tiny, name: str):
    """Mixed attention outputs are what mixed maps give."""
    control, feature, maps, layers = MIXED[name]
    step = translated(tiny, method(control), clean(1))
    assert apart(step.targets[0], expected(tiny, feature=feature, maps=maps, layers=layers)) <= EQUAL


def test_what_is_replaced_is_not_computed(tiny):
    """Neither the block's convolutions nor to_q and to_k run on the target's rows; mixing needs them."""
    watched = (FEATURE, FEATURE.replace("conv2", "conv1"), f"{MAPS[0]}.to_q", f"{MAPS[-1]}.to_k")

    def rows(control: Replay) -> list[list[int]]:
        chosen = method(control)
        trajectory = inverted(tiny, chosen, clean(1))
        branch = plan(tiny, chosen, trajectory).branch
        seen: list[list[int]] = [[] for _ in watched]
        handles = [
            tiny.unet.get_submodule(name).register_forward_hook(
                lambda _m, args, _out, k=k: seen[k].append(len(args[0]))
            )
            for k, name in enumerate(watched)
        ]
        last(tiny, trajectory, [branch], reconstruct=False)
        for handle in handles:
            handle.remove()
        return seen

    source, both, target = [1], [1, 2], [2]
    assert rows(Replay()) == [source * 3 + target] * 2 + [source * 2 + target * 2] * 2
    mixing = rows(Replay(feature_mix=0.5, attention_mix=0.5))
    assert mixing == [both * 3 + target] * 2 + [both * 2 + target * 2] * 2


def test_rows_are_paired_from_the_last():
    source = torch.arange(6.0)[:, None]  # rows x pictures

    def paired(count: int, rows: int, pictures: int) -> list[float]:
        return for_rows(source[:count], rows, pictures).flatten().tolist()

    assert paired(2, 2, 1) == [0, 1] and paired(1, 3, 1) == [0, 0, 0] and paired(1, 1, 1) == [0]
    assert paired(2, 3, 1) == [0, 0, 1] and paired(3, 1, 1) == [2] and paired(3, 2, 1) == [1, 2]
    assert paired(2, 2, 2) == [0, 1, 0, 1] and paired(4, 3, 2) == [0, 1, 0, 1, 2, 3] and paired(6, 1, 3) == [3, 4, 5]


def test_matching_moves_features_to_their_like():
    generator = torch.Generator().manual_seed(0)
    target = torch.randn(2, 5, 3, 4, dtype=torch.float64, generator=generator)
    order = torch.randperm(12, generator=generator)
    source = 2 * target.flatten(2)[:, :, order].unflatten(2, (3, 4))  # twice as long, elsewhere
    assert torch.equal(aligned(source, target, "nearest"), 2 * target)
    assert torch.equal(aligned(source, target, "off"), source)


def test_matching_by_attention_follows_its_formula():
    generator = torch.Generator().manual_seed(0)
    source, target = torch.randn(2, 2, 5, 3, 4, dtype=torch.float64, generator=generator)
    moved = aligned(source, target, "attention")
    for n in range(2):
        for y, x in ((0, 0), (2, 1)):
            weights = torch.exp((target[n, :, y, x, None, None] * source[n]).sum(0) / 5**0.5)
            wanted = (source[n] * weights).sum((1, 2)) / weights.sum()
            assert apart(moved[n, :, y, x], wanted) <= EQUAL


@pytest.mark.parametrize("how", ["attention", "nearest"])
def test_matching_is_used(tiny, how: str):
    """Two grids of 4 x 4 cells that resemble each other nowhere."""
    control = Replay(target_start="random", attention_until=0)
    plain, matched = (
        translated(tiny, method(replace(control, match_features=match)), clean(1, 16, 16)).targets[0]
        for match in ("off", how)
    )
    assert apart(plain, matched) > 1e-4


def test_the_target_may_start_at_fresh_noise(tiny):
    noise = random_start((4, 8, 8), [5]).double()
    control = Replay(target_start="random", start_seed=5)
    step = translated(tiny, method(control), clean(1))
    assert torch.equal(step.source, clean(1))
    assert apart(step.targets[0], expected(tiny, feature=[1, 1, 1, 0], maps=[1, 1, 0, 0], start=noise)) <= EQUAL
    alone = replace(control, feature_until=0, attention_until=0)
    free = translated(tiny, method(alone), clean(2)).targets[0]
    from_noise = Trajectory(tiny.schedule(STEPS), (noise,))
    without = plan(tiny, replace(method(alone), control=NoControl()), from_noise).branch
    for edit in free:  # the same noise for every picture
        assert apart(edit[None], last(tiny, from_noise, [without]).targets[0]) <= EQUAL


def test_fresh_noise_needs_an_inversion_that_goes_all_the_way(tiny):
    control = Replay(target_start="random")
    with pytest.raises(ValueError, match="pure noise; take an inversion that goes all the way"):
        translated(tiny, method(control, inversion=NoisedStart(noise_strength=0.5)), clean(1))
    assert translated(tiny, method(control, inversion=DirectInversion()), clean(1)).targets[0].isfinite().all()
