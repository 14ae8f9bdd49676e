"""LoRAs: what is added to every weight is weight * alpha / r * B A, in every layout of their files; redo works."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from tests import replicas
from tests.original_layout import unet_key
from tests.runs import apart
from tests.shell import call, edit, refused
from tests.tiny_xl import tiny_xl
from zeroshift import load
from zeroshift.backbones import load_backbone
from zeroshift.backbones.lora import Lora, read_changes
from zeroshift.diffusion.backbone import Unsupported

RANK, ALPHA = 3, 6.0
BLOCK = "down_blocks.1.attentions.0.transformer_blocks.0"
OF_UNET = (f"{BLOCK}.attn2.to_q", f"{BLOCK}.attn1.to_out.0", f"{BLOCK}.ff.net.0.proj", "down_blocks.0.resnets.0.conv1")
OF_TEXT = ("encoder.layers.1.self_attn.q_proj", "encoder.layers.0.mlp.fc2")


def pair(weight: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Return A and B for a layer's weight."""
    generator = torch.Generator().manual_seed(seed)
    down = torch.randn(RANK, *weight.shape[1:], generator=generator)
    up = torch.randn(weight.shape[0], RANK, *(1 for _ in weight.shape[2:]), generator=generator)
    return down, up


def kohya(layer: str, network: str) -> tuple[str, str, str]:
    prefix = {"unet": "lora_unet_", "text_encoder": "lora_te_text_model_", "text_encoder_2": "lora_te2_text_model_"}
    flat = prefix[network] + layer.replace(".", "_")
    return f"{flat}.lora_down.weight", f"{flat}.lora_up.weight", f"{flat}.alpha"


def peft(layer: str, network: str) -> tuple[str, str, None]:
    inside = layer if network == "unet" else f"text_model.{layer}"
    return f"{network}.{inside}.lora_A.weight", f"{network}.{inside}.lora_B.weight", None


def older(layer: str, network: str) -> tuple[str, str, None]:
    """As diffusers wrote them before it had peft."""
    if ".attn" in layer and network == "unet":
        path, part = layer.removesuffix(".0").rsplit(".", 1)
        stem = f"unet.{path}.processor.{part}_lora"
        return f"{stem}.down.weight", f"{stem}.up.weight", None
    stem = f"unet.{layer}.lora" if network == "unet" else f"{network}.text_model.{layer}.lora_linear_layer"
    return f"{stem}.down.weight", f"{stem}.up.weight", None


def weights(backbone) -> dict[str, dict[str, Tensor]]:
    texts = getattr(backbone, "text_encoders", None) or (backbone.text_encoder,)
    networks = dict(zip(("unet", "text_encoder", "text_encoder_2"), (backbone.unet, *texts), strict=False))
    return {
        part: {key.removeprefix("text_model."): x.clone() for key, x in network.state_dict().items()}
        for part, network in networks.items()
    }


def written(path: Path, before: dict[str, dict[str, Tensor]], layout, alpha: float | None = ALPHA) -> Path:
    """Write a LoRA of the layers above."""
    tensors, seed = {}, 0
    for network, layers in (("unet", OF_UNET), ("text_encoder", OF_TEXT), ("text_encoder_2", OF_TEXT)):
        for layer in layers if network in before else ():
            names, seed = layout(layer, network), seed + 1
            tensors[names[0]], tensors[names[1]] = pair(before[network][f"{layer}.weight"], seed)
            if names[2] is not None and alpha is not None:
                tensors[names[2]] = torch.tensor(alpha)
    save_file(tensors, path)
    return path


def merged(before: dict[str, dict[str, Tensor]], scale: float) -> dict[str, dict[str, Tensor]]:
    """Add the same by hand, in float64."""
    after, seed = {part: dict(found) for part, found in before.items()}, 0
    for network, layers in (("unet", OF_UNET), ("text_encoder", OF_TEXT), ("text_encoder_2", OF_TEXT)):
        for layer in layers if network in before else ():
            seed += 1
            weight = before[network][f"{layer}.weight"]
            down, up = pair(weight, seed)
            product = torch.einsum("or,r...->o...", up.double().reshape(len(up), RANK), down.double())
            after[network][f"{layer}.weight"] = (weight.double() + scale * product).float()
    return after


def same(found: dict[str, dict[str, Tensor]], wanted: dict[str, dict[str, Tensor]]) -> None:
    for part, tensors in wanted.items():
        for key, x in tensors.items():
            assert apart(found[part][key], x) <= 1e-5, (part, key)


@pytest.fixture(scope="module", params=["1", "XL"])
def plain(request, checkpoint, tmp_path_factory) -> Path:
    return checkpoint if request.param == "1" else tiny_xl(tmp_path_factory.mktemp("xl") / "tiny-xl")


@pytest.mark.parametrize(
    ("layout", "scale", "factors"),
    [(kohya, ALPHA / RANK, (1.0, 0.5, -0.25)), (peft, 1.0, (0.5,)), (older, 1.0, (1.0,))],
)
def test_every_layout_adds_what_the_paper_says(plain, tmp_path, layout, scale, factors):
    before = weights(load_backbone(plain, device="cpu", precision="fp32"))
    file = written(tmp_path / "style.safetensors", before, layout)
    for factor in factors:
        text = str(file) if factor == 1 else f"{file}:{factor}"
        backbone = load(plain, device="cpu", precision="fp32", loras=[text]).backbone
        same(weights(backbone), merged(before, factor * scale))
        assert backbone.identity.loras == (f"style.safetensors:{factor:g}",)


