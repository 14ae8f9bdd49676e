"""Give a trained classifier a head that tells whether there is an animal at all, on its frozen features.

    python -m zeroshift.miniature.training.presence CLASSIFIER DATA OUT [--pictures N]

A core-minute or two for a thousand pictures. Animals are photographs of the split ``train``, closer, darker, brighter
and in all styles; what is none is made of them (``no_animal``). ``sure_from`` is chosen on ``val``.
"""

from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from zeroshift.files import folder_atomically
from zeroshift.miniature.classifier import (
    Classifier,
    ClassifierNetwork,
    load_classifier,
    resized,
    save_classifier,
)
from zeroshift.miniature.data import CaptionedFolder
from zeroshift.miniature.data.captioned import rows_of
from zeroshift.miniature.renderings import RENDERINGS
from zeroshift.miniature.training.command import at_work, parser_of
from zeroshift.miniature.training.no_animal import enlarged, made_of

HIDDEN, STEPS, BATCH, RATE, DECAY = 32, 800, 256, 1e-3, 0.05
JITTER = 0.2
"""standard deviations of noise on the features"""
ACCEPTED = 0.96
"""share of the photographs of ``val`` that it is to be sure of"""
PICTURES = 900
"""photographs to learn from"""
ANIMALS = ("cat", "dog")


def with_presence(classifier: Classifier, train: Tensor, val: Tensor, seed: int = 0) -> Classifier:
    """The classifier with a head trained on uint8 pictures of animals (N, 3, H, W), whose threshold ``val`` sets."""
    generator = Generator().manual_seed(seed)
    torch.manual_seed(seed)
    animals = resized(train, classifier.size)
    there, none = varied(animals, generator), made_of(animals, generator)
    network = grown(classifier)
    head = network.presence_head
    assert head is not None
    fit(head, levels(network, there), levels(network, none), generator)
    able = replace(classifier, network=network.eval().requires_grad_(False))
    scores = able.presence(val)
    assert scores is not None
    return replace(able, sure_from=float(scores.quantile(1 - ACCEPTED)))


def hindrance(data: CaptionedFolder) -> str | None:
    """Why a folder cannot teach such a head to a classifier of cats and dogs, a sentence; None where it can."""
    for split in ("train", "val"):
        if not any(row.labels.get("species") in ANIMALS for row in data.split(split)):
            return (
                f"{data.root} has no cat or dog in {split}; name some in column species and mark them in column split."
            )
    return None


def taught_presence(classifier: Classifier, data: CaptionedFolder, pictures: int = PICTURES) -> Classifier:
    """The classifier with a head trained on so many photographs of ``train``, drawn by chance.

    Raises:
        ValueError: ``train`` or ``val`` shows nothing of what the classifier knows, or a picture cannot be read.
    """
    rows = rows_of(data, ("train",), classifier.classes)
    chosen = [rows[k] for k in torch.randperm(len(rows), generator=Generator().manual_seed(0))[:pictures]]
    val = data.read(rows_of(data, ("val",), classifier.classes), classifier.size)
    return with_presence(classifier, data.read(chosen, classifier.size), val)


def grown(classifier: Classifier) -> ClassifierNetwork:
    """Its network with a fresh head for presence."""
    network = ClassifierNetwork(
        classifier.widths, classifier.blocks, len(classifier.coats), len(classifier.styles), HIDDEN
    )
    kept = {k: v for k, v in classifier.network.state_dict().items() if not k.startswith("presence_head.")}
    network.load_state_dict({**network.state_dict(), **kept})
    return network.eval()


def varied(animals: Tensor, generator: Generator) -> Tensor:
    """Floats (N, 3, S, S) in [0, 255] with closer, darker, brighter and otherwise rendered ones of them."""
    side, share = animals.shape[-1], max(1, len(animals) // 6)
    closer = enlarged(animals[::3], side * 4 // 3)[..., side // 6 : side // 6 + side, side // 6 : side // 6 + side]
    light = 0.5 + torch.rand(len(animals[1::3]), 1, 1, 1, generator=generator)
    parts = [animals, closer, (animals[1::3] * light).clamp(0, 255)]
    parts += [rendered(animals[:share].round().to(torch.uint8)).float() for rendered in RENDERINGS.values()]
    return torch.cat(parts)


@torch.no_grad()
def levels(network: ClassifierNetwork, pictures: Tensor) -> Tensor:
    """The features of all levels of floats (N, 3, S, S) in [0, 255]."""
    return torch.cat([network.levels(part / 127.5 - 1) for part in pictures.split(32)])


def fit(head: torch.nn.Sequential, there: Tensor, none: Tensor, generator: Generator) -> None:
    """Train the head on features of both kinds, drawn equally often; its norm's statistics are theirs."""
    norm, both = head[0], torch.cat([there, none])
    norm.running_mean, norm.running_var = both.mean(0), both.var(0)
    head.train()
    norm.eval()
    optimiser = torch.optim.AdamW(head.parameters(), RATE, weight_decay=DECAY)
    truth, spread = torch.arange(BATCH) % 2, both.std(0)
    for _ in range(STEPS):
        picked = [part[torch.randint(len(part), (BATCH // 2,), generator=generator)] for part in (none, there)]
        drawn = torch.stack(picked, 1).flatten(0, 1)
        drawn = drawn + JITTER * spread * torch.randn(drawn.shape, generator=generator)
        loss = F.binary_cross_entropy_with_logits(head(drawn)[:, 0], truth.float())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    head.eval()


def main(words: list[str] | None = None) -> None:
    """Read the command line, train, and write the classifier with its head to a new folder."""
    from zeroshift.miniature.training.run_folder import check_free  # needs the extra train

    parser = parser_of("python -m zeroshift.miniature.training.presence", "Give a classifier its head for no animal.")
    parser.add_argument("classifier", type=Path, help="folder of a trained classifier, which stays as it is")
    parser.add_argument("data", type=Path, help="captioned photographs with the splits train and val")
    parser.add_argument("out", type=Path, help="folder of the classifier with its head")
    parser.add_argument("--pictures", type=int, default=PICTURES, metavar="N", help="photographs to learn from")
    given = parser.parse_args(words)
    with at_work(given.out):
        check_free(given.out)
        table, classifier = CaptionedFolder.open(given.data), load_classifier(given.classifier)
        made = taught_presence(classifier, table, given.pictures)
        with folder_atomically(given.out) as folder:
            save_classifier(made, folder)
    print(f"{given.out}: sure of {ACCEPTED:.0%} of val, from {made.sure_from:.2f}")


if __name__ == "__main__":
    main()
