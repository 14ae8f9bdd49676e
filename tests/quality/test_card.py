"""What a model's figures are beside their aims, and what of them a model card says."""

import pytest

from zeroshift.miniature.quality.bars import Bar, bars
from zeroshift.miniature.quality.card import BEGIN, END, check_card, markdown, remarks, write_card
from zeroshift.miniature.quality.extent import Extent, check_full

FIGURES = {
    "steps": 50.0,
    "vae_psnr_db": 28.0,
    "patch_pca_psnr_db": 25.5,
    "classifier_test_balanced_accuracy": 0.981,
    "classifier_coat_accuracy": 0.79,
    "prompt_agreement": 0.97,
    "prompts": 200.0,
    "guidance_scale": 2.5,
    "caption_animal_accuracy": 0.95,
    "coat_agreement": 0.75,
    "coat_agreement_cat_black_and_white": 0.75,
    "coat_prompts": 50.0,
    "kid_samples": 0.02,
    "kid_coarsened": 0.01,
    "kid_half": -0.001,
    "kid_samples_deviation": 0.002,
    "kid_coarsened_deviation": 0.003,
    "kid_half_deviation": 0.0004,
    "nearest_samples_max": 0.8,
    "nearest_samples_mean": 0.7,
    "nearest_test_max": 0.9,
    "nearest_test_mean": 0.6,
    "inversion_psnr_db": 26.4,
    "inversion_vae_psnr_db": 28.0,
    "inversions": 50.0,
}


def test_bars_are_reached_on_their_side_of_the_aim() -> None:
    assert [bar.reached for bar in bars(FIGURES)] == [True, True, True, True, False, False, True, False, True, None]
    assert Bar("", 1.5, 1.5, "dB", at_most=True).reached and Bar("", 0.97, 0.97, "%").reached
    assert Bar("", None, 1.5, "dB").cells() == ("", "not measured", "≥ 1.50 dB", "")


@pytest.mark.parametrize(
    ("fewer", "open_rows"),
    [({"prompts": 199.0}, [2, 4]), ({"coat_prompts": 49.0}, [3]), ({"inversions": 49.0}, [5])],
)
def test_too_little_says_nothing_about_an_aim(fewer: dict[str, float], open_rows: list[int]) -> None:
    found = [bar.cells()[-1] for bar in bars({**FIGURES, **fewer})]
    expected = [bar.cells()[-1] for bar in bars(FIGURES)]
    assert [k for k in range(len(found)) if found[k] != expected[k]] == open_rows
    assert {found[k] for k in open_rows} == {"too few to say"}


@pytest.mark.parametrize("steps", [49.0, 100.0])
def test_other_steps_say_nothing_about_an_aim(steps: float) -> None:
    found = [bar.cells()[-1] for bar in bars({**FIGURES, "steps": steps})]
    assert [k for k, cell in enumerate(found) if cell == "asks for 50 steps"] == [2, 3, 4, 5]


def test_a_card_takes_whole_measurements_alone() -> None:
    check_full(Extent())
    check_full(Extent(per_class=120, per_coat=60, inversions=90, bench_test=True))
    for less in ({"per_class": 99}, {"per_coat": 0}, {"inversions": 49}, {"steps": 49}, {"steps": 100}):
        with pytest.raises(ValueError, match="ask for these, or leave the card out"):
            check_full(Extent(**less))


def test_the_card_is_remade_between_its_marks(tmp_path) -> None:
    card = tmp_path / "README.md"
    card.write_text(f"# Model\n\n{BEGIN}\n{END}\n\nLicence | none\n", encoding="utf-8")
    write_card(card, FIGURES)
    first = card.read_text(encoding="utf-8")
    assert first == f"# Model\n\n{BEGIN}\n\n{markdown(FIGURES)}\n\n{END}\n\nLicence | none\n"
    assert "| samples that show their prompt's animal | 97.0 % | ≥ 97.0 % | yes |" in first
    assert "cat black and white 75.0 %" in first
    write_card(card, FIGURES)
    assert card.read_text(encoding="utf-8") == first
    write_card(card, {**FIGURES, "prompt_agreement": 0.5}, ["Coats: too few."])
    assert "| 50.0 % | ≥ 97.0 % | no |" in card.read_text(encoding="utf-8")
    assert "\n- Left out. Coats: too few.\n" in card.read_text(encoding="utf-8")


def test_the_card_keeps_what_bench_test_told_until_it_is_read_again(tmp_path) -> None:
    card = tmp_path / "README.md"
    card.write_text(f"{BEGIN}\n{END}\n", encoding="utf-8")
    write_card(card, {**FIGURES, "classifier_bench_test_balanced_accuracy": 0.914})
    line = "- Classifier, balanced accuracy on `bench-test`: 91.4 %, read when it had 98.1 % on `test`.\n"
    assert line in card.read_text(encoding="utf-8")
    for _ in range(2):  # as often as the card is made again
        write_card(card, {**FIGURES, "prompt_agreement": 0.5})
        assert card.read_text(encoding="utf-8").count(line) == 1
    another = {**FIGURES, "classifier_test_balanced_accuracy": 0.5}
    write_card(card, another)
    assert "bench-test" not in card.read_text(encoding="utf-8")
    write_card(card, {**another, "classifier_bench_test_balanced_accuracy": 0.6})
    assert card.read_text(encoding="utf-8").count("bench-test") == 1
    assert "`bench-test`: 60.0 %, read when it had 50.0 %" in card.read_text(encoding="utf-8")


def test_remarks_say_how_figures_were_measured() -> None:
    text = "\n".join(remarks(FIGURES))
    assert "over 20 random halvings: 0.02 ± 0.002; " in text
    assert "enlarged again 0.01 ± 0.003, as it is -0.001 ± 0.0004." in text
    assert "at most 0.800 for samples and 0.900 for photographs of `test`, on average 0.700 and 0.600." in text
    assert "DDIM inversion (grid `aligned`): 50 photographs" in text


@pytest.mark.parametrize("text", ["", BEGIN, f"{END}\n{BEGIN}", f"{BEGIN}{BEGIN}{END}"])
def test_a_file_without_both_marks_is_no_card(tmp_path, text: str) -> None:
    (tmp_path / "card.md").write_text(text)
    with pytest.raises(ValueError, match="must have one line <!-- figures -->"):
        check_card(tmp_path / "card.md")
