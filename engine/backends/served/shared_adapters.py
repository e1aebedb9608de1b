"""A folder that many vLLM servers resolve adapters from (their plugin `lora_filesystem_resolver`).

An adapter posted to one address reaches one replica only; one that lies in a shared folder reaches them all. A server
takes it if the folder is named as the adapter is asked for and its base is, to the letter, the served model's name.
"""

import json
import os
import shutil
from pathlib import Path

from engine.errors import ModelError


def publish(adapter: Path, name: str, folder: Path, *, base: str) -> Path:
    """Put the PEFT folder `adapter` into `folder` as `name`, whole or not at all; one that is there is kept.

    Raises `ModelError` if the folder cannot be written.
    """
    target = folder / name
    if target.is_dir():
        return target
    unfinished = folder / f".{name}.{os.getpid()}"
    try:
        folder.stat()  # a folder that is missing is not mounted here: nobody would read one that we made
        shutil.copytree(adapter, unfinished)
        config = unfinished / "adapter_config.json"
        settings = json.loads(config.read_text(encoding="utf-8")) | {"base_model_name_or_path": base}
        config.write_text(json.dumps(settings, indent=1), encoding="utf-8")
        os.replace(unfinished, target)
    except (OSError, shutil.Error, ValueError) as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        if target.is_dir():
            return target  # another process was faster
        raise ModelError(
            f"model.adapters_folder: cannot put {name} into {folder} ({error}). Name a folder that this machine may "
            "write and every server reads."
        ) from error
    return target
