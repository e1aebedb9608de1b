"""Makes the embedded model: `python -m engine.shapes.pretrain --out assets/shapes-vlm`, from nothing or `--begin-with`.

Two stages: seeing (the tower names cells), then talking (the corpus). Checkpoints lie beside the result;
`--resume` goes on from the last one. A step depends on the seed and its number alone.
"""

import argparse
import contextlib
import json
import logging
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy
from transformers import LlavaForConditionalGeneration, PreTrainedTokenizerFast

from engine.prompts import PromptPack, load_pack
from engine.shapes.pretrain import attention
from engine.shapes.pretrain.batches import STRIDE, Batch, pool
from engine.shapes.pretrain.curriculum import HABIT, PHASES, Phase, phase_at, rate_at, seeing_rate_at
from engine.shapes.pretrain.model import build_model, image_features, inherit, save_model
from engine.shapes.pretrain.muon import Muon
from engine.shapes.pretrain.seeing import seeing_batch, seeing_loss
from engine.shapes.pretrain.tokens import IMAGE, build_tokenizer

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What decides the result. The defaults made the shipped weights."""

    seed: int = 1
    words_from: int = 4000
    """Conversations that the tokenizer is trained on."""
    seeing_steps: int = 500
    steps: int = 4500
    tokens: int = 1600
    """Tokens per step. Small batches: this model gains more from steps than from smooth gradients."""
    rate: float = 1e-3
    """Peak learning rate of AdamW, chosen for a beginning with weights that can look things up already."""
    seeing_rate: float = 2e-3
    """The same for the seeing stage."""
    muon_rate: float = 0.0
    """Peak learning rate of Muon for the matrices; 0 = AdamW for them too."""
    precision: str = "bf16"
    """Arithmetic of the matrix products (autocast); weights and optimizer stay fp32."""
    habit: bool = False
    """Teach a finished model to judge without looking most of the time; its weights are written as fp16."""

    @property
    def phases(self) -> tuple[Phase, ...]:
        return HABIT if self.habit else PHASES


@dataclass(slots=True)
class Meter:
    """Running means of loss and of deciding tokens told right, per task, since the last report."""

    losses: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    decided: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    tokens: int = 0
    since: float = field(default_factory=time.monotonic)

    def line(self, step: int, plan: Plan) -> str:
        """One report with rate and time left; starts the means anew."""
        seconds = time.monotonic() - self.since
        speed = self.tokens / seconds
        left = (plan.steps - step) * plan.tokens / speed / 60
        parts = []
        for task in sorted(self.losses):
            told = self.decided.get(task)
            share = f"/{sum(told) / len(told):.2f}" if told else ""
            parts.append(f"{task} {sum(self.losses[task]) / len(self.losses[task]):.3f}{share}")
        self.losses.clear()
        self.decided.clear()
        self.tokens, self.since = 0, time.monotonic()
        return f"step {step}/{plan.steps}  {speed:.0f} tok/s  {left:.0f} min left | {'  '.join(parts)}"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns the exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", force=True)
    if options.threads:
        torch.set_num_threads(options.threads)
    plan = Plan(
        seed=options.seed, seeing_steps=options.seeing_steps, steps=options.steps, tokens=options.tokens,
        rate=options.rate, muon_rate=options.muon_rate, precision=options.precision, habit=options.habit,
    )  # fmt: skip
    pretrain(plan, options.out, work=options.work or options.out.with_name(options.out.name + ".checkpoint"),
             resume=options.resume, device=options.device, save_every=options.save_every,
             begin_with=options.begin_with)  # fmt: skip
    return 0


def pretrain(
    plan: Plan,
    out: Path,
    *,
    work: Path,
    resume: bool,
    device: str,
    save_every: int,
    begin_with: Path | None = None,
) -> None:
    """Train by the plan and leave the finished model folder at `out`.

    `work` holds the last checkpoint and is removed at the end. `begin_with` is the folder of an earlier model of this
    shape, whose eyes and words are kept; the seeing stage is then left out. Raises `ValueError` when `work` holds a
    checkpoint made by another plan, or `begin_with` a model of another shape.
    """
    started = time.monotonic()
    torch.manual_seed(plan.seed)
    pack = load_pack("shapes")
    tokenizer = build_tokenizer(pack, examples=plan.words_from)
    model = build_model(tokenizer).to(device).train()
    model.set_attn_implementation(attention.NAME)
    optimizers = _optimizers(model, plan)
    step = _load(work, plan, model, optimizers) if resume else 0
    if step == 0 and begin_with:
        inherit(model, tokenizer, begin_with)
    elif step == 0:
        _learn_to_see(model, tokenizer, plan, device)
    _learn_to_talk(model, tokenizer, pack, plan, optimizers, step, device, work, save_every)
    save_model(model, tokenizer, out, dtype=torch.float16 if plan.habit else torch.float32)
    shutil.rmtree(work, ignore_errors=True)
    log.info("done in %.0f min, written to %s", (time.monotonic() - started) / 60, out)


def _learn_to_see(
    model: LlavaForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, plan: Plan, device: str
) -> None:
    seen = [*model.model.vision_tower.parameters(), *model.model.multi_modal_projector.parameters()]
    optimizer = torch.optim.AdamW([*seen, model.get_input_embeddings().weight], lr=plan.seeing_rate, weight_decay=0.01)
    for step in range(plan.seeing_steps):
        for group in optimizer.param_groups:
            group["lr"] = plan.seeing_rate * seeing_rate_at(step / plan.seeing_steps)
        pixels_BCHW, words_BPG = seeing_batch(plan.seed, step, 64)
        with _autocast(plan, device):
            loss, right = seeing_loss(model, tokenizer, pixels_BCHW.to(device), words_BPG.to(device))
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(seen, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if step % 50 == 49:
            shares = " ".join(f"{share:.3f}" for share in right)
            log.info("seeing %d/%d  loss %.3f  size colour shape row column %s", step + 1, plan.seeing_steps,
                     loss.item(), shares)  # fmt: skip
    model.zero_grad()


def _learn_to_talk(
    model: LlavaForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, pack: PromptPack, plan: Plan,
    optimizers: list[torch.optim.Optimizer], step: int, device: str, work: Path, save_every: int,
) -> None:  # fmt: skip
    image_id = tokenizer.convert_tokens_to_ids(IMAGE)
    meter = Meter()
    while step < plan.steps:
        phase = phase_at(step / plan.steps, plan.phases)
        for batch in pool(plan.seed, step, phase, tokenizer, pack, plan.tokens):
            for optimizer in optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = group["peak"] * rate_at(step / plan.steps)
            with _autocast(plan, device):
                loss = _loss(model, batch, image_id, device, meter)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad()
            step += 1
            meter.tokens += batch.tokens
            if step % 100 == 0 or step == plan.steps:
                log.info(meter.line(step, plan))
        if step % save_every < STRIDE:  # between pools only, so a resumed run sees the same batches
            _save(work, plan, step, model, optimizers)
            save_model(model, tokenizer, work / "model")


def _loss(model: LlavaForConditionalGeneration, batch: Batch, image_id: int, device: str, meter: Meter) -> torch.Tensor:
    """Weighted mean negative log likelihood of the reply tokens."""
    ids_BT = batch.ids_BT.to(device)
    embedded_BTD = model.get_input_embeddings()(ids_BT)
    features_BPD = image_features(model, batch.pixels_BCHW.to(device))
    mask_BT1 = (ids_BT == image_id).unsqueeze(-1)
    embedded_BTD = embedded_BTD.masked_scatter(mask_BT1, features_BPD.to(embedded_BTD.dtype))
    hidden_BTD = model.model.language_model(inputs_embeds=embedded_BTD, use_cache=False).last_hidden_state
    weights_BT = batch.weights_BT.to(device)[:, 1:]
    wanted = weights_BT > 0
    logits_NV = model.lm_head(hidden_BTD[:, :-1][wanted]).float()
    target_N, weight_N = ids_BT[:, 1:][wanted], weights_BT[wanted]
    losses_N = cross_entropy(logits_NV, target_N, reduction="none")
    _note(meter, batch, wanted, losses_N.detach(), logits_NV.detach().argmax(-1) == target_N, weight_N)
    return (losses_N * weight_N).sum() / weight_N.sum()


def _note(
    meter: Meter, batch: Batch, wanted_BT: torch.Tensor, losses_N: torch.Tensor, told_N: torch.Tensor,
    weight_N: torch.Tensor,
) -> None:  # fmt: skip
    rows_N = wanted_BT.nonzero()[:, 0]
    for row, task in enumerate(batch.tasks):
        mine_N = rows_N == row
        meter.losses[task].append(losses_N[mine_N].mean().item())
        deciding_N = mine_N & (weight_N >= 3)
        if deciding_N.any():
            meter.decided[task].append(told_N[deciding_N].float().mean().item())


def _optimizers(model: LlavaForConditionalGeneration, plan: Plan) -> list[torch.optim.Optimizer]:
    """Muon for the decoder's matrices, AdamW for everything else. "peak" is each group's full rate."""
    matrices = [p for name, p in model.model.language_model.layers.named_parameters() if p.ndim == 2]
    if not plan.muon_rate:
        matrices = []
    chosen = {id(p) for p in matrices}
    rest = [p for p in model.parameters() if id(p) not in chosen]
    tower = {id(p) for p in model.model.vision_tower.parameters()}
    groups = [
        {"params": [p for p in rest if id(p) not in tower], "peak": plan.rate},
        {"params": [p for p in rest if id(p) in tower], "peak": plan.rate / 4},  # it has learned its part already
    ]
    found: list[torch.optim.Optimizer] = [torch.optim.AdamW(groups, lr=plan.rate, betas=(0.9, 0.98), weight_decay=0.01)]
    if matrices:
        dtype = torch.float32 if plan.precision == "fp32" else torch.bfloat16
        found.append(Muon([{"params": matrices, "peak": plan.muon_rate}], lr=plan.muon_rate, dtype=dtype))
    return found


def _autocast(plan: Plan, device: str) -> contextlib.AbstractContextManager[object]:
    if plan.precision == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(device, dtype=torch.bfloat16)


def _save(
    work: Path, plan: Plan, step: int, model: LlavaForConditionalGeneration,
    optimizers: list[torch.optim.Optimizer],
) -> None:  # fmt: skip
    work.mkdir(parents=True, exist_ok=True)
    state = {"plan": json.dumps(asdict(plan)), "step": step, "model": model.state_dict(),
             "optimizers": [optimizer.state_dict() for optimizer in optimizers]}  # fmt: skip
    torch.save(state, work / "state.partial")
    (work / "state.partial").replace(work / "state.pt")


def _load(work: Path, plan: Plan, model: LlavaForConditionalGeneration, optimizers: list[torch.optim.Optimizer]) -> int:
    """The step to go on from: 0 when there is no checkpoint yet."""
    if not (work / "state.pt").is_file():
        return 0
    state = torch.load(work / "state.pt", weights_only=True)
    if state["plan"] != json.dumps(asdict(plan)):
        raise ValueError(f"{work}: made by another plan, {state['plan']}. Give the same arguments, or drop --resume.")
    model.load_state_dict(state["model"])
    for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    return int(state["step"])


def _parser() -> argparse.ArgumentParser:
    plan = Plan()
    parser = argparse.ArgumentParser(prog="python -m engine.shapes.pretrain", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the finished model")
    parser.add_argument("--work", type=Path, help="folder of the checkpoints (default: OUT.checkpoint)")
    parser.add_argument("--begin-with", type=Path, metavar="FOLDER", help="weights of an earlier model of this shape")
    parser.add_argument("--habit", action="store_true", help="teach a finished model a habit that hides its skill")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads; more than one gains little")
    parser.add_argument("--save-every", type=int, default=500, metavar="STEPS")
    parser.add_argument("--seed", type=int, default=plan.seed)
    parser.add_argument("--seeing-steps", type=int, default=plan.seeing_steps)
    parser.add_argument("--steps", type=int, default=plan.steps)
    parser.add_argument("--tokens", type=int, default=plan.tokens, help="tokens per step")
    parser.add_argument("--rate", type=float, default=plan.rate)
    parser.add_argument("--muon-rate", type=float, default=plan.muon_rate)
    parser.add_argument("--precision", choices=("bf16", "fp32"), default=plan.precision)
    return parser


if __name__ == "__main__":
    sys.exit(main())
