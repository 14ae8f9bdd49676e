"""A model's figures as a plain table."""

from collections.abc import Mapping
from typing import Literal, TypeAlias

Figures = Mapping[str, float]
Unit: TypeAlias = Literal["dB", "%", "", "s", "GB", "MB"]
"""percentages are held as shares"""
ROWS: Mapping[str, tuple[str, Unit]] = {
    "vae_psnr_db": ("autoencoder, `test` photographs, mean of their PSNRs", "dB"),
    "patch_pca_psnr_db": ("patch PCA with as many values", "dB"),
    "latents_upper_share": ("latents' energy in the upper half of the frequencies", "%"),
    "latents_pooled_psnr_db": ("latents averaged two by two, decoded, to photographs of half the size", "dB"),
    **{
        f"samples_energy_band_{k}": (f"energy of samples' latents over photographs', frequencies' quarter {k}", "")
        for k in range(1, 5)
    },
    "inversion_psnr_db": ("DDIM inversion and sampling", "dB"),
    "inversion_vae_psnr_db": ("the autoencoder alone on the same photographs", "dB"),
    "prompt_agreement": ("samples that show their prompt's animal, by the classifier", "%"),
    "coat_agreement": ("samples that show their prompt's coat, by the classifier, mean over pairs", "%"),
    "classifier_test_balanced_accuracy": ("classifier, balanced accuracy on `test`", "%"),
    "classifier_bench_test_balanced_accuracy": ("classifier, balanced accuracy on `bench-test`", "%"),
    "classifier_coat_accuracy": ("classifier, coats of `test` labelled by hand", "%"),
    "caption_animal_accuracy": ("captions that name the animal, `test` photographs", "%"),
    "caption_style_accuracy": ("captions that say the style, `test` in every style", "%"),
    "caption_coats_said": ("captions that say a coat, photographs labelled by hand", "%"),
    "caption_coats_right": ("the right coat among these", "%"),
    "nearest_samples_max": ("likeness of samples to the nearest training picture, largest", ""),
    "nearest_test_max": ("the same of `test` photographs", ""),
}
"""the figures that a table names, in order; ``quality.json`` has all"""
SEEN: Mapping[str, tuple[str, Unit]] = {
    "share_{}": ("samples of a {} that an ImageNet network takes for one", "%"),
    "restored_share_{}": ("samples of a {}, redrawn by the restorer, that it takes for one", "%"),
    "photographs_share_{}": ("photographs of a {} that it takes for one", "%"),
    "distance_samples_{}": ("kernel distance of its features, samples of a {} to photographs", ""),
    "distance_restored_{}": ("the same of samples of a {}, redrawn", ""),
    "distance_coarsened_{}": ("the same of photographs of a {} through 32 pixels", ""),
    "distance_round_trip_{}": ("the same of photographs of a {} through the autoencoder", ""),
    "distance_restored_round_trip_{}": ("the same of photographs of a {} through the autoencoder, redrawn", ""),
    "distance_photographs_{}": ("the same of other photographs of a {}", ""),
}
"""figures by an ImageNet network, for each animal"""


def table(figures: Figures) -> str:
    """The named figures as a table for a page."""
    return page([(name, shown(value, unit)) for name, value, unit in named(figures)])


def page(rows: list[tuple[str, str]]) -> str:
    """Rows of a name and a value as a table for a page."""
    return "\n".join(["| figure | value |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def named(figures: Figures) -> list[tuple[str, float, Unit]]:
    """Names, values and units of the figures that there are."""
    animals = [key.rpartition("_")[2] for key in figures if key.startswith("imagenet_share_")]
    rows: dict[str, tuple[str, Unit]] = dict(ROWS)
    for key, (name, unit) in SEEN.items():
        rows |= {f"imagenet_{key.format(animal)}": (name.format(animal), unit) for animal in animals}
    return [(name, figures[key], unit) for key, (name, unit) in rows.items() if key in figures]


def shown(value: float, unit: Unit) -> str:
    """A figure with its unit."""
    return {"%": f"{100 * value:.1f} %", "": f"{value:.4f}", "s": f"{value:.1f} s"}.get(unit, f"{value:.2f} {unit}")
