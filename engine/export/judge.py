"""Handing a judge version out: a PEFT folder or a merged model, with a model card that says how it was measured."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.backends.adapter_folder import adapter_settings
from engine.errors import UsageError, WorkspaceError
from engine.export.alone import write_alone
from engine.export.hub_cards import model_card
from engine.judging.judges import JudgeRef
from engine.paths import expanded
from engine.workspace.provenance import model_folder

_PEFT_FILES = ("adapter_config.json", "adapter_model.safetensors")


def export_judge(judge: JudgeRef, folder: Path, *, merged: bool = False) -> Path:
    """Write `judge` to the new folder `folder`; it appears there only when it is whole.

    Raises `UsageError` if the folder holds something, or if there is no adapter to hand out and none was merged.
    """
    if judge.adapter is None and not merged:
        raise UsageError(
            f"judge '{judge.label}': it is the base model {judge.settings.model.base} itself and has no adapter. "
            "Name another version, or copy the base."
        )
    with new_folder(folder) as made:
        if merged:
            _save_merged(judge, made)
        else:
            _copy_adapter(judge, made)
        write_alone(judge, made, merged=merged)
        (made / "README.md").write_text(model_card(judge, merged=merged), encoding="utf-8")
    return folder


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A folder to fill that becomes `folder` when the block ends well, and is removed when it does not.

    Raises `UsageError` if `folder` is there and not empty, `WorkspaceError` if the disk refuses.
    """
    folder = expanded(folder).absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder}: is there and not empty. Name a new folder.")
    made = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        made.mkdir(parents=True)
        yield made
        if folder.exists():
            folder.rmdir()
        os.replace(made, folder)
    except OSError as error:
        raise WorkspaceError(
            f"{folder}: cannot write: {error.strerror or error}. Check room and permissions."
        ) from error
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _copy_adapter(judge: JudgeRef, folder: Path) -> None:
    """The two files that count, with the base named as a person would name it, not by a path of this machine."""
    assert judge.adapter is not None
    shutil.copyfile(judge.adapter / _PEFT_FILES[1], folder / _PEFT_FILES[1])
    config = adapter_settings(judge.label, judge.adapter)
    config["base_model_name_or_path"] = judge.settings.model.base
    config["revision"] = judge.settings.model.revision
    (folder / _PEFT_FILES[0]).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _save_merged(judge: JudgeRef, folder: Path) -> None:
    """A complete model folder: weights with the adapter added, configuration, processor, chat template."""
    import warnings

    from engine.backends.local.transformers import load_model, load_processor

    settings = judge.settings.model
    name = str(model_folder(settings.base) or settings.base)
    dtype = "bfloat16" if settings.dtype == "auto" and model_folder(settings.base) is None else settings.dtype
    model: Any = load_model(name, device="cpu", dtype=dtype, revision=settings.revision)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that merging parts tied weights is meant
        if judge.adapter is not None:
            from peft import PeftModel

            from engine.backends.local.adapters import trains_tied_weights, untie

            if trains_tied_weights(model, judge.adapter):
                untie(model)
            model = PeftModel.from_pretrained(model, str(judge.adapter)).merge_and_unload()
        model.save_pretrained(folder)
    load_processor(name, revision=settings.revision).save_pretrained(folder)
    _use_names_of(Path(name) / "model.safetensors", folder / "model.safetensors")


def _use_names_of(base: Path, merged: Path) -> None:
    """Give the merged weights the names they have in the base checkpoint.

    transformers 5 drops the `vision_model.` of some vision towers when it saves, and vLLM then does not find them.
    """
    if not base.is_file() or not merged.is_file():
        return
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    with safe_open(base, framework="pt") as file:
        wanted = {_plain(name): name for name in file.keys()}  # noqa: SIM118  not a dict
    weights = load_file(merged)
    renamed = {wanted.get(_plain(name), name): value for name, value in weights.items()}
    if len(renamed) == len(weights):
        save_file(renamed, merged, metadata={"format": "pt"})


def _plain(name: str) -> str:
    """A weight's name without the wrappers that versions of transformers put in or leave out."""
    return ".".join(part for part in name.split(".") if part not in {"model", "vision_model"})
