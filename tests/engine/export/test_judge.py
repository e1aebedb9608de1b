"""What is handed out loads where it is meant to be used, says how it was measured, and is whole or absent."""

import json
from pathlib import Path

import pytest
import torch
import yaml
from datasets import load_dataset
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText, AutoProcessor, AutoTokenizer

from engine.backends.base import Message, Request, Sampling
from engine.backends.local.transformers import TransformersBackend
from engine.config import JudgeSettings
from engine.errors import SettingsError, UsageError, WorkspaceError
from engine.export.data import export_data
from engine.export.hub_cards import one_line, other_versions
from engine.export.judge import export_judge
from engine.judging.judges import resolve_judge
from engine.prompts import load_pack
from engine.records import ScoreRow
from engine.workspace.folders import RunFolder
from tests.made_run import NASTY, made_run
from tests.tiny_models import save_scenes, save_tiny_llava, save_tiny_text_model


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> RunFolder:
    folder = tmp_path_factory.mktemp("made")
    base = save_tiny_llava(folder / "tiny", width=64, vision_layers=1, layers=2)
    return made_run(folder / "workspace", base)


def judge(run: RunFolder, version: str):
    return resolve_judge(f"{run.name}/{version}", run.workspace)


def base_of(run: RunFolder) -> str:
    return judge(run, "judge-v0").settings.model.base


def replies(backend: TransformersBackend, scene: Path, version: str) -> str:
    request = Request(
        key="k",
        messages=(Message(role="user", text="How many stars are there?"),),
        image=scene,
        sampling=Sampling(max_tokens=12),
        judge=version,
    )
    return next(iter(backend.generate([request]))).text


def test_exported_adapter_is_a_peft_folder_that_names_its_base(run, tmp_path):
    folder = export_judge(judge(run, "judge-v2"), tmp_path / "out")
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
        "judge.json",
        "judge.py",
        "prompts.yaml",
    ]
    tuned = PeftModel.from_pretrained(AutoModelForImageTextToText.from_pretrained(base_of(run)), str(folder))
    assert any("lora_B" in name and weight.abs().max() > 0 for name, weight in tuned.named_parameters())
    assert json.loads((folder / "adapter_config.json").read_text())["base_model_name_or_path"] == base_of(run)


def test_exported_adapter_can_be_named_as_a_judge(run, tmp_path):
    folder = export_judge(judge(run, "judge-v1"), tmp_path / "out")
    again = resolve_judge(str(folder), run.workspace)
    assert (again.adapter, again.settings.model.base) == (folder, base_of(run))


@pytest.mark.parametrize("merged", [False, True], ids=["adapter", "merged"])
def test_exported_judge_is_asked_as_it_was_in_its_run(run, tmp_path, merged):
    before = judge(run, "judge-v1")
    assert before.settings.prompt_pack == "shapes", "a pack that is not the usual one of this base"
    again = resolve_judge(str(export_judge(before, tmp_path / "out", merged=merged)), run.workspace)
    assert load_pack(again.settings.prompt_pack) == load_pack("shapes")
    assert again.settings.judge.max_tokens == before.settings.judge.max_tokens != JudgeSettings().max_tokens
    assert again.settings.source.max_side == before.settings.source.max_side


def test_damaged_data_beside_an_exported_judge_are_named(run, tmp_path):
    folder = export_judge(judge(run, "judge-v1"), tmp_path / "out")
    (folder / "judge.json").write_text('{"max_tokens": -1, "max_side": 768}')
    with pytest.raises(SettingsError, match=r"judge\.json: judge\.max_tokens cannot be -1"):
        resolve_judge(str(folder), run.workspace)


def test_merged_model_answers_like_base_and_adapter(run, tmp_path):
    scene = save_scenes(tmp_path / "scene", 1)[0]
    folder = export_judge(judge(run, "judge-v1"), tmp_path / "out", merged=True)
    AutoProcessor.from_pretrained(folder)
    backend = TransformersBackend(base_of(run), device="cpu")
    backend.load_judge("judge-v1", run.adapter(1))
    merged = replies(TransformersBackend(folder, device="cpu"), scene, "judge-v0")
    assert merged == replies(backend, scene, "judge-v1")
    assert merged != replies(backend, scene, "judge-v0")


