"""Where eyes and noses are: as somebody marked them in some pictures, and as a network finds them in all."""

import csv
from collections.abc import Sequence
from math import isnan
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save
from torch import Tensor, nn

from zeroshift.backbones.whole import loading
from zeroshift.files import regular, write_atomically
from zeroshift.miniature.data import CaptionedFolder, CaptionedPicture
from zeroshift.miniature.training.augmentation import recoloured, roughened, uniform
from zeroshift.miniature.training.decoder import ImageNetFeatures
from zeroshift.miniature.training.loop import Stage, StageOptions, TrainPrecision, fit

TABLE = "marks.csv"
POINTS = ("left_eye", "right_eye", "nose")
COLUMNS = tuple(f"{point}_{axis}" for point in POINTS for axis in ("x", "y"))
MIRRORED = (1, 0, 2)
"""which of the points each is in the mirror"""
FEWEST = 50
"""marked pictures: of fewer nothing is learned"""
WIDTH, CHANNELS = 64, (24, 40, 112)
"""channels of the network's own maps, and of the ImageNet network's at a quarter, an eighth, a sixteenth of the side"""
SPOT = 1.2
"""standard deviation of a mark in its map, in pixels of that"""
TURN, NEARER, FURTHER, SHIFT = 0.5, 0.45, 0.35, 0.3
"""augmentation: radians, logarithms of the scale, shares of a half of the side"""
FOCUS = 1.5
"""how little counts what is nearly right: beta of the quality focal loss (Li et al. 2020, arXiv:2006.04388, Eq. 2)"""
BATCH = 64
OPTIONS = StageOptions(steps=300, batch=32, lr=1e-3, ema=0.98, warmup=50, cooldown=1.0)


def read_marks(folder: Path, rows: Sequence[CaptionedPicture]) -> tuple[Tensor, Tensor]:
    """The marks of pictures (N, 3, 2), and which pictures somebody looked at, bool (N,).

    ``folder/marks.csv`` has the columns ``file`` and ``COLUMNS``: x and y as shares of the sides of a picture's centred
    square, left and right as one sees them. What cannot be seen is left empty, and is NaN, as of other pictures.

    Raises:
        ValueError: the table cannot be read, lacks a column, names a picture twice, has half a point, or a mark that is
            no number from 0 to 1.
    """
    path, table = folder / TABLE, dict[str, list[float]]()
    try:
        with regular(path).open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines)
            if missing := {"file", *COLUMNS} - set(reader.fieldnames or ()):
                raise ValueError(f"{path} lacks the column {', '.join(sorted(missing))}.")
            for row in reader:
                where = f"Line {reader.line_num} of {path}"
                if None in row or None in row.values() or row["file"] in table:
                    raise ValueError(f"{where} has other columns, or names a picture again; write one per picture.")
                table[row["file"]] = _marks(row, where)
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no table of comma-separated values in UTF-8 ({error}); write it anew.") from error
    none = [float("nan")] * len(COLUMNS)
    marks = torch.tensor([table.get(row.file, none) for row in rows]).view(len(rows), len(POINTS), 2)
    return marks, torch.tensor([row.file in table for row in rows])


def _marks(row: dict[str, str], where: str) -> list[float]:
    """The values of ``COLUMNS``."""
    found = []
    for name in COLUMNS:
        text = row[name].strip()
        try:
            value = float(text) if text else float("nan")
        except ValueError:
            value = -1.0
        if text and not 0 <= value <= 1:
            raise ValueError(f"{where}: {name} is {text!r}, expected a number from 0 to 1.")
        found.append(value)
    for point, (x, y) in zip(POINTS, zip(found[::2], found[1::2], strict=True), strict=True):
        if isnan(x) != isnan(y):
            raise ValueError(f"{where} has one of {point}_x and {point}_y; give both or none.")
    return found


class MarkNetwork(nn.Module):
    """Maps of how likely each point is at each place, by a feature pyramid (Lin et al. 2017) of an ImageNet network."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = ImageNetFeatures().requires_grad_(True)
        self.across = nn.ModuleList(nn.Conv2d(count, WIDTH, 1) for count in CHANNELS)
        self.mixed = nn.ModuleList(
            nn.Sequential(nn.Conv2d(WIDTH, WIDTH, 3, padding=1), nn.GroupNorm(8, WIDTH), nn.SiLU()) for _ in CHANNELS
        )
        self.hidden, self.last = nn.Conv2d(WIDTH, WIDTH, 3, padding=1), nn.Conv2d(WIDTH, len(POINTS), 1)
        if self.last.bias is not None:
            nn.init.constant_(self.last.bias, -4.0)  # points are rare

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, 3, S / 4, S / 4) of pictures (N, 3, S, S) in [-1, 1]."""
        maps = self.trunk(x)[1:]
        h = self.mixed[-1](self.across[-1](maps[-1]))
        for k in reversed(range(len(maps) - 1)):
            h = self.mixed[k](self.across[k](maps[k]) + F.interpolate(h, maps[k].shape[-2:], mode="bilinear"))
        found: Tensor = self.last(F.silu(self.hidden(h)))
        return found.float()

    @torch.no_grad()
    def find(self, pictures: Tensor) -> Tensor:
        """The points of uint8 pictures (N, 3, S, S): x, y as shares of the sides, and how sure, (N, 3, 3)."""
        found = []
        for part in pictures.split(BATCH):
            x = part.to(self.last.weight.device).float() / 127.5 - 1
            both = self(x) + self(x.flip(-1)).flip(-1)[:, list(MIRRORED)]
            found.append(places(both / 2).cpu())
        return torch.cat(found)


