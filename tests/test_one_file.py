"""Checkpoints in one file: every weight, prompt and level as in the folder of the same model."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn

from tests import replicas
from tests.original_layout import original, write_original
from tests.runs import apart
from tests.shell import call
from tests.test_several import grey_levels
from zeroshift import Editor, load
from zeroshift.backbones.checkpoint import find_checkpoint, find_configs
from zeroshift.backbones.layout import unet_config
from zeroshift.backbones.one_file import Head, predicts_velocity
from zeroshift.backbones.outline import outline_of
from zeroshift.backbones.tokenizer import clip_tokenizer
from zeroshift.cost.flops import forward_flops
from zeroshift.diffusion.backbone import Unsupported
from zeroshift.methods import DDIM

KINDS = {
    "1": (replicas.stable_diffusion_1, {}),
    "2": (replicas.stable_diffusion_2, {"prediction_type": "v"}),
    "XL": (replicas.stable_diffusion_xl, {}),
}


@pytest.fixture(scope="module", params=KINDS)
def both(request, tmp_path_factory) -> tuple[str, Path, Path]:
    """The same replica as a folder and as a file."""
    build, metadata = KINDS[request.param]
    place, pipeline = tmp_path_factory.mktemp("file"), build()
    file = write_original(pipeline, request.param, place / "model.safetensors", **metadata)
    return request.param, replicas.saved(pipeline, place / "folder"), file


@pytest.fixture(scope="module")
def editors(both) -> tuple[Editor, Editor]:
    folder, file = (load(model, device="cpu", precision="fp32") for model in both[1:])
    return folder, file


def networks(editor: Editor) -> list[nn.Module]:
    backbone = editor.backbone
    texts = getattr(backbone, "text_encoders", None) or (backbone.text_encoder,)
    return [backbone.unet, backbone.vae, *texts]


def test_every_weight_is_that_of_the_folder(editors):
    for theirs, ours in zip(*map(networks, editors), strict=True):
        wanted = theirs.state_dict()
        assert ours.state_dict().keys() == wanted.keys()
        assert all(torch.equal(x, wanted[key]) for key, x in ours.state_dict().items())
        assert not any(x.is_meta for x in (*ours.parameters(), *ours.buffers()))


def test_prompts_levels_and_pictures_are_those_of_the_folder(editors):
    """Up to rounding, which random networks amplify: where a tensor lies in memory changes a product's last bits."""
    folder, file = editors
    for prompt in ("", "a photo of a cat", "Ünïcode, 12 cats & " * 20):
        theirs, ours = (editor.backbone.embed([prompt]) for editor in editors)
        assert apart(theirs.tokens, ours.tokens) <= 1e-5
        assert theirs.pooled is ours.pooled is None or apart(theirs.pooled, ours.pooled) <= 1e-5
    levels = [editor.backbone.schedule(7) for editor in editors]
    assert levels[0].timesteps == levels[1].timesteps and levels[0].prediction == levels[1].prediction
    for i in range(7):
        assert levels[0].level(i) == levels[1].level(i) and levels[0].reached(i) == levels[1].reached(i)
    pictures = [editor.generate("a cat", seed=1, steps=2) for editor in editors]
    assert grey_levels(*pictures) <= 2 and pictures[0].size == (64, 64)
    photo, method = Image.fromarray(np.full((64, 64, 3), 90, np.uint8)), DDIM(steps=2)
    edits = [editor.edit(photo, "a cat", "a dog", method=method).image for editor in editors]
    assert grey_levels(*edits) <= 2
    assert folder.backbone.size == file.backbone.size == 64


def test_its_hash_is_that_of_the_bytes_whatever_it_is_called(both, editors, tmp_path):
    assert editors[1].backbone.identity.sha256 == hashlib.sha256(both[2].read_bytes()).hexdigest()
    assert editors[1].backbone.identity.name == "model.safetensors"


def test_shapes_alone_count_what_it_does(both, editors):
    found = outline_of(find_configs(both[2], None, None))
    x0 = torch.zeros(1, 4, 8, 8)
    assert forward_flops(found, x0.to("meta")) == forward_flops(editors[0].backbone, x0)


@pytest.mark.parametrize(
    "both", ["1", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("2", "XL"))], indirect=True
)
def test_the_command_line_takes_a_file(both, tmp_path, capsys):
    out = tmp_path / "cat.png"
    options = ("--steps", "2", "--threads", "1", "-q")
    assert call(capsys, "generate", "a cat", "--model", both[2], "--output", out, *options).code == 0
    again = call(capsys, "redo", out, "--model", both[2], "--output", tmp_path / "again.png", "-q")
    assert again.code == 0 and (tmp_path / "again.png").read_bytes() == out.read_bytes()


def test_the_vocabulary_is_clips():
    """Numbers that CLIP's own tokenizer gives."""
    words = clip_tokenizer()
    assert len(words) == 49408 and words.model_max_length == 77
    assert words("a photo of a cat").input_ids == [49406, 320, 1125, 539, 320, 2368, 49407]
    assert words("A  DOG!").input_ids == [49406, 320, 1929, 256, 49407]
    assert (words.pad_token_id, clip_tokenizer("!").pad_token_id) == (49407, 0)


