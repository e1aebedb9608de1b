"""A folder that many vLLM servers resolve adapters from (their plugin `lora_filesystem_resolver`).

An adapter posted to one address reaches one replica only; one that lies in a shared folder reaches them all. A server
takes it if the folder is named as the adapter is asked for and its base is, to the letter, what the server's --model
says.
"""

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path

from engine.errors import ModelError, WorkspaceError
from engine.workspace.files import write_text


def publish(adapter: Path, name: str, folder: Path, *, base: str) -> Path:
    """Put the PEFT folder `adapter` into `folder` as `name`, whole or not at all. One that is there is kept, and named
    as an adapter of `base`, which is what the servers' --model says now.

    Raises `ModelError` if the folder cannot be written.
    """
    target = folder / name
    unfinished = folder / f".{name}.{os.getpid()}"
    try:
        folder.stat()  # a folder that is missing is not mounted here: nobody would read one that we made
        if not target.is_dir():
            shutil.copytree(adapter, unfinished)
            _name_base(unfinished, base)
            with suppress(FileExistsError):  # another process was faster
                _rename(unfinished, target)
        _name_base(target, base)
    except (OSError, shutil.Error, ValueError, WorkspaceError) as error:
        raise ModelError(
            f"model.adapters_folder: cannot put {name} into {folder} ({error}). Name a folder that this machine may "
            "write and every server reads."
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return target


def _rename(unfinished: Path, target: Path) -> None:
    try:
        os.replace(unfinished, target)
    except OSError:
        if target.is_dir():
            raise FileExistsError(str(target)) from None
        raise


def _name_base(adapter: Path, base: str) -> None:
    config = adapter / "adapter_config.json"
    settings = json.loads(config.read_text(encoding="utf-8"))
    if settings.get("base_model_name_or_path") != base:
        write_text(config, json.dumps(settings | {"base_model_name_or_path": base}, indent=1))
