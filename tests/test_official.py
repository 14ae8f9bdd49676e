"""The plain implementations of the authors' procedures: they do what zeroshift does, at the cost that was published."""

from dataclasses import replace

import pytest
import torch
from benchmarks import pipeline
from benchmarks.__main__ import Row, merged
from benchmarks.count import COUNTED, official_sf, outline, per_unit
from benchmarks.official.model import Written
from benchmarks.official.pnp_diffusers import layers
from benchmarks.pairs import PAIRS
from benchmarks.setting import Setting, ours

from tests.tiny import tiny_backbone
from tests.watch import installed
from zeroshift.conditioning.direction import direction_of_words
from zeroshift.cost.flops import counted
from zeroshift.cost.published import DIFFUSERS, OFFICIAL, published
from zeroshift.inversion.base import finished
from zeroshift.presets import build_method

SAME = [name for name in PAIRS if name not in ("plug-and-play", "plug-and-play, first code")]
PUBLISHED = {
    "pix2pix-zero": 465,
    pipeline.NAME: 540,
    "plug-and-play, 999 inversion steps": 2148,
    "plug-and-play, first code": 3197,
    "style-diffusion": 5497,
    "mirror-diffusion": 576 + 127 * 10,
    "prompt-to-prompt": 250,
    "prompt-to-prompt + direct": 650,
    "prompt-to-prompt + null-text": 1900,
    "prompt-to-prompt + edit-friendly": 552,
    "edit-friendly": 328,
    "sdedit": 2 * 37,
}
"""SF at Stable Diffusion 1.5, 512 x 512, from the authors' loops and one pass each of UNet and CLIP; 0.8 TFLOP each"""


def setting(backbone, inner_steps: int = 2) -> Setting:
    pictures = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 2 - 1
    direction = direction_of_words(backbone, "cat", "dog", 5)
    return Setting(backbone, pictures, direction, steps=3, inversion_steps=9, inner_steps=inner_steps)


def check_same(at: Setting, name: str):
    pair, x0 = PAIRS[name](at), at.backbone.encode(at.pictures)
    own, official = ours(at, pair.method, x0), finished(pair.official(x0))
    torch.testing.assert_close(own, official, rtol=0, atol=1e-8)
    assert float((official - x0).abs().max()) > 0.1


@pytest.mark.parametrize("name", SAME)
def test_zeroshift_and_the_authors_procedure_give_the_same_latent(tiny, name):
    check_same(setting(tiny), name)


@pytest.mark.parametrize("name", ["pix2pix-zero", "edit-friendly"])
def test_so_they_do_with_a_network_that_predicts_v(tiny_v, name):
    check_same(setting(tiny_v), name)


@pytest.mark.slow
@pytest.mark.parametrize("name", PAIRS)
def test_units_add_up_to_a_full_run_and_nothing_is_left_behind(tiny, name):
    at = setting(tiny, inner_steps=1)
    pair, x0, before = PAIRS[name](at), tiny.encode(at.pictures), installed(tiny.unet)
    whole, part = pair.official(x0), pair.official(x0)  # prompts are encoded now
    _, flops = counted(lambda: finished(whole))
    each = per_unit(part, pair.units)
    assert flops == sum(count * each[label] for label, count in pair.units.items())
    assert installed(tiny.unet) == before
    assert not any(p.requires_grad or p.grad is not None for p in tiny.unet.parameters())


def test_a_procedure_that_is_broken_off_leaves_nothing_behind(tiny):
    at, before = setting(tiny), installed(tiny.unet)
    for name in ("pix2pix-zero", "style-diffusion", "plug-and-play, first code"):
        work = PAIRS[name](at).official(tiny.encode(at.pictures))
        next(work)
        assert installed(tiny.unet) != before
        work.close()
        assert installed(tiny.unet) == before
        assert not any(p.requires_grad for p in tiny.unet.parameters())


