"""Generation and training of a large model through the engine's own classes, with random weights: speed and memory.

    python tests/gpu/measure.py full [OUT.jsonl]     a Qwen3-VL of 8B shape; one GPU of 80 GB, ten minutes
    python tests/gpu/measure.py tiny                 the same steps on a CPU, to see that they run

Prints one JSON object a section as it ends, so that a kill keeps what was measured. Needs nothing but the project's
own packages; no weights are fetched.
"""

import gc
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from engine.backends.base import Request, Sampling  # noqa: E402
from engine.backends.local import transformers as local  # noqa: E402
from engine.config import ModelSettings, TrainSettings, load_settings  # noqa: E402
from engine.errors import TrainingError  # noqa: E402
from engine.prompts import judge_messages, load_pack  # noqa: E402
from engine.runs.costs import memory_needed  # noqa: E402
from engine.stages.train import fit  # noqa: E402
from engine.stages.train.job import TrainingJob  # noqa: E402
from engine.workspace.folders import StageFolder  # noqa: E402
from tests.tiny_models import eyes_only_qwen_processor, save_tiny_llava, save_tiny_qwen2_vl  # noqa: E402

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
WORDS = "the picture has a big red circle in top left and a small green star near bottom right".split()  # noqa: SIM905
SIZES = {"full": (32, 8, 256, 1024, 48), "tiny": (4, 2, 8, 64, 8)}
"""Prompts, samples, tokens of a reply, pixels of a picture's side, rows of the training set."""


class Report:
    """Lines of JSON, printed and kept."""

    def __init__(self, out: Path | None) -> None:
        self._out = out

    def say(self, section: str, **what: Any) -> None:
        line = json.dumps({"section": section, "device": DEVICE, **what})
        print(line, flush=True)
        if self._out is not None:
            with self._out.open("a") as file:
                file.write(line + "\n")


@contextmanager
def clock() -> Iterator[list[float]]:
    """The seconds of the block, GPU work included, in the list once it has ended."""
    seconds: list[float] = []
    if DEVICE == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    began = time.perf_counter()
    yield seconds
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    seconds.append(time.perf_counter() - began)


def peak_gib() -> float | None:
    return round(torch.cuda.max_memory_allocated() / 2**30, 2) if DEVICE == "cuda" else None


def matmul_teraflops() -> float:
    """What the device reaches in bf16, the rate that MFU is measured against."""
    side = 8192 if DEVICE == "cuda" else 512
    dtype = torch.bfloat16 if DEVICE == "cuda" else torch.float32
    a = torch.randn(side, side, device=DEVICE, dtype=dtype)
    b = torch.randn_like(a)
    a @ b
    with clock() as seconds:
        for _ in range(10):
            a @ b
    return 10 * 2 * side**3 / seconds[0] / 1e12


def build(folder: Path, size: str) -> int:
    """Save a random model; its number of weights. Qwen's processor needs torchvision: the tests' own stands in."""
    if size == "tiny":
        save_tiny_llava(folder, width=64, vision_layers=1, layers=2)
        return sum(path.stat().st_size for path in folder.glob("*.safetensors")) // 4
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

    save_tiny_qwen2_vl(folder)  # its tokenizer and template
    tokenizer = eyes_only_qwen_processor(folder).tokenizer
    ids = {name: tokenizer.convert_tokens_to_ids(f"<|{name}|>") for name in
           ("image_pad", "video_pad", "vision_start", "vision_end")}  # fmt: skip
    rope = {"rope_type": "default", "rope_theta": 5e6, "mrope_section": [24, 20, 20], "mrope_interleaved": True}
    config = Qwen3VLConfig(
        text_config={
            "vocab_size": 151936, "hidden_size": 4096, "intermediate_size": 12288, "num_hidden_layers": 36,
            "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "max_position_embeddings": 32768,
            "rope_parameters": rope, "bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id,
        },
        vision_config={
            "depth": 27, "hidden_size": 1152, "intermediate_size": 4304, "num_heads": 16, "patch_size": 16,
            "out_hidden_size": 4096, "deepstack_visual_indexes": [8, 16, 24],
        },
        image_token_id=ids["image_pad"], video_token_id=ids["video_pad"],
        vision_start_token_id=ids["vision_start"], vision_end_token_id=ids["vision_end"],
    )  # fmt: skip
    for path in folder.glob("*.safetensors"):
        path.unlink()
    with torch.device(DEVICE):
        torch.set_default_dtype(torch.bfloat16)
        model = Qwen3VLForConditionalGeneration(config)
        torch.set_default_dtype(torch.float32)
    count = sum(weight.numel() for weight in model.parameters())
    model.save_pretrained(folder, max_shard_size="4GB")
    return count


def words(count: int, seed: int) -> str:
    dice = random.Random(seed)
    return " ".join(dice.choice(WORDS) for _ in range(count))


def pictures(folder: Path, count: int, side: int) -> list[Path]:
    from PIL import Image

    dice = random.Random(0)
    paths = []
    for number in range(count):
        small = Image.frombytes("RGB", (32, 32), dice.randbytes(3 * 32 * 32))
        paths.append(folder / f"picture-{number}.jpg")
        small.resize((side, side), Image.Resampling.BICUBIC).save(paths[-1], quality=90)
    return paths


def asked(paths: Sequence[Path], samples: int, tokens: int) -> list[Request]:
    pack = load_pack("default")
    return [
        Request(
            key=str(number),
            messages=judge_messages(pack, words(12, number), words(80, number + 1), words(80, number + 2)),
            image=path,
            n=samples,
            seed=number,
            sampling=Sampling(temperature=1.0, max_tokens=tokens),
        )
        for number, path in enumerate(paths)
    ]


