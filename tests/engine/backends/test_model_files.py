"""A model's folder that is not what was meant to be downloaded is refused before, or instead of, judging with it."""

import io
import json
import shutil

import pytest
from safetensors.torch import load_file, save_file

from engine.backends.local.transformers import load_model, load_processor
from engine.errors import ModelError

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 42\n"


@pytest.fixture
def folder(models, tmp_path):
    return shutil.copytree(models / "llava", tmp_path / "llava")


def load(folder):
    return load_model(str(folder), device="cpu", dtype="auto", revision=None)


def keep_weights(folder, change):
    weights = folder / "model.safetensors"
    kept = {change(name): value for name, value in load_file(weights).items() if change(name)}
    save_file(kept, weights, metadata={"format": "pt"})


@pytest.mark.parametrize(
    "change",
    [
        lambda name: "" if "vision" in name else name,
        lambda name: f"wrapped.{name}",
        lambda name: "" if "layers.1.mlp.up_proj" in name else name,
    ],
)
def test_base_whose_files_lack_weights_is_refused_naming_one(folder, change):
    keep_weights(folder, change)
    with pytest.raises(ModelError, match=r"its files lack \d+ weights, the first is \S+;"):
        load(folder)


@pytest.mark.parametrize("family", ["llava", "gemma3", "idefics3", "mllama", "qwen2_vl"])
def test_whole_base_with_tied_weights_lacks_nothing(models, family):
    load(models / family)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (POINTER, "git-lfs pointer"),
        (b"", "is empty"),
        (b"\x08", "damaged"),
        (None, "damaged or were not fetched whole"),
    ],
)
def test_weights_that_were_not_fetched_whole_are_refused_in_a_sentence(folder, content, said):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000] if content is None else content)
    with pytest.raises(ModelError, match=said):
        load(folder)


def test_tokenizer_that_git_left_as_a_pointer_is_named(folder):
    (folder / "tokenizer.json").write_bytes(POINTER)
    with pytest.raises(ModelError, match=r"tokenizer\.json is a git-lfs pointer"):
        load(folder)


@pytest.mark.parametrize("name", ["/nowhere/llava", "./llava", "models/org/llava", "C:\\models\\llava", "my model"])
def test_folder_that_is_not_there_is_not_looked_up_on_the_hub(name):
    with pytest.raises(ModelError, match="there is no such folder"):
        load_model(name, device="cpu", dtype="auto", revision=None)


def test_code_in_a_models_folder_never_runs_and_nobody_is_asked(folder, tmp_path, monkeypatch, capsys):
    ran = tmp_path / "ran"
    for name in ("configuration_own.py", "processing_own.py"):
        (folder / name).write_text(f"open({str(ran)!r}, 'w').close()\n")
    (folder / "processor_config.json").write_text(
        json.dumps({"processor_class": "Own", "auto_map": {"AutoProcessor": "processing_own.Own"}})
    )
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 9))
    with pytest.raises(ModelError):
        load_processor(str(folder), revision=None)
    (folder / "config.json").write_text(
        json.dumps({"model_type": "own_chat", "auto_map": {"AutoConfig": "configuration_own.Own"}})
    )
    with pytest.raises(ModelError, match="cannot be loaded"):
        load(folder)
    assert not ran.exists()
    assert "[y/N]" not in capsys.readouterr().out
