"""What makes an exported judge usable without this project: its prompt and its reading rule as data, and a program.

The program is `assets/export/judge.py`, the same in every export; all that differs lies in judge.json beside it. It is
as long as asking exactly as in training takes: texts that cannot speak as the judge, the base in any of three places,
tokens that end a reply, and replies that were cut off. With prompts.yaml, the whole prompt pack, Judge Studio itself
asks an exported judge as it was asked in its run.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import yaml

from engine.assets import SHIPPED, assets_folder
from engine.judging.judges import JUDGE_DATA, JUDGE_PROMPTS, JudgeRef
from engine.prompts import load_pack, prompt_fences
from engine.verdicts import reading_rule
from engine.workspace.provenance import model_folder

PROGRAM = "judge.py"


def write_alone(judge: JudgeRef, folder: Path, *, merged: bool) -> None:
    """Put the program and its data into `folder`, and the base model where no hub has it."""
    data = json.dumps(alone_data(judge), indent=1, ensure_ascii=False)
    (folder / JUDGE_DATA).write_text(data + "\n", encoding="utf-8")
    pack = load_pack(judge.settings.prompt_pack).model_dump(mode="json")
    (folder / JUDGE_PROMPTS).write_text(yaml.safe_dump(pack, sort_keys=False, allow_unicode=True), encoding="utf-8")
    shutil.copyfile(assets_folder() / "export" / PROGRAM, folder / PROGRAM)
    if judge.settings.model.base in SHIPPED and not merged:
        base = model_folder(judge.settings.model.base)
        assert base is not None
        shutil.copytree(base, folder / "base")


def alone_data(judge: JudgeRef) -> dict[str, Any]:
    """Everything that is specific to this judge: names, prompt, limits, and how replies are read."""
    pack = load_pack(judge.settings.prompt_pack)
    system = pack.judge_system
    return {
        "judge": judge.label,
        "base": judge.settings.model.base,
        "revision": judge.settings.model.revision,
        "prompt": pack.judge,
        "turns_before": [{"role": "system", "content": [{"type": "text", "text": system}]}] if system else [],
        "number_sentences": pack.number_sentences,
        "max_side": judge.settings.source.max_side,
        "max_tokens": judge.settings.judge.max_tokens,
        "fences": sorted(prompt_fences(pack.judge)),
        **reading_rule(),
    }


def where_base_is(judge: JudgeRef, *, merged: bool) -> str:
    """One sentence for the card."""
    base = judge.settings.model.base
    if merged:
        return "The base model is merged into it, so the folder is complete."
    if base in SHIPPED:
        return "The base model lies in `base/`, so the folder is complete."
    if model_folder(base) is not None:
        return (
            "The base model was a folder of the machine that made it; give its place with `--base FOLDER`, or export "
            "with `--merged`."
        )
    return "The base model is loaded from the Hugging Face hub by its name."
