"""The plan's prices: sizes from names and files, memory beside what was measured, refusals with the nearest plan."""

from pathlib import Path

import pytest

from engine.config import Settings, load_settings
from engine.errors import SettingsError
from engine.machine import this_machine
from engine.runs.costs import (
    CARDS,
    billions,
    card_here,
    check_fits,
    generation_needed,
    memory_needed,
    peak_here,
    refusal,
)
from engine.runs.doctor import servers
from engine.runs.plan import RunPlan, plan_text, run_plan
from engine.workspace.folders import Workspace, open_workspace
from engine.workspace.run_record import create_run

REAL = ["qwen3-vl-8b", "qwen2.5-vl-7b", "gemma-3-12b", "smolvlm2-2b", "paper"]


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of this machine that says nothing yet, and no driver."""
    path = tmp_path / "machine.yaml"
    monkeypatch.setenv("JUDGE_STUDIO_MACHINE", str(path))
    monkeypatch.setenv("PATH", str(tmp_path))
    return path


def settings_of(preset: str = "qwen3-vl-8b", **overrides: object) -> Settings:
    return load_settings(preset=preset, overrides={"source.limit": 2000, **overrides})


def plan(tmp_path: Path, settings: Settings) -> RunPlan:
    return run_plan(settings, Workspace(tmp_path / "ws"))


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("Qwen/Qwen3-VL-8B-Instruct", 8), ("google/gemma-3-12b-it", 12), ("HuggingFaceTB/SmolVLM2-2.2B-Instruct", 2.2),
        ("meta-llama/Llama-3.2-11B-Vision-Instruct", 11), ("Qwen/Qwen2.5-VL-7B-Instruct", 7), ("org/some-model", None),
        ("org/model-v2-base", None),
    ],
)  # fmt: skip
def test_size_of_a_model_on_the_hub_is_what_its_name_says(name, size):
    assert billions(name) == size


def test_size_of_a_model_here_is_that_of_its_files():
    assert billions("shapes-vlm") == pytest.approx(0.003, abs=0.01)


@pytest.mark.parametrize(("micro", "peak_gib"), [(4, 23), (16, 57)])
def test_memory_is_within_15_percent_of_what_was_measured_for_a_model_of_8_8_billion(micro, peak_gib):
    """An H200, 35,800 tokens a step of 16 rows: 2,240 a row (tests/gpu/README.md)."""
    settings = settings_of(**{"train.micro_batch_size": micro, "source.max_side": 1024, "synthesize.max_tokens": 100,
                              "judge.max_tokens": 200})  # fmt: skip
    assert memory_needed(settings, 8.77) == pytest.approx(peak_gib * 1.074, rel=0.15)


@pytest.mark.parametrize(("samples", "peak_gib"), [(8, 32.34), (16, 29.64)])
def test_memory_of_generation_is_within_15_percent_of_what_was_measured(samples, peak_gib):
    """The same H200 and model: 32 prompts of 2,080 tokens, replies of 256, 190 rows at once."""
    found = generation_needed(8.77, rows=190, prompt=2080, reply=256, samples=samples)
    assert found == pytest.approx(peak_gib * 1.074, rel=0.15)


def test_a_smaller_card_takes_fewer_rows_and_a_run_here_never_plans_more_than_it_has():
    settings = settings_of(**{"model.backend": "transformers"})
    peaks = [peak_here(settings, 8.77, card) for card in CARDS if card.memory >= 48]
    assert peaks == sorted(peaks)
    for card in CARDS:
        if memory_needed(settings, 8.77) <= card.memory:
            assert peak_here(settings, 8.77, card) <= card.memory
    assert peak_here(settings, 8.77, None) == memory_needed(settings, 8.77)


@pytest.mark.parametrize("preset", REAL)
def test_every_preset_of_a_real_model_has_prices_and_fits_a_card(preset, tmp_path):
    found = plan(tmp_path, load_settings(preset=preset, overrides={"source.limit": 2000, "model.backend": "openai"}))
    assert [offer.card.name for offer in found.offers] == [card.name for card in CARDS]
    assert any(offer.fits for offer in found.offers)
    text = plan_text(found)
    assert "GPU-hours" in text
    assert "assumed rates" in text
    settings = load_settings(preset=preset)
    assert settings.train.learning_rate >= 5e-5
    assert settings.synthesize.writer == "base"


def test_a_faster_card_takes_fewer_hours_and_more_gpus_take_less_time(tmp_path, machine):
    hours = {offer.card.name: offer.hours for offer in plan(tmp_path, settings_of()).offers}
    assert hours["H200"] < hours["H100"] < hours["A100"] < hours["L4"]
    machine.write_text("gpus: 8\n")
    again = {offer.card.name: offer for offer in plan(tmp_path, settings_of()).offers}
    assert again["H100"].hours < hours["H100"]
    assert again["H100"].gpu_hours > again["H100"].hours


def test_the_machines_own_price_counts_for_its_card(tmp_path, machine):
    before = {offer.card.name: offer.money for offer in plan(tmp_path, settings_of()).offers}
    machine.write_text("card: NVIDIA H100 80GB HBM3\nprice: 25\n")
    after = {offer.card.name: offer.money for offer in plan(tmp_path, settings_of()).offers}
    assert after["H100"] == pytest.approx(10 * before["H100"])
    assert after["A100"] == before["A100"]


def test_the_embedded_model_is_not_priced(tmp_path):
    assert plan(tmp_path, load_settings(preset="shapes")).offers == ()


def test_a_run_too_large_for_this_card_is_refused_with_the_nearest_that_fits(tmp_path, machine):
    machine.write_text("card: RTX 4090\n")
    card = card_here(this_machine())
    assert card is not None
    small = settings_of("smolvlm2-2b", **{"train.micro_batch_size": 16})
    assert "Nearest that fits: train.micro_batch_size=" in (refusal(small, card) or "")
    large = settings_of("paper", **{"source.limit": 100})
    assert "a model of at most 8 billion weights, or a L40S" in (refusal(large, card) or "")
    assert "Nearest that fits" in plan_text(plan(tmp_path, large))
    with pytest.raises(SettingsError, match=r"a RTX 4090 has 24\. Nearest that fits"):
        check_fits(large)
    check_fits(settings_of("smolvlm2-2b"))


def test_a_low_learning_rate_of_an_adapter_is_warned_of(tmp_path):
    settings = settings_of(**{"train.learning_rate": 1e-5, "model.backend": "openai"})
    assert any("below 5e-5 it hardly learns" in note for note in plan(tmp_path, settings).notes)
    assert not any("hardly learns" in note for note in plan(tmp_path, settings_of()).notes)
    full = {"train.method": "full", "model.backend": "transformers"}
    assert any("they forget" in note for note in plan(tmp_path, settings_of(**full)).notes)
    assert memory_needed(settings_of(**full), 8.77) - memory_needed(settings_of(), 8.77) == pytest.approx(16 * 8.77)
    low = settings_of(**full, **{"train.learning_rate": 1e-5})
    assert not any("train.learning_rate" in note for note in plan(tmp_path, low).notes)


def test_what_keeps_a_server_from_starting_stands_in_the_plan(tmp_path):
    settings = settings_of(**{"model.vllm_python": "/nowhere/python", "model.backend": "vllm"})
    assert any("is no program on this machine" in note for note in plan(tmp_path, settings).notes)


@pytest.mark.parametrize("text", ["sequences: 0\n", "gpus: many\n", "cards: 3\n", "- a\n", "{"])
def test_a_file_of_the_machine_that_says_something_else_is_a_sentence(machine, text):
    machine.write_text(text)
    with pytest.raises(SettingsError, match=r"machine\.yaml"):
        this_machine()


def test_samples_under_way_are_256_for_each_gpu_unless_said(machine):
    assert this_machine().in_flight == 256
    machine.write_text("gpus: 4\n")
    assert this_machine().in_flight == 1024
    machine.write_text("gpus: 4\nsequences: 100\n")
    assert this_machine().in_flight == 100


def test_doctor_asks_the_vllm_of_the_workspaces_runs(tmp_path):
    workspace = open_workspace(tmp_path / "ws")
    settings = settings_of(**{"model.vllm_python": "/nowhere/python", "model.backend": "vllm"})
    for name in ("one", "two"):
        create_run(workspace.run(name), settings)
    (fact,) = servers(workspace)
    assert (fact.name, fact.state) == ("Qwen/Qwen3-VL-8B-Instruct", "bad")
    assert "is no program on this machine" in fact.advice
