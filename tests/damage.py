"""Files and values that nobody wishes for, drawn with a seed."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from random import Random

import torch
from safetensors.torch import load_file, save_file

ODD_VALUES = (None, "", "x", -1, 0, 0.5, 10**6, [], [1], {}, True, float("nan"))
ODD_WORDS = ("", " ", "-1", "0", "1.5", "1e9", "nan", "x", "../x", "-x", "a" * 300, "é", "\n", "🐈", "[]", "null", "--")
TEXTS = ("", "{", "[]", "{}", "null", "3", '"x"', "\x00", "[" * 100_000, '{"a": NaN}', '{"a": 1')


def damage_table(random: Random, path: Path) -> None:
    """Make a file of tables in JSON another text, or take a value from it, or make that an odd one."""
    if random.random() < 0.3:
        path.write_text(random.choice(TEXTS))
        return
    table = json.loads(path.read_text(encoding="utf-8"))
    key = random.choice(sorted(table)) if table else "x"
    table.pop(key, None)
    if random.random() < 0.6:
        table[key] = random.choice(ODD_VALUES)
    path.write_text(json.dumps(table))


def damage_tensors(random: Random, path: Path) -> None:
    """Leave a tensor of a safetensors file out, or give it other values, another shape or type."""
    tensors = load_file(path)
    name = random.choice(sorted(tensors))
    x = tensors.pop(name)
    changes: list[Callable[[], torch.Tensor]] = [
        lambda: x[..., : x.shape[-1] // 2].contiguous(),
        lambda: x[None],
        lambda: x.to(torch.int64),
        lambda: torch.full_like(x, float("nan")) if x.is_floating_point() else x,
        lambda: torch.zeros_like(x),
        lambda: x.new_zeros(0),
    ]
    if random.random() < 0.8:
        tensors[name] = random.choice(changes)()
    save_file(tensors, path, metadata=metadata_of(path))


def metadata_of(path: Path) -> dict[str, str] | None:
    """What a safetensors file says of itself."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        return file.metadata()


def damage_bytes(random: Random, path: Path) -> None:
    """Cut a file short, change some of its bytes, or put something else than a file in its place."""
    data = bytearray(path.read_bytes())
    match random.randrange(7):
        case 0:
            path.write_bytes(data[: random.randrange(len(data) + 1)])
        case 1:
            for _ in range(random.randint(1, 20)):
                data[random.randrange(min(len(data), 400))] = random.randrange(256)
            path.write_bytes(data)
        case 2:
            path.write_bytes(random.randbytes(200))
        case kind:
            path.unlink()
            (lambda: os.mkfifo(path), lambda: path.symlink_to(path), path.mkdir, lambda: None)[kind - 3]()


def damage(random: Random, path: Path) -> None:
    """Damage a file in one of the ways that its kind knows."""
    own = {".json": damage_table, ".safetensors": damage_tensors}.get(path.suffix, damage_bytes)
    random.choice((own, own, damage_bytes))(random, path)