@pytest.mark.parametrize(
    ("name", "label", "written"),
    [
        ("pix2pix-zero", "inversion", "all"),
        ("plug-and-play", "inversion", "none"),
        ("plug-and-play", "reconstruction", "none"),
        ("plug-and-play", "edit", "replayed"),
        ("plug-and-play, first code", "inversion", "all"),
        ("style-diffusion", "inversion", "all"),
        ("style-diffusion", "edit", "all"),
        ("mirror-diffusion", "inversion", "none"),
        ("mirror-diffusion", "step", "all"),
        ("prompt-to-prompt", "inversion", "all"),
        ("prompt-to-prompt + edit-friendly", "inversion", "none"),
        ("edit-friendly", "edit", "all"),
        ("sdedit", "edit", "none"),
    ],
)
def test_attention_is_written_out_where_the_authors_code_does_so(tiny, name, label, written):
    """Everywhere else it is the library's, which is fused."""
    work = PAIRS[name](setting(tiny)).official(tiny.encode(setting(tiny).pictures))
    while next(work) != label:
        pass
    names = {
        key.removesuffix(".processor") for key, one in tiny.unet.attn_processors.items() if isinstance(one, Written)
    }
    work.close()
    every = {key.removesuffix(".processor") for key in tiny.unet.attn_processors}
    assert names == {"all": every, "none": set(), "replayed": set(layers(tiny.unet)[1])}[written]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("pix2pix-zero", {"control": {"maps_from": "inversion"}}),
        ("pix2pix-zero", {"control": {"lambda_xa": 0}}),
        ("pix2pix-zero", {"extras": [{"kind": "sampling-noise"}]}),
        ("plug-and-play", {"control": {"mixing": "cosine"}}),
        ("plug-and-play", {"control": {"match_features": "nearest"}}),
        ("mirror-diffusion", {"inversion": {"optimiser": "gradient"}}),
        ("mirror-diffusion", {"inversion": {"inner_steps": 0}}),
        ("style-diffusion", {"inversion": {"learn": "direct"}}),
        ("prompt-to-prompt", {"inversion": {"kind": "ddim", "inversion_steps": 100}}),
        ("prompt-to-prompt", {"inversion": {"kind": "null-text", "optimise": "prompt"}}),
        ("prompt-to-prompt", {"guidance_scale": 1}),
        ("rediffuser", {}),
        ("ddim", {}),
    ],
)
def test_there_is_no_figure_for_an_edit_that_no_code_does(name, options):
    assert published(OFFICIAL, build_method(name, options)) is None


@pytest.mark.parametrize(
    ("name", "options", "sf"),
    [
        ("pix2pix-zero", {"steps": 20}, 184.8),
        ("plug-and-play", {}, 2148),
        ("plug-and-play", {"control": {"inclusive": True}}, 3197),
        ("style-diffusion", {}, 5496.504),
        ("style-diffusion", {"conditioning": {"values_until": 1.0}}, 5506.992),
        ("mirror-diffusion", {}, 1841.76),
        ("prompt-to-prompt", {}, 250),
        ("prompt-to-prompt", {"inversion": {"kind": "direct"}}, 650),
        ("prompt-to-prompt", {"inversion": {"kind": "null-text"}}, 1900),
        ("sdedit", {"inversion": {"noise_strength": 0.5}}, 50),
    ],
)
def test_formulas(name, options, sf):
    assert published(OFFICIAL, build_method(name, options)) == pytest.approx(sf)


def test_diffusers_pipeline_does_what_is_counted_for_it():
    """Step by step: its text encoder and VAE do the same whatever the number of steps."""
    single = tiny_backbone(torch.float32)
    at = replace(setting(single), pictures=setting(single).pictures.float())

    def whole(steps: int) -> int:
        return counted(lambda: finished(pipeline.edit(at, steps)))[1]

    pair = pipeline.counted_as(at)
    each = per_unit(pair.official(single.encode(at.pictures)), pair.units)
    assert (whole(5) - whole(3)) / 2 == pytest.approx(sum(each.values()), rel=0.02)


@pytest.fixture(scope="module")
def bare() -> Setting:
    return outline()


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED)
def test_a_procedure_costs_what_is_published_and_what_the_formula_says(bare, name):
    found = official_sf(bare, name)
    assert sum(found.values()) == pytest.approx(PUBLISHED[name], rel=0.02)
    formulas = DIFFUSERS if name == pipeline.NAME else OFFICIAL
    assert published(formulas, COUNTED[name](bare).method) == pytest.approx(sum(found.values()), rel=0.02)
    if name == "style-diffusion":
        training = sum(found[label] for label in ("fixed", "inner", "step")) + found["inversion"] / 2
        assert training == pytest.approx(5316, rel=0.002)
        assert found["edit"] + found["late"] + found["inversion"] / 2 == pytest.approx(181, rel=0.005)
    if name == "mirror-diffusion":
        assert found["inner"] == pytest.approx(127 * 10, rel=0.02)
        assert sum(found.values()) - found["inner"] == pytest.approx(576, rel=0.02)


def test_rows_that_were_not_measured_again_stay_in_the_table():
    """One method measured leaves the others' rows; a method that had none gets its place in the order of the table."""
    old = [Row(name, 50, 1.0, 2.0, 3.0, 4.0, None, None) for name in ("pix2pix-zero", "sdedit")]
    new = [replace(old[1], ours_s=9.0), replace(old[0], method="plug-and-play")]
    found = merged(old, new)
    assert [row.method for row in found] == ["pix2pix-zero", "plug-and-play", "sdedit"]
    assert found[0] == old[0] and found[2].ours_s == 9.0
