"""Hugging Face cards of what is exported: where it comes from, how it was made, how it was measured, what it is not."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from engine import __version__
from engine.assets import SHIPPED
from engine.export.alone import where_base_is
from engine.judging.judges import JudgeRef
from engine.measure.controls import is_control
from engine.measure.metrics import ALL, STRICT
from engine.prompts import load_pack
from engine.records import BASE_JUDGE, ScoreRow
from engine.workspace.conclusions import Trained
from engine.workspace.folders import RunFolder

_METHOD = (
    "It was trained without human labels and without a stronger model: the judge wrote preference pairs about "
    "unlabelled images, ruled on them in both orders, and was trained on those of its own reasoned rulings that agree "
    "with how the pairs were made (method: Lin et al., arXiv 2512.05145)."
)


def front_matter(values: Mapping[str, Any]) -> str:
    """The YAML head of a card."""
    return f"---\n{yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True)}---\n\n"


def one_line(text: str) -> str:
    """Untrusted text on one line of a card: no line can be forged, no table cell broken, no HTML started."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def fenced(text: str) -> list[str]:
    """Text as a block of code that it cannot end."""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return [fence, *text.splitlines(), fence]


def model_card(judge: JudgeRef, *, merged: bool) -> str:
    """README.md of an exported judge version."""
    head: dict[str, Any] = {
        "base_model": judge.settings.model.base,
        "base_model_relation": "finetune" if merged else "adapter",
        "library_name": "transformers" if merged else "peft",
        "pipeline_tag": "image-text-to-text",
        "tags": ["judge", "preference", "judge-studio"],
    }
    sections = [
        _what_it_is(judge, merged=merged),
        _use(judge, merged=merged),
        _served(judge, merged=merged),
        _asked_and_read(judge),
        *([_measured(judge.run, judge.version), _lineage(judge.run, judge)] if judge.run is not None else []),
        _LIMITS,
    ]
    return front_matter(head) + "\n".join(line for section in sections if section for line in [*section, ""])


def _what_it_is(judge: JudgeRef, *, merged: bool) -> list[str]:
    return [
        f"# {one_line(judge.label)}",
        "",
        f"A vision-language judge: asked which of two responses to a question about an image is better, it reasons "
        f"and ends with `[[A]]` or `[[B]]`. {'Its training is merged into' if merged else 'A PEFT adapter of'} "
        f"`{one_line(judge.settings.model.base)}`, made with Judge Studio {__version__}. {_METHOD}",
    ]


def _use(judge: JudgeRef, *, merged: bool) -> list[str]:
    return [
        "## Use",
        "",
        "Ask in both orders and keep only rulings that agree: a verdict that follows the place is no verdict. "
        "`judge.py` does that without Judge Studio: it loads the model, asks, and reads the replies.",
        "",
        "```",
        "pip install torch transformers peft pillow",
        'python judge.py cat.png "How many cats are there?" "Two." "Three."',
        "```",
        "",
        where_base_is(judge, merged=merged),
    ]


def _served(judge: JudgeRef, *, merged: bool) -> list[str]:
    """The lines that serve it. vLLM has no use for the embedded model, and adds no whole layers to a base."""
    base = one_line(judge.settings.model.base)
    lines = ["Served with Judge Studio, it rules in both orders, for OpenAI's clients too:", "", "```"]
    lines += ["judge-studio serve THIS_FOLDER", "```"]
    if judge.settings.model.base in SHIPPED or (judge.settings.train.method == "full" and not merged):
        return lines
    line = "vllm serve THIS_FOLDER"
    if not merged:
        line = (
            f"vllm serve {base} --enable-lora --max-lora-rank {judge.settings.train.rank} "
            "--lora-modules judge=THIS_FOLDER"
        )
    return [*lines, "", "or the model alone, to be asked and read as below:", "", "```", line, "```"]