def test_published_sizes_are_read_off_published_shapes():
    """Of Stable Diffusion 1.5's UNet, and of XL's."""
    from diffusers import UNet2DConditionModel

    from tests.original_layout import unet_key

    xl = {
        "block_out_channels": (320, 640, 1280),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": [1, 2, 10],
        "attention_head_dim": [5, 10, 20],
        "cross_attention_dim": 2048,
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
    }
    for config in ({"cross_attention_dim": 768, "attention_head_dim": 8}, xl):
        with torch.device("meta"):
            network = UNet2DConditionModel(sample_size=64, **config)
        shapes = {f"model.diffusion_model.{unet_key(network, key)}": x.shape for key, x in network.state_dict().items()}
        shapes["conditioner.embedders.1.model.text_projection"] = (1280, 1280)
        found = unet_config(shapes, 64)
        with torch.device("meta"):
            again = UNet2DConditionModel.from_config(found)
        assert {key: x.shape for key, x in again.state_dict().items()} == {
            key: x.shape for key, x in network.state_dict().items()
        }
        for key in ("attention_head_dim", "addition_time_embed_dim", "block_out_channels"):
            wanted = network.config[key]
            assert found.get(key) == (list(wanted) if isinstance(wanted, tuple) else wanted)


@pytest.mark.parametrize(
    ("kind", "shapes", "metadata", "deviation", "velocity"),
    [
        ("1", {}, {}, 1.0, False),
        ("2", {}, {}, 0.05, False),
        ("2", {}, {}, 0.2, True),
        ("2", {}, {"modelspec.prediction_type": "epsilon"}, 0.2, False),
        ("XL", {}, {}, 0.2, False),
        ("XL", {"v_pred": ()}, {}, 0.0, True),
        ("XL", {}, {"modelspec.prediction_type": "v"}, 0.0, True),
    ],
)
def test_what_a_network_predicts(kind, shapes, metadata, deviation, velocity):
    last = "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias"
    head = Head({**shapes, last: (2,)}, metadata, lambda _: torch.tensor([-deviation, deviation]))
    assert predicts_velocity(head, kind) is velocity


def test_files_of_other_things_are_refused(tmp_path):
    """By their heads, before a network is made."""
    whole = original(replicas.stable_diffusion_1(), "1")
    path = tmp_path / "x.safetensors"
    first = "model.diffusion_model.input_blocks.0.0.weight"

    def said(tensors: dict[str, torch.Tensor]) -> str:
        save_file(tensors, path)
        with pytest.raises(Unsupported, match=r"^[^\n]*x\.safetensors[^\n]*\.$") as refusal:
            find_checkpoint(path, None, None)
        return str(refusal.value)

    assert "takes 9 channels: an inpainting model" in said({**whole, first: torch.zeros(32, 9, 3, 3)})
    assert "instruct-pix2pix" in said({**whole, first: torch.zeros(32, 8, 3, 3)})
    assert "unCLIP" in said({**whole, "model.diffusion_model.label_emb.0.0.weight": torch.zeros(2, 2)})
    assert "EDM" in said({**whole, "edm_mean": torch.zeros(4)})
    assert "has no VAE" in said({key: x for key, x in whole.items() if not key.startswith("first_stage")})
    assert "has no text encoder" in said({key: x for key, x in whole.items() if not key.startswith("cond_stage")})
    assert "is a LoRA" in said({"lora_unet_down_blocks_0.lora_down.weight": torch.zeros(1)})
    assert "holds no Stable Diffusion" in said({"joint_blocks.0.x": torch.zeros(1)})
    assert "not laid out" in said({key: x for key, x in whole.items() if "encoder.down" not in key})
    lacking = "model.diffusion_model.middle_block.0.in_layers.2.weight"
    save_file({key: x for key, x in whole.items() if key != lacking}, path)
    with pytest.raises(Unsupported, match=r"^x\.safetensors of the unet of .* has no mid_block\.resnets\.0"):
        load(path, device="cpu")
    path.write_bytes(b"no safetensors")
    with pytest.raises(Unsupported, match=r"x\.safetensors is no \.safetensors file, or damaged \("):
        load(path, device="cpu")
    (tmp_path / "x.ckpt").write_bytes(b"")
    with pytest.raises(Unsupported, match=r"^x\.ckpt is pickled, which can run code"):
        load(tmp_path / "x.ckpt")


def test_half_precision_files(tmp_path):
    pipeline = replicas.stable_diffusion_1()
    path = write_original(pipeline, "1", tmp_path / "half.safetensors")
    save_file({key: x.half() for key, x in load_file(path).items()}, path, {"modelspec.resolution": "64x64"})
    backbone = load(path, device="cpu", precision="fp32").backbone
    wanted = pipeline.unet.state_dict()
    assert all(torch.equal(x, wanted[key].half().float()) for key, x in backbone.unet.state_dict().items())


def test_a_smaller_network_with_what_its_training_left(tmp_path):
    """One residual block for each level as BK-SDM has, averaged weights beside, and the encoder by its older names."""
    pipeline = replicas.stable_diffusion_1()
    pipeline.unet = replicas.unet(
        block_out_channels=(32, 64, 64, 64), layers_per_block=1, cross_attention_dim=64, attention_head_dim=8
    )
    prefix, found = "model.diffusion_model.", original(pipeline, "1")
    averaged = {f"model_ema.{key[6:].replace('.', '')}": x + 1 for key, x in found.items() if key.startswith(prefix)}
    left = {"model_ema.num_updates": torch.tensor(5), "betas": torch.zeros(1000), "logvar": torch.zeros(1000)}
    named = {key.replace("transformer.text_model.", "transformer."): x for key, x in found.items()}
    save_file(named | averaged | left, tmp_path / "small.safetensors")
    backbone = load(tmp_path / "small.safetensors", device="cpu", precision="fp32", cache=False).backbone
    for ours, theirs in ((backbone.unet, pipeline.unet), (backbone.text_encoder, pipeline.text_encoder)):
        wanted = theirs.state_dict()
        assert all(torch.equal(x, wanted[key]) for key, x in ours.state_dict().items())
