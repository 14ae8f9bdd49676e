"""What a shipped model's figures are meant to reach, as a table, and that table in a model card."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from zeroshift.files import write_atomically

BEGIN, END = "<!-- figures -->", "<!-- /figures -->"
Figures = Mapping[str, float]


@dataclass(frozen=True)
class Bar:
    """One figure and the least, or the most, that it is meant to be."""

    name: str
    value: float | None
    """None where it was not measured"""
    aim: float | None
    """None where it depends on a figure that was not measured"""
    unit: Literal["dB", "%", "KID"]
    """percentages are held as shares"""
    at_most: bool = False

    @property
    def reached(self) -> bool | None:
        """Tell whether the aim is reached; None where something was not measured."""
        if self.value is None or self.aim is None:
            return None
        return self.value <= self.aim if self.at_most else self.value >= self.aim

    def cells(self) -> tuple[str, str, str, str]:
        """Return name, value, aim, and yes or no, as text."""
        sign = "≤" if self.at_most else "≥"
        aim = "" if self.aim is None else f"{sign} {shown(self.aim, self.unit)}"
        value = "not measured" if self.value is None else shown(self.value, self.unit)
        return self.name, value, aim, {None: "", True: "yes", False: "no"}[self.reached]


def shown(value: float, unit: str) -> str:
    """Return a figure with its unit; kernel distances have none."""
    return {"dB": f"{value:.2f} dB", "%": f"{100 * value:.1f} %", "KID": f"{value:.4g}"}[unit]


def bars(figures: Figures) -> list[Bar]:
    """Return what a model is judged by."""
    vae = figures["vae_psnr_db"]
    lost = figures["inversion_vae_psnr_db"] - figures["inversion_psnr_db"] if "inversions" in figures else None
    coat = figures.get("classifier_coat_accuracy")
    return [
        Bar("autoencoder, `test` photographs, mean of their PSNRs", vae, 27, "dB"),
        Bar("the same above patch PCA with as many latent values", vae - figures["patch_pca_psnr_db"], 2, "dB"),
        Bar("samples that show their prompt's animal", figures["prompt_agreement"], 0.97, "%"),
        Bar("samples that show their prompt's coat, mean over pairs", figures.get("coat_agreement"), 0.7, "%"),
        Bar("KID of samples to half of `test`", figures["kid_samples"], figures["kid_coarsened"], "KID", at_most=True),
        Bar("lost by DDIM inversion and sampling, beside the autoencoder", lost, 1.5, "dB", at_most=True),
        Bar("classifier, balanced accuracy on `test`", figures["classifier_test_balanced_accuracy"], 0.98, "%"),
        Bar("classifier, coats of `test` labelled by hand", coat, 0.8, "%"),
        Bar("captions that name the animal, `test` photographs", figures.get("caption_animal_accuracy"), 0.95, "%"),
        Bar("captions that say the style, `test` in every style", figures.get("caption_style_accuracy"), 0.9, "%"),
    ]


def markdown(figures: Figures) -> str:
    """Return the table and what stands behind it, for a model card."""
    rows = ["| figure | value | aim | reached |", "|---|---|---|---|"]
    rows += [f"| {' | '.join(bar.cells())} |" for bar in bars(figures)]
    return "\n".join([*rows, "", *(f"- {line}" for line in remarks(figures))])


def remarks(figures: Figures) -> list[str]:
    """Return in sentences how the figures were measured, and those that the table leaves out."""
    pairs = {k.removeprefix("coat_agreement_"): v for k, v in figures.items() if k.startswith("coat_agreement_")}
    lines = [
        f"Samples: {figures['prompts']:.0f} captions of `test`, {figures['steps']:.0f} DDIM steps, guidance scale "
        f"{figures['guidance_scale']:g}, seeds counting from 0, nothing selected.",
        f"Patch PCA: {shown(figures['patch_pca_psnr_db'], 'dB')}.",
        f"KID (unbiased, on the classifier's features) to one half of `test`: {figures['kid_samples']:.4g}; of the "
        f"other half reduced to 32 pixels and enlarged again {figures['kid_coarsened']:.4g}, as it is "
        f"{figures['kid_half']:.4g}.",
        f"Cosine with the nearest training picture, on the same features: {figures['nearest_samples']:.3f} for "
        f"samples, {figures['nearest_test']:.3f} for photographs of `test` (means).",
    ]
    if "caption_coats_right" in figures:
        lines.append(
            f"Captions say a coat of {shown(figures['caption_coats_said'], '%')} of the photographs of `test` whose "
            f"coats were labelled by hand, and the right one in {shown(figures['caption_coats_right'], '%')} of these."
        )
    if pairs:
        listed = ", ".join(f"{pair.replace('_', ' ')} {shown(v, '%')}" for pair, v in pairs.items())
        lines.append(f"Coats, {figures['coat_prompts']:.0f} samples each: {listed}.")
    if "inversions" in figures:
        lines.append(
            f"Inversion: {figures['inversions']:.0f} photographs of `test`, {figures['steps']:.0f} steps, guidance "
            f"scale 1, under their captions: {shown(figures['inversion_psnr_db'], 'dB')}; the autoencoder alone "
            f"{shown(figures['inversion_vae_psnr_db'], 'dB')}."
        )
    return lines


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


def write_card(card: Path, figures: Figures) -> None:
    """Put the figures between the marks of a file, in the place of what stands there.

    Raises:
        ValueError: the marks are missing.
    """
    check_card(card)
    text = card.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    write_atomically(card, f"{before}{BEGIN}\n\n{markdown(figures)}\n\n{END}{after}".encode())