def test_merged_model_keeps_the_weight_names_of_its_base(run, tmp_path):
    base = Path(base_of(run)) / "model.safetensors"
    portable = {
        name.replace("vision_tower.", "vision_tower.vision_model.") if "vision_model" not in name else name: value
        for name, value in load_file(base).items()
    }
    before = base.read_bytes()
    try:
        from safetensors.torch import save_file

        save_file(portable, base, metadata={"format": "pt"})
        folder = export_judge(judge(run, "judge-v1"), tmp_path / "out", merged=True)
        assert load_file(folder / "model.safetensors").keys() == portable.keys()
        AutoModelForImageTextToText.from_pretrained(folder)
    finally:
        base.write_bytes(before)


def test_model_card_shows_how_it_was_made_and_measured(run, tmp_path):
    folder = export_judge(judge(run, "judge-v1"), tmp_path / "out")
    _, head, body = (folder / "README.md").read_text().split("---\n", 2)
    assert yaml.safe_load(head)["base_model"] == base_of(run)
    assert yaml.safe_load(head)["library_name"] == "peft"
    assert "| shapes | judge-v1 | 30 | 0.600 |" in body
    assert "| shapes | judge-v0 | 30 | 0.000 |" in body
    assert "judge-v2" not in body
    assert "judge-v1: 6 kept traces, started from judge-v0" in body
    assert "images: drawn scenes, without labels; prompt pack `shapes`" in body
    assert "judge-studio serve THIS_FOLDER" in body
    assert f"vllm serve {base_of(run)} --enable-lora --max-lora-rank 16 --lora-modules judge=THIS_FOLDER" in body


def test_card_names_controls_of_its_own_version_alone():
    def row(name):
        return ScoreRow(
            judge=name, benchmark="shapes", protocol="strict", dimension="all", n=4, accuracy=0.5, low=0.3, high=0.7,
            invalid=0.0, position_lean=None, length_lean=None,
        )  # fmt: skip

    names = ["judge-v1", "control:always-A", "control:wrong-image", "control:wrong-image:judge-v1",
             "control:wrong-image:judge-v2"]  # fmt: skip
    assert other_versions([row(name) for name in names], "judge-v1") == {"judge-v2"}


def test_card_text_cannot_forge_lines_cells_or_html():
    assert one_line("a\n# Head | <b>") == "a # Head \\| &lt;b>"


def test_export_of_the_base_without_merging_is_refused(run, tmp_path):
    with pytest.raises(UsageError, match="has no adapter"):
        export_judge(judge(run, "judge-v0"), tmp_path / "out")


