"""Train the critic that says how good a model's edits look, from scores that somebody gave such edits.

    python -m zeroshift.miniature.training.critic FOLDER MODEL

reads ``FOLDER/scores.csv`` (see ``scores.read_scores``), makes the edits again and writes MODEL/critic. The figures
that are printed and kept are of photographs whose scores had no part in what judged them (``FOLDS``).
"""

from argparse import ArgumentParser
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import torch
from torch import Tensor

from zeroshift.backbones.checkpoint import CRITIC, SEGMENTER
from zeroshift.files import folder_atomically
from zeroshift.image.tensors import to_tensor
from zeroshift.loading import load
from zeroshift.miniature.critic import TrainedCritic, save_critic, seen, segmenter_sha256
from zeroshift.miniature.critic_network import CriticNetwork, areas
from zeroshift.miniature.data import CaptionedFolder
from zeroshift.miniature.data.breeds import animal_of
from zeroshift.miniature.segmenter import load_segmenter
from zeroshift.miniature.training.command import at_work, parser_of, print_figures
from zeroshift.miniature.training.redrawn import weights_of
from zeroshift.miniature.training.run_folder import check_free
from zeroshift.miniature.training.scores import Scored, edited, read_scores

RIDGE = 3.0
"""how much weights cost, of what the numbers that they multiply are worth"""
FOLDS = 5
"""parts into which photographs are divided: each is judged by what the others taught"""
APART = 1.0
"""points by which two edits of a photograph differ whose order is to be right"""
ENOUGH, BETTER_BY = 2.6, 0.05
"""score from which on nothing else is tried, which few plain edits have, and by how much something else is to score
more: chosen by the shipped model's scores and by nine whole photographs"""


def train_critic(data: CaptionedFolder, model: Path) -> TrainedCritic:
    """Train on the scores of the folder's edits and write ``model/critic``.

    Raises:
        ValueError: the scores cannot be read or are of another model, a photograph is missing, the model has no
            segmenter, or it has a critic already.
    """
    by = load_segmenter(model / SEGMENTER)
    check_free(model / CRITIC)
    editor = load(model, device="cpu", precision="fp32")
    scored = read_scores(data.root, weights_of(model))
    numbers = list[Tensor]()
    for pictures in edited(editor, data, scored):
        for picture in pictures:
            x = to_tensor([picture.convert("RGB")])
            numbers.append(areas(seen(by.network.trunk, torch.cat([x, x.flip(-1)]))))
    found, scores = torch.stack(numbers), torch.tensor([one.score for one in scored])
    photographs = [n for n, (_, own) in enumerate(groupby(scored, key=lambda one: one.file)) for _ in own]
    network = fitted(found, scores)
    judged = held_out(found, scores, torch.tensor(photographs))
    figures = order(scored, photographs, judged) if photographs[-1] else {}  # of one alone nothing is held out
    # breeds that ``animal_of`` does not know are left out, too
    learned = {animal_of(one.target) for one in scored} - {""}
    trained = TrainedCritic(
        by.network.trunk,
        network,
        tuple(word for word in by.animals if animal_of(word) in learned),
        ENOUGH,
        BETTER_BY,
        segmenter_sha256(model),
        f"{len(scored)} edits of {photographs[-1] + 1} photographs",
        figures,
    )
    with folder_atomically(model / CRITIC) as folder:
        save_critic(trained, folder)
    return trained


def fitted(found: Tensor, scores: Tensor) -> CriticNetwork:
    """The network whose squared errors, and weights, are least (ridge regression).

    Args:
        found: what was seen of every edit and of its mirror image, (N, 2, WIDTH).
        scores: (N,).
    """
    x, y = found.double().flatten(0, 1), scores.double().repeat_interleave(2)
    mean, scale = x.mean(0), x.std(0) + 1e-6
    rows, middle = (x - mean) / scale, y.mean()
    cost = RIDGE * rows.shape[1] * torch.eye(len(rows), dtype=rows.dtype)
    weights = rows.T @ torch.linalg.solve(rows @ rows.T + cost, y - middle)
    network = CriticNetwork()
    network.load_state_dict({"mean": mean, "scale": scale, "out.weight": weights[None], "out.bias": middle[None]})
    return network.eval().requires_grad_(False)


def held_out(found: Tensor, scores: Tensor, photographs: Tensor) -> Tensor:
    """The scores (N,) that edits get from what those of other photographs taught."""
    judged = torch.zeros(len(scores))
    for fold in range(FOLDS):
        own = photographs % FOLDS == fold
        if own.any() and not own.all():
            network = fitted(found[~own], scores[~own])
            judged[own] = network.read(found[own]).mean(1)
    return judged


def order(scored: Sequence[Scored], photographs: Sequence[int], judged: Tensor) -> dict[str, float]:
    """How well the edits of every photograph are put in order.

    The share of pairs ``APART`` that are, and the mean score of the edits that are made first, of those that are judged
    best, and of those that are best.
    """
    right, means = list[bool](), dict[str, list[float]]({"first": [], "chosen": [], "best": []})
    for photograph in dict.fromkeys(photographs):
        own = [n for n, other in enumerate(photographs) if other == photograph]
        scores, said = [scored[n].score for n in own], [float(judged[n]) for n in own]
        pairs = [(a, b) for a in range(len(own)) for b in range(len(own)) if scores[a] - scores[b] >= APART]
        right += [said[a] > said[b] for a, b in pairs]
        means["first"].append(scores[0])
        means["chosen"].append(scores[max(range(len(own)), key=lambda n: said[n])])
        means["best"].append(max(scores))
    found = {name: sum(values) / len(values) for name, values in means.items()}
    return {name: round(value, 3) for name, value in {"pairs": sum(right) / max(len(right), 1), **found}.items()}


def arguments() -> ArgumentParser:
    """The command line."""
    parser = parser_of("python -m zeroshift.miniature.training.critic", "Train the critic of a model's edits.")
    parser.add_argument("folder", type=Path, help="captioned photographs with the column species, and scores.csv")
    parser.add_argument("model", type=Path, help="folder of the model whose edits were scored; critic is put into it")
    return parser


def main(words: list[str] | None = None) -> None:
    """Read the command line, train, and print the figures."""
    given = arguments().parse_args(words)
    with at_work(given.model):
        trained = train_critic(CaptionedFolder.open(given.folder), given.model)
    print_figures(trained.figures)


if __name__ == "__main__":
    main()
