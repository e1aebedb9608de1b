from pathlib import Path

import pytest

from engine.config import flat, load_settings, parse_settings, presets, settings_as_dict
from engine.errors import SettingsError


@pytest.mark.parametrize("name", presets())
def test_every_preset_loads(name: str) -> None:
    assert load_settings(preset=name).loop.iterations >= 1


def test_file_wins_over_preset_and_words_win_over_both(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("judge: {temperature: 0.5, traces_per_order: 7}\n")
    settings = load_settings(preset="shapes", file=tmp_path / "mine.yaml", overrides={"judge.temperature": "0.25"})
    assert settings.judge.temperature == 0.25
    assert settings.judge.traces_per_order == 7
    assert settings.evaluate.benchmarks == ("shapes",)


def test_unknown_setting_names_the_nearest_known_one() -> None:
    with pytest.raises(SettingsError, match=r"judge: no setting called 'temprature'. Did you mean 'temperature'\?"):
        parse_settings({"judge": {"temprature": 1}}, where="shapes.yaml")
    with pytest.raises(SettingsError, match=r"no setting called 'jugde'. Did you mean 'judge'\?"):
        parse_settings({"jugde": {}}, where="shapes.yaml")


@pytest.mark.parametrize(
    "values",
    [
        {"judge": {"temperature": "hot"}}, {"judge": {"temperature": -1}}, {"judge": 3}, {"loop": {"iterations": 0}},
        {"source": {"kind": "ftp"}}, {"select": {"rule": None}},
    ],
)  # fmt: skip
def test_value_that_does_not_fit_is_one_sentence_with_its_place(values: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match=r"^mine\.yaml: \w+(\.\w+)? cannot be .*Change the value\.$") as caught:
        parse_settings(values, where="mine.yaml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [", "\x00"])
def test_file_that_is_no_settings_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(SettingsError, match=r"bad\.yaml"):
        load_settings(file=tmp_path / "bad.yaml")


def test_missing_file_and_unknown_preset_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot read settings"):
        load_settings(file=tmp_path / "none.yaml")
    with pytest.raises(SettingsError, match="no preset called 'shape'"):
        load_settings(preset="shape")


def test_settings_survive_the_way_to_a_dictionary_and_back() -> None:
    settings = load_settings(preset="paper")
    assert parse_settings(settings_as_dict(settings), where="test") == settings
    assert flat(settings)["train.rank"] == 64


def test_prompt_pack_fits_the_model_unless_it_is_named() -> None:
    assert parse_settings({}, where="t").prompt_pack == "shapes"
    assert parse_settings({"model": {"base": "org/other"}}, where="t").prompt_pack == "default"
    assert parse_settings({"model": {"prompts": "shapes", "base": "org/other"}}, where="t").prompt_pack == "shapes"