def _asked_and_read(judge: JudgeRef) -> list[str]:
    """For those who ask it by themselves: the prompt, and what of a reply counts."""
    return [
        "The prompt it was trained on, with slots for the question and the two answers in the order shown:",
        "",
        *fenced(load_pack(judge.settings.prompt_pack).judge),
        "",
        "How a reply is read: what it thinks in thinking tags counts for nothing. Its last line counts if it is one "
        "verdict and nothing else (`[[A]]`, `[[B]]`, `[[C]]` for a tie, or boxed); else the only verdict in double "
        "brackets that it states. None, or several different ones, is no verdict, and so is a reply that was cut off "
        f"at {judge.settings.judge.max_tokens} tokens. The rules are in `judge.json` as regular expressions.",
    ]


_LIMITS = [
    "## Limits",
    "",
    "Self-training raises the share of careful rulings; it creates no skill that the base model lacks. Rulings can "
    "be right for wrong reasons. Compare with the controls above before relying on it: a rule that looks only at "
    "length or place can score well on some benchmarks. The licence of the base model applies.",
]


def _measured(run: RunFolder, version: str) -> list[str]:
    """This version, the base model, and the controls of both; other versions' are in the run's report."""
    rows = [row for row in run_scores(run) if row.judge in (version, BASE_JUDGE) or is_control(row.judge)]
    others = other_versions(rows, version)
    wanted = [row for row in rows if row.judge.rpartition(":")[2] not in others]
    return ["## Measured", "", *measured_table(wanted)] if wanted else []


def other_versions(rows: Sequence[ScoreRow], version: str) -> set[str]:
    """Versions that a control is of ("control:wrong-image:judge-v1"), but this one and the base model."""
    named = {row.judge.rpartition(":")[2] for row in rows if row.judge.count(":") > 1}
    return named - {version, BASE_JUDGE}


def run_scores(run: RunFolder) -> list[ScoreRow]:
    """Every score of the run, judge-v0 and its controls first."""
    rows: list[ScoreRow] = []
    number = 0
    while (folder := run.stage(number, "evaluate")).folder.exists():
        rows += folder.read("scores", ScoreRow)
        number += 1
    return rows


def measured_table(rows: Sequence[ScoreRow]) -> list[str]:
    """Overall strict accuracies as Markdown, with intervals and leans."""
    lines = [
        "Strict: an item counts only when the verdicts in both orders are right. 95 % intervals are clustered by "
        "image; leans are shares away from even.",
        "",
        "| benchmark | judge | items | accuracy | 95 % interval | invalid | position lean | length lean |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        if row.protocol == STRICT and row.dimension == ALL:
            lines.append(
                f"| {one_line(row.benchmark)} | {one_line(row.judge)} | {row.n} | {row.accuracy:.3f} "
                f"| {row.low:.3f} to {row.high:.3f} | {row.invalid:.3f} | {_signed(row.position_lean)} "
                f"| {_signed(row.length_lean)} |"
            )
    return lines


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.3f}"


def _lineage(run: RunFolder, judge: JudgeRef) -> list[str]:
    """From the base model to this version: what each iteration started from and was trained on."""
    settings = judge.settings
    revision = f", revision {one_line(settings.model.revision)}" if settings.model.revision else ""
    lines = ["## Lineage", "", f"- judge-v0 is the base model, `{one_line(settings.model.base)}`{revision}"]
    number = 1
    while (trained := run.conclusion(number, Trained)) is not None:
        lines.append(f"- {trained.judge}: {trained.trained_on} kept traces, started from {_start(trained)}")
        if trained.judge == judge.version:
            break
        number += 1
    source = one_line(settings.source.path or f"{settings.source.kind} scenes")
    train = settings.train
    how = "whole layers" if train.method == "full" else f"LoRA rank {train.rank}, alpha {train.alpha}"
    return [
        *lines,
        f"- images: {source}, without labels; prompt pack `{one_line(settings.prompt_pack)}`, whole in `prompts.yaml`",
        f"- {how}, {train.epochs:g} epochs, peak learning rate "
        f"{train.learning_rate:g}, batches of {train.batch_size}, seed {settings.loop.seed}",
    ]


def _start(trained: Trained) -> str:
    return str(trained.parent) if trained.start == "previous" else "the base model"
