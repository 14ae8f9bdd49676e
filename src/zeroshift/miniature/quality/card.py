"""A shipped model's figures in its model card: the table, and how they were measured."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from zeroshift.files import write_atomically
from zeroshift.miniature.quality.bars import Figures, bars, shown, table
from zeroshift.miniature.quality.inversion import INVERSION
from zeroshift.miniature.quality.kernel_distance import HALVINGS

BEGIN, END = "<!-- figures -->", "<!-- /figures -->"
BENCH = "Classifier, balanced accuracy on `bench-test`"
"""begins the line of a figure that is measured once and kept while the classifier does on ``test`` as it did then"""


def markdown(figures: Figures, left_out: Sequence[str] = ()) -> str:
    """Return the table, what stands behind it, and what was left out, for a model card."""
    lines = [*remarks(figures), *(f"Left out. {line}" for line in left_out)]
    return "\n".join([table(bars(figures)), "", *(f"- {line}" for line in lines)])


def remarks(figures: Figures) -> list[str]:
    """Return in sentences how the figures were measured, and those that the table leaves out."""
    return [
        f"Samples: {figures['prompts']:.0f} captions of `test`, {figures['steps']:.0f} DDIM steps, guidance scale "
        f"{figures['guidance_scale']:g}, seeds counting from 0, nothing selected.",
        f"Patch PCA: {shown(figures['patch_pca_psnr_db'], 'dB')}.",
        "KID (unbiased, on the classifier's features) to one half of `test`, mean ± standard deviation over "
        f"{HALVINGS} random halvings: {spread(figures, 'samples')}; of the other half reduced to 32 pixels and "
        f"enlarged again {spread(figures, 'coarsened')}, as it is {spread(figures, 'half')}.",
        "Likeness to the nearest training picture, a copy's being 1 (cosine of pixels of zero mean at 32 pixels, "
        f"mirrored or not): at most {figures['nearest_samples_max']:.3f} for samples and "
        f"{figures['nearest_test_max']:.3f} for photographs of `test`, on average "
        f"{figures['nearest_samples_mean']:.3f} and {figures['nearest_test_mean']:.3f}.",
        *parts(figures),
    ]


def parts(figures: Figures) -> Iterator[str]:
    """Yield sentences about what is not always measured."""
    if "caption_coats_right" in figures:
        yield (
            f"Captions say a coat of {shown(figures['caption_coats_said'], '%')} of the photographs of `test` whose "
            f"coats were labelled by hand, and the right one in {shown(figures['caption_coats_right'], '%')} of these."
        )
    pairs = {k.removeprefix("coat_agreement_"): v for k, v in figures.items() if k.startswith("coat_agreement_")}
    if pairs:
        listed = ", ".join(f"{pair.replace('_', ' ')} {shown(v, '%')}" for pair, v in pairs.items())
        yield f"Coats, {figures['coat_prompts']:.0f} samples each: {listed}."
    if "inversions" in figures:
        yield (
            f"DDIM inversion (grid `{INVERSION.grid}`): {figures['inversions']:.0f} photographs of `test`, "
            f"{figures['steps']:.0f} steps, guidance scale 1, under their captions: "
            f"{shown(figures['inversion_psnr_db'], 'dB')}; the autoencoder alone "
            f"{shown(figures['inversion_vae_psnr_db'], 'dB')}."
        )
    if "classifier_bench_test_balanced_accuracy" in figures:
        yield f"{BENCH}: {shown(figures['classifier_bench_test_balanced_accuracy'], '%')}, {then(figures)}"


def then(figures: Figures) -> str:
    """Return the end of the line of ``BENCH``, which tells one classifier from another."""
    return f"read when it had {shown(figures['classifier_test_balanced_accuracy'], '%')} on `test`."


def spread(figures: Figures, side: str) -> str:
    """Return a kernel distance and its standard deviation over halvings."""
    return f"{figures[f'kid_{side}']:.4g} ± {figures[f'kid_{side}_deviation']:.2g}"


def check_card(card: Path) -> None:
    """See that a file has the two marks that figures go between.

    Raises:
        ValueError: there is no such file, or it has not.
    """
    text = card.read_text(encoding="utf-8") if card.is_file() else ""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError(
            f"{card} must have one line {BEGIN} and, after it, one line {END}; mark with them where the figures go."
        )


def write_card(card: Path, figures: Figures, left_out: Sequence[str] = ()) -> None:
    """Put the figures between the marks of a file, in the place of what stands there.

    The accuracy on ``bench-test``, which is read once, stays if it was not measured anew and ``test`` says that the
    classifier is the same.

    Raises:
        ValueError: the marks are missing.
    """
    check_card(card)
    before, rest = card.read_text(encoding="utf-8").split(BEGIN)
    old, after = rest.split(END)
    lines = markdown(figures, left_out).splitlines()
    if "classifier_bench_test_balanced_accuracy" not in figures:
        lines += [one for one in old.splitlines() if one.startswith(f"- {BENCH}") and one.endswith(then(figures))]
    block = "\n".join(lines)
    write_atomically(card, f"{before}{BEGIN}\n\n{block}\n\n{END}{after}".encode())