def places(logits: Tensor) -> Tensor:
    """The likeliest places of maps (N, P, H, W), as means over three by three of their pixels, and how likely."""
    likely = logits.sigmoid()
    width = likely.shape[-1]
    sure, at = likely.flatten(2).max(2)
    around = F.unfold(likely.flatten(0, 1)[:, None], 3, padding=1).unflatten(0, likely.shape[:2])
    near = around.gather(3, at[:, :, None, None].expand(-1, -1, 9, 1))[..., 0].unflatten(2, (3, 3))
    near = near / near.sum((2, 3), keepdim=True).clamp(min=1e-9)
    step = near.new_tensor([-1.0, 0.0, 1.0])
    x = at % width + 0.5 + (near.sum(2) * step).sum(2)
    y = at // width + 0.5 + (near.sum(3) * step).sum(2)
    return torch.stack([x / width, y / likely.shape[-2], sure], 2)


class MarkStage(Stage):
    """Learns from marked pictures, turned, moved, of other sizes and colours, to say where their points are."""

    def __init__(self, network: MarkNetwork, pictures: Tensor, marks: Tensor) -> None:
        """``pictures`` are uint8 (N, 3, S, S), ``marks`` (N, 3, 2) as of ``read_marks``."""
        super().__init__()
        self.network, self.pictures, self.marks = network, pictures, marks

    def training_step(self, indices: Tensor, _: int) -> Tensor:
        chosen = indices.cpu()
        with torch.autocast("cpu", enabled=False):  # places are more exact than bfloat16
            x, marks = moved(self.pictures[chosen].float() / 127.5 - 1, self.marks[chosen])
            x = roughened(recoloured(x, torch.full((len(x),), 0.5)), 0.3)
        logits = self.network(x.to(self.device))
        wanted = spots(marks, logits.shape[-1]).to(self.device)
        miss = (logits.sigmoid() - wanted).abs()
        each = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none") * miss**FOCUS
        loss: Tensor = each.sum((1, 2, 3)).mean()
        self.log_dict({"marks": loss}, prog_bar=True)
        return loss

    def configure_optimizers(self) -> Any:
        trunk = [*self.network.trunk.parameters()]
        own = [value for name, value in self.network.named_parameters() if not name.startswith("trunk")]
        groups: list[dict[str, Any]] = [{"params": own}, {"params": trunk, "share": 0.1}]
        return torch.optim.AdamW(groups, lr=OPTIONS.lr, betas=(0.9, 0.99), weight_decay=0.01)


def moved(x: Tensor, marks: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures (N, 3, S, S) turned, mirrored, moved and of other sizes at random, with their marks (N, 3, 2)."""
    n, device = len(x), x.device
    scale, angle = uniform(n, (-NEARER, FURTHER), device).exp(), uniform(n, (-TURN, TURN), device)
    mirror = torch.randint(0, 2, (n,), device=device) * 2 - 1
    middle = uniform(2 * n, (-SHIFT, SHIFT), device).view(n, 2)
    turn = torch.stack([scale * mirror * angle.cos(), -scale * angle.sin()], 1)
    lean = torch.stack([scale * mirror * angle.sin(), scale * angle.cos()], 1)
    matrix = torch.stack([turn, lean], 1)
    grid = F.affine_grid(torch.cat([matrix, middle[:, :, None]], 2), list(x.shape), align_corners=False)
    seen = F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)
    there = torch.einsum("nij,nkj->nki", torch.linalg.inv(matrix), 2 * marks - 1 - middle[:, None])
    there = torch.where((mirror < 0)[:, None, None], there[:, list(MIRRORED)], there)
    return seen, (there + 1) / 2


def spots(marks: Tensor, side: int) -> Tensor:
    """Maps (N, P, side, side) with a spot of height 1 at each mark (N, P, 2); of none there is nothing."""
    at = torch.arange(side) + 0.5
    across = at[None, None, None, :] - side * marks[..., 0, None, None]
    down = at[None, None, :, None] - side * marks[..., 1, None, None]
    return torch.exp(-(across**2 + down**2) / (2 * SPOT**2)).nan_to_num(0.0)


def marks_of(data: CaptionedFolder, rows: Sequence[CaptionedPicture]) -> tuple[Tensor, Tensor] | None:
    """What ``read_marks`` reads; None where ``data`` has no marks.

    Raises:
        ValueError: fewer than ``FEWEST`` of the pictures are marked, or the marks cannot be read.
    """
    if not (data.root / TABLE).is_file():
        return None
    marks, looked_at = read_marks(data.root, rows)
    if int(looked_at.sum()) < FEWEST:
        raise ValueError(
            f"{data.root / TABLE} marks {int(looked_at.sum())} of the pictures, expected {FEWEST} or more; mark some "
            "more, or remove it."
        )
    return marks, looked_at


def points_of(
    sets: Sequence[Tensor], marked: tuple[Tensor, Tensor], run: Path, seed: int, precision: TrainPrecision
) -> list[Tensor]:
    """The points of sets of pictures, as of ``MarkNetwork.find``, the first of which was ``marked``.

    A network learns to find them; it and they are kept in ``run``.
    """
    kept = run / "points.safetensors"
    if kept.is_file():
        with loading(f"the points in {kept}", "what lies there"):
            found = [points for _, points in sorted(load_file(regular(kept)).items())]
        if [*map(len, found)] != [*map(len, sets)]:
            raise ValueError(f"{kept} is of other pictures; name another `run`, or remove it.")
        return found
    marks, looked_at = marked
    torch.manual_seed(seed)
    stage = MarkStage(MarkNetwork(), sets[0][looked_at], marks[looked_at])
    fit(stage, torch.ones(int(looked_at.sum())), OPTIONS, run, seed, precision)
    points = [stage.network.eval().find(pictures) for pictures in sets]
    write_atomically(kept, save({str(k): one for k, one in enumerate(points)}))
    return points
