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


@pytest.mark.parametrize(
    "name",
    [
        "my photos #2",
        "2024",
        "01",
        "no",
        "null",
        "~",
        "12:30",
        "0x10",
        ".5",
        "a: b",
        " lead",
        '"dq"',
        "&amp",
        "[x]",
        "{a}",
    ],
)
def test_text_setting_is_the_text_as_it_was_typed(name: str) -> None:
    assert load_settings(overrides={"source.path": name}).source.path == name
    assert load_settings(overrides={"source.split": name}).source.split == name


def test_empty_word_takes_an_optional_setting_back(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("model: {revision: abc}\nsource: {limit: 5, path: photos}\n")
    words = {"model.revision": "", "source.limit": "", "source.path": ""}
    settings = load_settings(file=tmp_path / "mine.yaml", overrides=words)
    assert (settings.model.revision, settings.source.limit, settings.source.path) == (None, None, None)
    assert load_settings(preset="shapes", overrides={"source.limit": "null"}).source.limit is None


@pytest.mark.parametrize(("word", "value"), [("010", 10), ("1_000", 1000), ("7.0", 7), (" 7 ", 7)])
def test_whole_number_is_read_as_decimal(word: str, value: int) -> None:
    assert load_settings(overrides={"loop.seed": word}).loop.seed == value


@pytest.mark.parametrize("word", ["0x10", "1:30", "ten", "nan", "inf", "1e400"])
def test_number_that_is_none_is_refused_as_it_was_typed(word: str) -> None:
    with pytest.raises(SettingsError, match=f"train.learning_rate cannot be (inf|nan|'{word}')"):
        load_settings(overrides={"train.learning_rate": word})


@pytest.mark.parametrize(
    ("word", "benchmarks"),
    [
        ("shapes", ("shapes",)),
        ("[a b.jsonl, 2024]", ("a b.jsonl", "2024")),
        ('["x #2.jsonl"]', ("x #2.jsonl",)),
        ("[]", ()),
    ],
)
def test_list_is_written_in_brackets_or_has_one_entry(word: str, benchmarks: tuple[str, ...]) -> None:
    assert load_settings(overrides={"evaluate.benchmarks": word}).evaluate.benchmarks == benchmarks


def test_settings_file_keeps_names_that_look_like_something_else(tmp_path: Path) -> None:
    text = "model: {revision: 0012345}\nsource:\n  split: no\n  dataset_config: 1.10\n  path: 2024-05-01\n  limit: ~\n"
    (tmp_path / "mine.yaml").write_text("\ufeff" + text, encoding="utf-8")
    settings = load_settings(file=tmp_path / "mine.yaml")
    assert settings.model.revision == "0012345"
    source = settings.source
    assert (source.split, source.dataset_config, source.path, source.limit) == ("no", "1.10", "2024-05-01", None)


def test_setting_that_a_file_holds_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("judge: {top_p: 0.5}\nloop: {seed: 1}\njudge: {top_p: 0.6}\n")
    with pytest.raises(SettingsError, match="'judge' is there twice"):
        load_settings(file=tmp_path / "mine.yaml")
