"""What is handed out loads where it is meant to be used, says how it was measured, and is whole or absent."""

import json
from pathlib import Path

import pytest
import torch
import yaml
from datasets import load_dataset
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText, AutoProcessor

from engine.backends.base import Message, Request, Sampling
from engine.backends.local.transformers import TransformersBackend
from engine.errors import UsageError, WorkspaceError
from engine.export.data import export_data
from engine.export.hub_cards import one_line
from engine.export.judge import export_judge
from engine.judging.judges import resolve_judge
from engine.workspace.folders import RunFolder
from tests.made_run import NASTY, made_run
from tests.tiny_models import save_scenes, save_tiny_llava


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
    ]
    tuned = PeftModel.from_pretrained(AutoModelForImageTextToText.from_pretrained(base_of(run)), str(folder))
    assert any("lora_B" in name and weight.abs().max() > 0 for name, weight in tuned.named_parameters())
    assert json.loads((folder / "adapter_config.json").read_text())["base_model_name_or_path"] == base_of(run)


def test_exported_adapter_can_be_named_as_a_judge(run, tmp_path):
    folder = export_judge(judge(run, "judge-v1"), tmp_path / "out")
    again = resolve_judge(str(folder), run.workspace)
    assert (again.adapter, again.settings.model.base) == (folder, base_of(run))


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
    assert "judge-v1: 6 kept traces" in body


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
    assert rows[0]["completion"] == [{"role": "assistant", "content": f"I see three. {NASTY}"}]
    shown = NASTY.replace("[[", "[ [")  # a marker in a response cannot steer a judge, in training as in use
    assert shown in rows[0]["prompt"][0]["content"]
    pairs = load_dataset(str(tmp_path / "data"), "preference", split="train", cache_dir=str(tmp_path / "cache"))
    assert pairs[0]["chosen"][0]["content"].startswith("Three.")
    assert pairs[0]["rejected"][0]["content"] == "Four."
    assert all(pairs["confirmed"])
    judged = load_dataset(str(tmp_path / "data"), "judge-preference", split="train", cache_dir=str(tmp_path / "cache"))
    assert judged[0]["rejected"][0]["content"] == "At a glance."


def test_exported_data_is_what_trl_collates(run, tmp_path):
    from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

    export_data(run, tmp_path / "data")
    rows = load_dataset(str(tmp_path / "data"), "sft", split="train", cache_dir=str(tmp_path / "cache"))
    processor = AutoProcessor.from_pretrained(base_of(run))
    collator = DataCollatorForVisionLanguageModeling(processor=processor, completion_only_loss=True)
    plain = [{name: row[name] for name in ("images", "prompt", "completion")} for row in rows.select(range(2))]
    for row in plain:  # TRL's own collator would read the image token that a model wrote as one
        row["prompt"][0]["content"] = row["prompt"][0]["content"].replace("<image>", "")
        row["completion"][0]["content"] = row["completion"][0]["content"].replace("<image>", "")
    batch = collator(plain)
    assert batch["pixel_values"].shape[0] == 2
    assert torch.any(batch["labels"] != -100)


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