def test_export_into_a_folder_that_holds_something_is_refused(run, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep")
    with pytest.raises(UsageError, match="not empty"):
        export_judge(judge(run, "judge-v1"), tmp_path / "out")
    assert (tmp_path / "out" / "mine.txt").read_text() == "keep"


def test_export_that_fails_leaves_nothing(run, tmp_path):
    (run.adapter(2) / "adapter_model.safetensors").rename(run.adapter(2) / "away")
    try:
        with pytest.raises(WorkspaceError):
            export_judge(judge(run, "judge-v2"), tmp_path / "deep" / "out")
    finally:
        (run.adapter(2) / "away").rename(run.adapter(2) / "adapter_model.safetensors")
    assert list((tmp_path / "deep").iterdir()) == []


# --- data ----------------------------------------------------------------------------------------------------------


def test_exported_data_counts_kept_traces_and_usable_pairs(run, tmp_path):
    assert export_data(run, tmp_path / "data") == {"sft": 12, "judge-preference": 12, "preference": 6}


def test_exported_data_loads_with_images_and_whole_text(run, tmp_path):
    export_data(run, tmp_path / "data")
    rows = load_dataset(str(tmp_path / "data"), "sft", split="train", cache_dir=str(tmp_path / "cache"))
    assert rows.column_names[0] == "images"
    assert rows[0]["images"][0].size == (48, 48)
    tame = NASTY.replace("<image>", "< image>").replace("</s>", "< /s>")  # no special token but the trainer's own
    assert rows[0]["completion"] == [{"role": "assistant", "content": f"I see three. {tame}"}]
    shown = tame.replace("[[", "[ [")  # a marker in a response cannot steer a judge, in training as in use
    assert shown in rows[0]["prompt"][0]["content"]
    pairs = load_dataset(str(tmp_path / "data"), "preference", split="train", cache_dir=str(tmp_path / "cache"))
    assert pairs[0]["chosen"][0]["content"].startswith("Three.")
    assert pairs[0]["rejected"][0]["content"] == "Four."
    assert all(pairs["confirmed"])
    judged = load_dataset(str(tmp_path / "data"), "judge-preference", split="train", cache_dir=str(tmp_path / "cache"))
    assert judged[0]["rejected"][0]["content"] == "At a glance."


@pytest.fixture(scope="module")
def rows_of(run, tmp_path_factory):
    """Rows of a configuration, loaded as anybody would load them."""
    folder = tmp_path_factory.mktemp("trl")
    export_data(run, folder / "data")
    return lambda config: load_dataset(
        str(folder / "data"), config, split="train", cache_dir=str(folder / "cache")
    ).select(range(2))


def quiet(folder: Path) -> dict:
    return {
        "output_dir": str(folder), "max_steps": 1, "per_device_train_batch_size": 2, "use_cpu": True, "bf16": False,
        "report_to": [], "save_strategy": "no", "logging_steps": 1, "disable_tqdm": True,
        "gradient_checkpointing": False,
    }  # fmt: skip


def test_exported_data_is_what_trl_collates(run, rows_of):
    from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

    processor = AutoProcessor.from_pretrained(base_of(run))
    collator = DataCollatorForVisionLanguageModeling(processor=processor, completion_only_loss=True)
    names = ("images", "prompt", "completion")
    batch = collator([{name: row[name] for name in names} for row in rows_of("sft")])
    assert batch["pixel_values"].shape[0] == 2
    assert torch.any(batch["labels"] != -100)


@pytest.mark.parametrize("config", ["preference", "judge-preference"])
def test_exported_preferences_train_a_step_of_dpo_with_pictures(run, rows_of, tmp_path, config):
    from trl import DPOConfig, DPOTrainer

    settings = DPOConfig(**quiet(tmp_path / "out"), max_length=None)
    trainer = DPOTrainer(base_of(run), args=settings, train_dataset=rows_of(config))
    trainer.train()
    assert trainer.state.log_history[0]["loss"] == pytest.approx(0.6931, abs=0.01)  # log 2: nothing is learnt yet


def test_exported_preferences_train_a_step_of_a_reward_model(run, rows_of, tmp_path):
    from trl import RewardConfig, RewardTrainer

    rows = rows_of("preference").remove_columns("images")  # TRL's reward trainer reads texts
    base = save_tiny_text_model(tmp_path / "text")
    template = (
        AutoTokenizer.from_pretrained(base_of(run)).chat_template
        or "{% for m in messages %}{{ m.content }}{% endfor %}"
    )
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.chat_template = template
    trainer = RewardTrainer(
        str(base), args=RewardConfig(**quiet(tmp_path / "out")), train_dataset=rows, processing_class=tokenizer
    )
    trainer.train()
    assert trainer.state.log_history[0]["loss"] > 0


def test_exported_lines_name_images_that_are_there(run, tmp_path):
    export_data(run, tmp_path / "data")
    lines = [json.loads(line) for line in (tmp_path / "data" / "sft.jsonl").read_text().splitlines()]
    assert len(lines) == 12
    assert all((tmp_path / "data" / line["images"][0]).is_file() for line in lines)
    head = yaml.safe_load((tmp_path / "data" / "README.md").read_text().split("---\n")[1])
    assert [config["config_name"] for config in head["configs"]] == ["sft", "judge-preference", "preference"]


def test_data_of_a_run_without_pairs_is_refused(run, tmp_path):
    empty = run.workspace.run("empty")
    empty.folder.mkdir()
    empty.config.write_text(run.config.read_text())
    with pytest.raises(WorkspaceError, match="no pairs to export yet"):
        export_data(empty, tmp_path / "data")
    assert not (tmp_path / "data").exists()
