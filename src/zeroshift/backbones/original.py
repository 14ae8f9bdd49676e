"""The parts that a backbone is made of, from one file in the layout that Stable Diffusion was published in.

Tensors are renamed by diffusers' own functions, those of its single-file loader; which network a file holds, and what
is not in the file, is told here (``layout``, ``tokenizer``), so that nothing is looked up on the hub.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from accelerate import init_empty_weights
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from diffusers.loaders.single_file_utils import (
    convert_ldm_clip_checkpoint,
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
    convert_open_clip_checkpoint,
)
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from zeroshift.backbones.layout import CLIP_1, CLIP_2, CLIP_XL, UNET, VAE, Config
from zeroshift.backbones.one_file import Kind, OneFile
from zeroshift.backbones.parts import Parts, vae_dtype
from zeroshift.backbones.tokenizer import END, OPEN_CLIP_PADDING, clip_tokenizer
from zeroshift.backbones.whole import check_loaded, loading

Tensors = Mapping[str, Tensor]
Convert = Callable[[nn.Module, Tensors], Tensors]
"""names a file's tensors as a network does"""


def parts_of_file(file: OneFile, dtype: torch.dtype) -> Parts:
    """Read every part, in precision ``dtype``.

    Raises:
        Unsupported: tensors are missing or of other shapes than the network's.
    """
    with loading(f"the checkpoint {file.name}", "its tensors"):
        tensors = load_file(file.path)
    return parts_of_tensors(file, tensors, dtype)


def parts_of_tensors(file: OneFile, tensors: Tensors, dtype: torch.dtype) -> Parts:
    """Make every part of a file's tensors.

    Raises:
        Unsupported: some are missing or of other shapes than the network's.
    """
    configs, fill = file.configs, partial(filled, file.name, tensors)
    precision = vae_dtype(dtype, bool(configs["vae"]["force_upcast"]))
    with init_empty_weights():
        networks = {part: outline(file, part) for part in configs if part != "scheduler"}
    towers = (fill(part, networks[part], text_of, dtype) for part, text_of in encoders_of(file.kind))
    return Parts(
        unet=fill("unet", networks["unet"], partial(of_unet, configs["unet"]), dtype),
        vae=fill("vae", networks["vae"], partial(of_autoencoder, configs["vae"]), precision),
        towers=tuple(towers),
        words=words_of(file.kind),
        scheduler=DDIMScheduler.from_config(configs["scheduler"]),
    )


def outline(file: OneFile, part: str) -> Any:  # noqa: ANN401 - of the part's class
    """A network of a file, as yet without its weights.

    Raises:
        Unsupported: the file's shapes make no such network.
    """
    config = file.configs[part]
    with loading(f"the {part} of {file.name}", "the shapes of its tensors"):
        match part:
            case "unet":
                return UNet2DConditionModel.from_config(config)
            case "vae":
                return AutoencoderKL.from_config(config)
            case "text_encoder":
                return CLIPTextModel(CLIPTextConfig(**config))
            case _:
                return CLIPTextModelWithProjection(CLIPTextConfig(**config))


def filled(name: str, tensors: Tensors, part: str, network: Any, convert: Convert, dtype: torch.dtype) -> Any:  # noqa: ANN401
    """A network with its weights from the file ``name``.

    Raises:
        Unsupported: some are missing or of other shapes.
    """
    what = f"the {part} of {name}"
    with loading(what, "the tensors of its file"):
        own = network.state_dict()
        # copied, or tensors would lie where the file has them, and their place in memory changes last bits
        named = {key: x.to(dtype, copy=True) for key, x in convert(network, tensors).items() if key in own}
        shaped = {key: x for key, x in named.items() if x.shape == own[key].shape}
        network.load_state_dict(shaped, strict=False, assign=True)
    lacking, others = own.keys() - named.keys(), named.keys() - shaped.keys()
    check_loaded({"missing_keys": lacking, "mismatched_keys": others}, what, name)
    return network


def of_unet(config: Config, _network: nn.Module, tensors: Tensors) -> Tensors:
    """The UNet's tensors as diffusers names them."""
    found: Tensors = convert_ldm_unet_checkpoint(under(tensors, UNET), config)
    return found


def of_autoencoder(config: Config, _network: nn.Module, tensors: Tensors) -> Tensors:
    """The VAE's tensors as diffusers names them."""
    found: Tensors = convert_ldm_vae_checkpoint(under(tensors, VAE), config)
    return found


def of_clip(prefix: str, network: nn.Module, tensors: Tensors) -> Tensors:
    """The tensors of OpenAI's CLIP as transformers names them."""
    return as_named(network, convert_ldm_clip_checkpoint(under(tensors, prefix)))


def of_open_clip(prefix: str, network: nn.Module, tensors: Tensors) -> Tensors:
    """The tensors of OpenCLIP's text encoder as transformers names them."""
    return as_named(network, convert_open_clip_checkpoint(network, under(tensors, prefix), prefix=f"{prefix}."))


def as_named(network: nn.Module, tensors: Tensors) -> Tensors:
    """Tensors by the names of the network, some of whose classes and files lead with "text_model." and some do not."""
    own, bare = network.state_dict().keys(), {key.removeprefix("text_model."): x for key, x in tensors.items()}
    return {key if key in own else f"text_model.{key}": x for key, x in bare.items()}


def under(tensors: Tensors, prefix: str) -> dict[str, Tensor]:
    """The tensors under a prefix, with it."""
    return {name: x for name, x in tensors.items() if name.startswith(f"{prefix}.")}


def encoders_of(kind: Kind) -> tuple[tuple[str, Convert], ...]:
    """The text encoders of a kind of file."""
    match kind:
        case "1":
            return (("text_encoder", partial(of_clip, CLIP_1)),)
        case "2":
            return (("text_encoder", partial(of_open_clip, CLIP_2)),)
        case "XL":
            of_second = partial(of_open_clip, CLIP_XL[1])
            return (("text_encoder", partial(of_clip, CLIP_XL[0])), ("text_encoder_2", of_second))


def words_of(kind: Kind) -> tuple[CLIPTokenizer, ...]:
    """The text encoders' tokenizers: OpenCLIP's encoders were used with "!" as padding."""
    paddings = {"1": (END,), "2": (OPEN_CLIP_PADDING,), "XL": (END, OPEN_CLIP_PADDING)}[kind]
    return tuple(clip_tokenizer(padding) for padding in paddings)