def measure_generation(report: Report, folder: Path, size: str) -> None:
    prompts, samples, tokens, side, _ = SIZES[size]
    processor = eyes_only_qwen_processor(folder) if size == "full" else None
    with clock() as load:
        backend = local.TransformersBackend(folder, device=DEVICE, processor=processor)
    paths = pictures(folder.parent, prompts, side)
    list(backend.generate(asked(paths[:2], 2, 8)))
    for times in (1, 2):
        with clock() as seconds:
            done = list(backend.generate(asked(paths, samples * times, tokens)))
        written = sum(one.tokens for one in done)
        report.say(
            "generate", load_seconds=round(load[0], 1), prompts=prompts, samples=samples * times, tokens=written,
            tokens_per_s=round(written / seconds[0], 1), peak_gib=peak_gib(), how=backend.how(),
        )  # fmt: skip
    backend.close()
    gc.collect()
    if DEVICE == "cuda":
        torch.cuda.empty_cache()
        report.say("left on the card", gib=round(torch.cuda.memory_allocated() / 2**30, 3))


TRAINED = {
    "as it is": (True, torch.float32),
    "adapter in bf16": (True, torch.bfloat16),
    "nothing computed twice": (False, torch.float32),
    "both": (False, torch.bfloat16),
}
"""Ways to train: whether activations are computed again on the way back (as the trainer decides), and the number format
of the adapter. Where memory does not last, the report says so."""


def measure_training(report: Report, folder: Path, size: str, weights: int, ceiling: float) -> None:
    for way in TRAINED:
        try:
            _measure_training(report, folder, size, weights, ceiling, way)
        except (torch.OutOfMemoryError, TrainingError) as error:
            report.say("train", way=way, error=str(error)[:200])
        gc.collect()
        if DEVICE == "cuda":
            torch.cuda.empty_cache()


def _measure_training(report: Report, folder: Path, size: str, weights: int, ceiling: float, way: str) -> None:
    from transformers import TrainerCallback

    recomputes, dtype = TRAINED[way]
    _, _, _, side, rows_count = SIZES[size]
    paths = pictures(folder.parent, rows_count // 3 + 1, side)
    pack = load_pack("default")
    rows = []
    for number in range(rows_count):
        messages = judge_messages(pack, words(12, number), words(80, number + 1), words(80, number + 2))
        rows.append(
            {
                "images": [str(paths[number % len(paths)])],
                "prompt": [{"role": one.role, "text": one.text} for one in messages],
                "completion": words(90, number + 3) + " Verdict: [[A]]",
                "length": sum(len(one.text) for one in messages), "probe": False, "trace_id": str(number), "change": "",
            }
        )  # fmt: skip
    steps: list[float] = []

    class Watch(TrainerCallback):  # type: ignore[misc]
        """Seconds of each step."""

        def on_step_begin(self, *_: Any, **__: Any) -> None:
            self.began = time.perf_counter()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            if DEVICE == "cuda":
                torch.cuda.synchronize()
            steps.append(time.perf_counter() - self.began)

    micro = 4 if size == "full" else 2
    settings = TrainSettings(epochs=3, batch_size=4 * micro, micro_batch_size=micro, rank=16, learning_rate=1e-4)
    if size == "full":
        fit.load_processor = lambda _name, revision=None: eyes_only_qwen_processor(folder)  # noqa: ARG005
    job = TrainingJob(
        folder=StageFolder(folder.parent / f"work {way}", "measure", 1), rows=rows, train=settings,
        model=ModelSettings(base=str(folder), device=DEVICE), parent_adapter=None, seed=0,
    )  # fmt: skip
    trainer = fit._trainer(job, Watch())
    if not recomputes and trainer.args.gradient_checkpointing:
        trainer.args.gradient_checkpointing = False
        trainer.model.gradient_checkpointing_disable()  # TRL has switched it on already
    for weight in trainer.model.parameters():
        if weight.requires_grad:
            weight.data = weight.data.to(dtype)
    tokens = sum(int(trainer.data_collator(rows[at : at + micro])["attention_mask"].sum())
                 for at in range(0, rows_count, micro)) / rows_count  # fmt: skip
    with clock():
        trainer.train()
    median = sorted(steps)[len(steps) // 2]
    a_step = tokens * settings.batch_size
    plan = load_settings(preset="qwen3-vl-8b", overrides={"train.micro_batch_size": micro})
    report.say(
        "train", way=way, step_seconds=[round(one, 2) for one in steps], tokens_per_step=round(a_step),
        tokens_per_s=round(a_step / median), mfu=round(4 * weights * a_step / median / 1e12 / ceiling, 3),
        workers=trainer.args.dataloader_num_workers, recomputes=trainer.args.gradient_checkpointing,
        peak_gib=peak_gib(), planned_gb=round(memory_needed(plan, weights / 1e9), 1),
    )  # fmt: skip


def main() -> None:
    """All sections."""
    size = sys.argv[1] if len(sys.argv) > 1 else "tiny"
    report = Report(Path(sys.argv[2]) if len(sys.argv) > 2 else None)
    ceiling = matmul_teraflops()
    report.say("ceiling", matmul_tflops=round(ceiling, 2), torch=torch.__version__)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        weights = build(folder, size)
        report.say("model", weights=weights)
        measure_generation(report, folder, size)
        measure_training(report, folder, size, weights, ceiling)


if __name__ == "__main__":
    main()
