"""Local blend: where the mask lies and what it keeps."""

import pytest
import torch

from zeroshift.backbones.outline import outline_of_sd15
from zeroshift.control.blend import LocalBlend, blend_sites
from zeroshift.diffusion.backbone import Unsupported
from zeroshift.diffusion.sites import Site

SITE = Site("layer", "cross", "up", 2, 0)
SIZE = (8, 12)
"""of the latent; the layer's grid is 4 x 6"""


def peak(row: int, column: int, token: int, height: float = 1.0) -> torch.Tensor:
    """Return maps (1, 2, 24, 3) with one value above 0, in both heads."""
    maps = torch.zeros(1, 2, 4, 6, 3)
    maps[:, :, row, column, token] = height
    return maps.flatten(2, 3)


def blend(threshold: float = 0.3, start: int = 0, subtracts: bool = False) -> LocalBlend:
    """Return a blend by token 0 of the source and 1 of the target; token 2 of both is taken out."""
    source, target = torch.zeros(3, 2), torch.zeros(3, 2)
    source[0, 0] = target[1, 0] = source[2, 1] = target[2, 1] = 1
    return LocalBlend(frozenset([SITE]), (source, target), threshold, start, subtracts)


def area(top: int, left: int, bottom: int, right: int) -> torch.Tensor:
    """Return a mask of the latent from cells of the layer's grid."""
    mask = torch.zeros(1, 1, *SIZE, dtype=torch.bool)
    mask[..., 2 * top : 2 * bottom, 2 * left : 2 * right] = True
    return mask


def test_mask_is_the_neighbourhood_of_where_either_word_looks():
    mask = blend()
    mask.look(peak(0, 0, token=0), peak(2, 4, token=1))
    assert torch.equal(mask.mask(*SIZE), area(0, 0, 2, 2) | area(1, 3, 4, 6))


def test_each_branch_has_its_own_words():
    mask = blend()
    mask.look(peak(0, 0, token=0) + peak(3, 5, token=1, height=9), peak(0, 0, token=1) + peak(3, 5, token=0, height=9))
    assert torch.equal(mask.mask(*SIZE), area(0, 0, 2, 2))


def test_maps_of_all_steps_are_summed_and_measured_by_their_maximum():
    mask = blend()
    for k in range(10):  # nine looks at one place and one at another
        at = (0, 0) if k < 9 else (3, 5)
        mask.look(peak(*at, token=0), peak(*at, token=1))
    assert torch.equal(mask.mask(*SIZE), area(0, 0, 2, 2))  # 1 of 9 is below 0.3
    mask.look(peak(3, 5, token=0, height=1.9), peak(3, 5, token=1, height=1.9))
    assert torch.equal(mask.mask(*SIZE), area(0, 0, 2, 2) | area(2, 4, 4, 6))


def test_what_is_taken_out_has_no_neighbourhood():
    mask = blend(subtracts=True)
    mask.look(peak(1, 1, token=0) + peak(1, 1, token=2), peak(1, 1, token=1) + peak(0, 0, token=2))
    assert torch.equal(mask.mask(*SIZE), area(0, 0, 3, 3) & ~area(1, 1, 2, 2) & ~area(0, 0, 1, 1))


def test_nothing_is_blended_before_the_start_but_it_is_looked_at():
    mask, x, source = blend(start=2), torch.ones(1, 4, *SIZE), torch.zeros(1, 4, *SIZE)
    mask.look(peak(0, 0, token=0), peak(0, 0, token=1))
    assert mask(x, source, 1) is x
    assert torch.equal(mask(x, source, 2), area(0, 0, 2, 2).float().expand_as(x))


def test_a_mask_of_everything_changes_no_bit():
    mask, x = blend(threshold=0.0), torch.randn(2, 4, *SIZE)
    mask.look(*(torch.rand(2, 2, 24, 3) + 0.1 for _ in range(2)))
    assert torch.equal(mask(x, torch.randn(2, 4, *SIZE), 0), x)


def test_pictures_of_a_batch_have_their_own_masks():
    mask = blend()
    mask.look(torch.cat([peak(0, 0, 0), peak(3, 5, 0, 7)]), torch.cat([peak(0, 0, 1), peak(3, 5, 1, 7)]))
    assert torch.equal(mask.mask(*SIZE), torch.cat([area(0, 0, 2, 2), area(2, 4, 4, 6)]))


def test_stable_diffusion_is_masked_by_five_layers_of_a_quarter():
    found = blend_sites(outline_of_sd15().sites)
    assert sorted(site.name.split(".transformer")[0] for site in found) == [
        "down_blocks.2.attentions.0",
        "down_blocks.2.attentions.1",
        "up_blocks.1.attentions.0",
        "up_blocks.1.attentions.1",
        "up_blocks.1.attentions.2",
    ]


def test_other_networks_are_masked_by_the_coarsest_layers_that_encoder_and_decoder_have(tiny):
    assert {(site.stage, site.scale) for site in blend_sites(tiny.sites)} == {("down", 2), ("up", 2)}
    with pytest.raises(Unsupported, match="this network has none; leave `blend_words` out"):
        blend_sites([SITE, Site("other", "cross", "down", 4, 1), Site("mid", "cross", "mid", 2, 2)])