def test_alpha_in_diffusers_metadata(checkpoint, tmp_path):
    before = weights(load_backbone(checkpoint, device="cpu", precision="fp32"))
    layer = OF_UNET[0]
    down, up = pair(before["unet"][f"{layer}.weight"], 1)
    tensors = dict(zip(peft(layer, "unet")[:2], (down, up), strict=True))
    save_file(tensors, tmp_path / "x.safetensors", {"lora_adapter_metadata": json.dumps({"unet.lora_alpha": 12})})
    (change,) = read_changes(tmp_path / "x.safetensors", 2).values()
    assert change.scale == 12 / RANK


def test_kohyas_names_of_xls_own_blocks(tmp_path):
    """XL's LoRAs of CivitAI name blocks as the original code does."""
    network = replicas.stable_diffusion_xl().unet
    layers = [name for name, layer in network.named_modules() if isinstance(layer, (nn.Linear, nn.Conv2d))]
    layers = [name for name in layers if "blocks." in name or "mid_block" in name]
    tensors, wanted = {}, set()
    for layer in layers:
        down, up = pair(network.get_submodule(layer).weight.detach(), 1)
        flat = unet_key(network, f"{layer}.weight").removesuffix(".weight").replace(".", "_")
        tensors |= {f"lora_unet_{flat}.lora_down.weight": down, f"lora_unet_{flat}.lora_up.weight": up}
        tensors[f"lora_unet_{flat}.alpha"] = torch.tensor(ALPHA)
        wanted.add(f"lora_unet_{layer.replace('.', '_')}")
    save_file(tensors, tmp_path / "xl.safetensors")
    assert any("input_blocks" in name for name in tensors) and any("middle_block" in name for name in tensors)
    assert read_changes(tmp_path / "xl.safetensors", 2).keys() == wanted


def test_several_are_added_and_the_hash_knows_them(checkpoint, tmp_path):
    before = weights(load_backbone(checkpoint, device="cpu", precision="fp32"))
    file = written(tmp_path / "a.safetensors", before, kohya)
    loaded = [load_backbone(checkpoint, device="cpu")] + [
        load(checkpoint, device="cpu", precision="fp32", loras=loras).backbone
        for loras in ([str(file)], [f"{file}:0.5", f"{file}:0.5"], [f"{file}:0.5"])
    ]
    same(weights(loaded[2]), weights(loaded[1]))
    assert len({backbone.identity.sha256 for backbone in loaded}) == 4
    assert len({backbone.text_sha256 for backbone in loaded[:2]}) == 2


def test_an_edit_with_one_is_made_again(checkpoint, tmp_path, capsys):
    before = weights(load_backbone(checkpoint, device="cpu", precision="fp32"))
    file = written(tmp_path / "style.safetensors", before, peft)
    Image.new("RGB", (32, 32), "teal").save(tmp_path / "photo.png")
    made, plain = tmp_path / "made.png", tmp_path / "plain.png"
    options = ("--lora", f"{file}:0.01", "--lora", f"{file}:0.02")
    assert edit(capsys, checkpoint, tmp_path / "photo.png", "--output", made, *options, "-q").code == 0
    assert edit(capsys, checkpoint, tmp_path / "photo.png", "--output", plain, "-q").code == 0
    assert Image.open(made).tobytes() != Image.open(plain).tobytes()
    redo = ("redo", made, "--model", checkpoint, "-q", "--output", tmp_path / "again.png")
    refused(
        call(capsys, *redo), 1, "was made with the LoRA style.safetensors:0.01 and style.safetensors:0.02", "--lora"
    )
    refused(call(capsys, *redo, *options[:2]), 1, "model")
    assert call(capsys, *redo, *options).code == 0
    assert (tmp_path / "again.png").read_bytes() == made.read_bytes()


def test_what_is_no_lora_for_this_checkpoint_is_refused(checkpoint, tmp_path):
    path = tmp_path / "x.safetensors"

    def said(tensors: dict[str, Tensor]) -> str:
        save_file(tensors, path)
        with pytest.raises(Unsupported, match=r"^[^\n]*x\.safetensors[^\n]*\.$") as refusal:
            load(checkpoint, device="cpu", loras=[str(path)])
        return str(refusal.value)

    ones, twos = torch.ones(2, 2), torch.full((2, 2), 2.0)
    assert "is no LoRA" in said({"conv_in.weight": ones})
    assert "is no LoRA" in said({"unet.conv_in.lora_A.weight": ones})
    assert "a LoHa" in said({"lora_unet_conv_in.hada_w1_a": ones})
    assert "a DoRA" in said({"unet.conv_in.lora_A.weight": ones, "unet.conv_in.dora_scale": twos})
    other = {f"unet.down_blocks.9.conv.lora_{k}.weight": x for k, x in zip("AB", (ones, twos), strict=True)}
    assert "changes lora_unet_down_blocks_9_conv, which this one has not" in said(other)
    assert "another shape" in said(
        {f"unet.{OF_UNET[0]}.lora_{k}.weight": x for k, x in zip("AB", (ones, twos), strict=True)}
    )
    path.write_bytes(b"x")
    with pytest.raises(Unsupported, match="x.safetensors is no .safetensors file, or damaged"):
        load(checkpoint, device="cpu", loras=[str(path)])


@pytest.mark.parametrize(
    ("text", "said"), [("nowhere.safetensors:1", "There is no LoRA nowhere"), ("{}:11", "from -10"), ("{}:nan", "from")]
)
def test_words_that_name_none(tmp_path, text, said):
    (tmp_path / "a.safetensors").touch()
    with pytest.raises(ValueError, match=said):
        Lora.parse(text.format(tmp_path / "a.safetensors"))
