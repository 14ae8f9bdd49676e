"""CLIP beside a checkpoint: what it sees, where it comes from, and what is refused."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from transformers import CLIPModel
from transformers.utils import logging

from tests.tiny import COLOURS, image_encoder, tiny_clip
from zeroshift.backbones import load_backbone
from zeroshift.backbones.checkpoint import SHIPPED, find_configs
from zeroshift.backbones.outline import outline_of, outline_of_sd15
from zeroshift.diffusion.backbone import Unsupported

PROMPTS = ["a photo of a cat", "a photo of a dog"]


def pictures(count: int, side: int) -> torch.Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(5)).double() * 2 - 1


def prepared(x: torch.Tensor) -> torch.Tensor:
    """Return pictures as an image encoder takes them, channel by channel."""
    return torch.stack([((x[:, c] + 1) / 2 - COLOURS[0][c]) / COLOURS[1][c] for c in range(3)], 1)


@pytest.fixture
def folder(checkpoint, tmp_path) -> Path:
    return Path(shutil.copytree(checkpoint, tmp_path / "copy"))


@pytest.fixture(scope="module")
def apart(tmp_path_factory) -> Path:
    return tiny_clip(tmp_path_factory.mktemp("clip") / "apart")


def test_tokens_are_all_of_them_after_the_last_norm(tiny):
    x = pictures(2, 16)
    network = image_encoder().double().eval()
    hidden = network.vision_model(prepared(x)).last_hidden_state
    norm = network.vision_model.post_layernorm
    wanted = (hidden - hidden.mean(-1, keepdim=True)) / (hidden.var(-1, correction=0, keepdim=True) + norm.eps).sqrt()
    assert tiny.image_tokens(x).shape == (2, 5, 16)
    assert (tiny.image_tokens(x) - (wanted * norm.weight + norm.bias)).abs().max() <= 1e-10


def test_features_are_transformers_own(tiny):
    x = pictures(2, 16)
    embeds = image_encoder().double().eval()(prepared(x)).image_embeds
    assert (tiny.clip.image_features(x) - F.normalize(embeds)).abs().max() <= 1e-12
    ids = torch.tensor([tiny.tokens(prompt).ids for prompt in PROMPTS])
    pooled = tiny.text_encoder(ids).pooler_output
    assert (tiny.clip.text_features(PROMPTS) - F.normalize(pooled)).abs().max() <= 1e-12


def test_a_picture_of_another_size_is_resampled(tiny):
    """Tokens without antialiasing, features with it; a constant picture stays what it is either way."""
    x = pictures(1, 32)
    plain, smooth = (F.interpolate(x, (16, 16), mode="bicubic", antialias=how) for how in (False, True))
    assert torch.equal(tiny.image_tokens(x), tiny.image_tokens(plain))
    assert torch.equal(tiny.clip.image_features(x), tiny.clip.image_features(smooth))
    grey = torch.full((1, 3, 40, 24), 0.25, dtype=torch.float64)
    assert (tiny.image_tokens(grey) - tiny.image_tokens(grey[..., :16, :16])).abs().max() <= 1e-10


def test_features_are_differentiable_and_nothing_else_is(tiny):
    x = pictures(1, 32).requires_grad_()
    towards = pictures(1, 32)
    wanted = tiny.clip.text_features(PROMPTS[:1])

    def score(at: torch.Tensor) -> torch.Tensor:
        return (tiny.clip.image_features(at) * wanted).sum()

    (gradient,) = torch.autograd.grad(score(x), x)
    step = 1e-5
    with torch.no_grad():
        found = (score(x + step * towards) - score(x - step * towards)) / (2 * step)
    assert abs(float((gradient * towards).sum() / found) - 1) <= 1e-6
    assert not tiny.image_tokens(x).requires_grad and not wanted.requires_grad
    assert not any(p.requires_grad for p in tiny.clip.vision.parameters())


def test_a_batch_is_its_pictures(tiny):
    x = pictures(2, 32)
    for of in (tiny.image_tokens, tiny.clip.image_features):
        assert (of(x) - torch.cat([of(x[:1]), of(x[1:])])).abs().max() <= 1e-10


@pytest.mark.filterwarnings("ignore:This CPU imitates bf16")
def test_a_saved_checkpoint_sees_as_it_did(tiny, folder):
    saved, x = load_backbone(folder, device="cpu", precision="fp32"), pictures(2, 32).float()
    assert (saved.clip.image_features(x) - tiny.clip.image_features(x.double())).abs().max() <= 1e-5
    assert (saved.clip.text_features(PROMPTS) - tiny.clip.text_features(PROMPTS)).abs().max() <= 1e-5
    half = load_backbone(folder, device="cpu", precision="bf16")
    assert half.image_tokens(x).dtype == half.clip.text_features(PROMPTS).dtype == torch.float32


def test_the_text_projection_among_the_weights(folder):
    """Without the word that there is none, a projection is taken from the weights; without either there is none."""
    config = folder / "text_encoder/config.json"
    facts = json.loads(config.read_text())
    config.write_text(json.dumps({k: v for k, v in facts.items() if k != "text_projection"}))
    backbone = load_backbone(folder, device="cpu")
    assert backbone.image_tokens(pictures(1, 32).float()).shape == (1, 5, 16)
    with pytest.raises(Unsupported, match="text encoder has no projection into the space of its image encoder"):
        backbone.clip.text_features(PROMPTS)
    weights = folder / "text_encoder/model.safetensors"
    matrix = torch.randn(12, 16, generator=torch.Generator().manual_seed(0))
    save_file({**load_file(weights), "text_projection.weight": matrix}, weights, metadata={"format": "pt"})
    found = load_backbone(folder, device="cpu", precision="fp32")
    ids = torch.tensor([found.tokens(prompt).ids for prompt in PROMPTS])
    wanted = F.normalize(found.text_encoder(ids).pooler_output @ matrix.T)
    assert torch.equal(found.clip.text_features(PROMPTS), wanted)


def test_a_clip_given_apart(folder, apart):
    backbone = load_backbone(folder, device="cpu", precision="fp32", clip=apart)
    x = pictures(2, 24).float()
    model = CLIPModel.from_pretrained(apart).eval()
    out = model(torch.tensor([backbone.tokens(p).ids for p in PROMPTS]), prepared(x))
    assert (backbone.clip.image_features(x) - out.image_embeds).abs().max() <= 1e-6
    assert (backbone.clip.text_features(PROMPTS) - out.text_embeds).abs().max() <= 1e-6
    assert backbone.identity.clip == "apart"
    assert backbone.identity.sha256 != load_backbone(folder, device="cpu").identity.sha256


def test_the_hash_covers_what_is_seen_with(folder, apart, tmp_path):
    before = load_backbone(folder, device="cpu").identity.sha256
    weights = folder / "image_encoder/model.safetensors"
    save_file({k: v + 1 for k, v in load_file(weights).items() if v.is_floating_point()}, weights)
    assert load_backbone(folder, device="cpu").identity.sha256 != before
    other = Path(shutil.copytree(apart, tmp_path / "apart"))
    first, same = (load_backbone(folder, device="cpu", clip=c).identity.sha256 for c in (apart, other))
    (other / "preprocessor_config.json").write_text(json.dumps({"image_mean": [0.5] * 3, "image_std": [0.5] * 3}))
    assert first == same != load_backbone(folder, device="cpu", clip=other).identity.sha256


def test_a_checkpoint_without(folder):
    shutil.rmtree(folder / "image_encoder")
    backbone = load_backbone(folder, device="cpu")
    for ask in (lambda: backbone.clip, lambda: backbone.image_tokens(pictures(1, 32))):
        with pytest.raises(
            Unsupported,
            match=r"^The checkpoint copy has no CLIP image encoder; give one, by fo",
        ):
            ask()


def test_pickled_weights_are_refused_when_they_are_needed(folder, apart, tmp_path):
    (folder / "image_encoder/model.safetensors").rename(folder / "image_encoder/pytorch_model.bin")
    with pytest.raises(Unsupported, match="The image_encoder of copy has only pickled weights"):
        _ = load_backbone(folder, device="cpu").clip
    other = Path(shutil.copytree(apart, tmp_path / "apart"))
    (other / "model.safetensors").rename(other / "pytorch_model.bin")
    with pytest.raises(Unsupported, match="The CLIP apart has only pickled weights"):
        load_backbone(folder, device="cpu", clip=other)


@pytest.mark.parametrize("damage", ["away", "{}", "{"])
def test_what_an_image_encoder_takes_must_be_known(folder, damage):
    path = folder / "image_encoder/preprocessor_config.json"
    path.unlink() if damage == "away" else path.write_text(damage)
    with pytest.raises(Unsupported, match=r"preprocessor_config\.json.*(add that file|get it anew)\.$"):
        _ = load_backbone(folder, device="cpu").clip


@pytest.mark.parametrize(("clip", "said"), [("nowhere", "no folder nowhere"), ("file", "is a file; give the folder")])
def test_no_such_clip(folder, tmp_path, monkeypatch, clip, said):
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("x")
    with pytest.raises(ValueError, match=said):
        load_backbone(folder, device="cpu", clip=clip)
    Path("empty").mkdir()
    with pytest.raises(Unsupported, match=r"The CLIP empty has no config\.json"):
        load_backbone(folder, device="cpu", clip="empty")


def test_outlines_see_too(checkpoint, folder):
    meta = {"device": "meta"}
    assert (
        outline_of(find_configs(checkpoint, None, None)).image_tokens(torch.zeros(1, 3, 32, 32, **meta)).shape[1] == 5
    )
    shutil.rmtree(folder / "image_encoder")
    for backbone in (outline_of_sd15(), outline_of(find_configs(folder, None, None))):
        assert backbone.image_tokens(torch.zeros(2, 3, 512, 512, **meta)).shape == (2, 197, 768)
        assert backbone.clip.image_features(torch.zeros(2, 3, 512, 512, **meta)).shape == (2, 512)
        assert backbone.clip.text_features(PROMPTS).shape == (2, 512)


def test_it_is_loaded_once_and_only_when_needed(tiny):
    opened = []

    def opening():
        opened.append(1)
        return tiny.open_clip()

    lazy = replace(tiny, open_clip=opening)
    assert not opened
    assert lazy.clip is lazy.clip and len(opened) == 1


@pytest.mark.skipif(not (SHIPPED / "unet").is_dir(), reason="the shipped model is not there")
def test_the_shipped_model_compares_pictures_with_prompts():
    backbone = load_backbone(device="cpu", precision="fp32")
    x = pictures(1, 64).float()
    assert backbone.image_tokens(x).shape == (1, 65, backbone.embed(PROMPTS[:1]).tokens.shape[-1])
    assert backbone.clip.image_features(x).shape == backbone.clip.text_features(PROMPTS[:1]).shape == (1, 128)


def test_nothing_is_drawn_while_it_is_loaded(folder, capfd):
    drawn = logging.is_progress_bar_enabled()
    logging.enable_progress_bar()
    try:
        load_backbone(folder, device="cpu", precision="fp32")
        assert logging.is_progress_bar_enabled() and not any(capfd.readouterr())
    finally:
        if not drawn:
            logging.disable_progress_bar()
