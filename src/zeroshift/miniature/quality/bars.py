"""What a shipped model's figures are meant to reach."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from zeroshift.miniature.quality.extent import FULL

Figures = Mapping[str, float]


@dataclass(frozen=True)
class Bar:
    """One figure and the least, or the most, that it is meant to be."""

    name: str
    value: float | None
    """None where it was not measured"""
    aim: float | None
    """None where it depends on a figure that was not measured"""
    unit: Literal["dB", "%", "KID", "s", "GB", "MB"]
    """percentages are held as shares"""
    at_most: bool = False
    unjudged: str = ""
    """why the figure says nothing about the aim, if it does not"""

    @property
    def reached(self) -> bool | None:
        """Tell whether the aim is reached; None where something was not measured, or too little of it."""
        if self.value is None or self.aim is None or self.unjudged:
            return None
        return self.value <= self.aim if self.at_most else self.value >= self.aim

    def cells(self) -> tuple[str, str, str, str]:
        """Return name, value, aim, and yes, no, or why neither, as text."""
        sign = "≤" if self.at_most else "≥"
        aim = "" if self.aim is None else f"{sign} {shown(self.aim, self.unit)}"
        value = "not measured" if self.value is None else shown(self.value, self.unit)
        why = "" if self.value is None else self.unjudged
        return self.name, value, aim, {None: why, True: "yes", False: "no"}[self.reached]


def shown(value: float, unit: str) -> str:
    """Return a figure with its unit; kernel distances have none."""
    return {"%": f"{100 * value:.1f} %", "KID": f"{value:.4g}", "s": f"{value:.1f} s"}.get(unit, f"{value:.2f} {unit}")


def table(rows: Iterable[Bar]) -> str:
    """Return what is to be reached, and what was, as a table for a page."""
    lines = [f"| {' | '.join(bar.cells())} |" for bar in rows]
    return "\n".join(["| figure | value | aim | reached |", "|---|---|---|---|", *lines])


def bars(figures: Figures) -> list[Bar]:
    """Return what a model is judged by; what fewer samples or photographs tell than the aims are about is left open."""
    vae, hand = figures["vae_psnr_db"], figures.get("classifier_coat_accuracy")
    lost = figures["inversion_vae_psnr_db"] - figures["inversion_psnr_db"] if "inversions" in figures else None
    coats, kid, coarse = figures.get("coat_agreement"), figures["kid_samples"], figures["kid_coarsened"]
    few, few_coats = unjudged(figures, "prompts", 2 * FULL.per_class), unjudged(figures, "coat_prompts", FULL.per_coat)
    few_back = unjudged(figures, "inversions", FULL.inversions)
    return [
        Bar("autoencoder, `test` photographs, mean of their PSNRs", vae, 27, "dB"),
        Bar("the same above patch PCA with as many latent values", vae - figures["patch_pca_psnr_db"], 2, "dB"),
        Bar("samples that show their prompt's animal", figures["prompt_agreement"], 0.97, "%", unjudged=few),
        Bar("samples that show their prompt's coat, mean over pairs", coats, 0.7, "%", unjudged=few_coats),
        Bar("KID of samples to half of `test`, mean of halvings", kid, coarse, "KID", at_most=True, unjudged=few),
        Bar("lost by DDIM inversion and sampling, beside the VAE", lost, 1.5, "dB", at_most=True, unjudged=few_back),
        Bar("classifier, balanced accuracy on `test`", figures["classifier_test_balanced_accuracy"], 0.98, "%"),
        Bar("classifier, coats of `test` labelled by hand", hand, 0.8, "%"),
        Bar("captions that name the animal, `test` photographs", figures.get("caption_animal_accuracy"), 0.95, "%"),
        Bar("captions that say the style, `test` in every style", figures.get("caption_style_accuracy"), 0.9, "%"),
    ]


def unjudged(figures: Figures, name: str, least: int) -> str:
    """Return why a figure says nothing about its aim: too few of what it is made of, or other steps; else nothing."""
    if figures["steps"] != FULL.steps:
        return f"asks for {FULL.steps} steps"
    return "too few to say" if figures.get(name, 0) < least else ""
