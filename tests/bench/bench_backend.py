"""Tokens per second of our transformers backend against plain `generate`, in one process, on the same requests.

    python tests/bench/bench_backend.py [--model DIR] [--prompts 32] [--samples 8] [--tokens 64] [--repeats 3] [--json]

Without `--model` it takes the embedded model if it is there, else a random one of the same shape. The plain ways are
what one would write with transformers alone: `one by one` calls `generate` for every sample, `one prompt` for every
prompt with `num_return_sequences`, `batches of 32` for 32 sequences at a time (prompts × samples), and
`32 prompts` for 32 prompts at a time with `num_return_sequences`. Preparing the inputs is counted for all.
The ways take turns in every repeat, so that a busy machine slows all of them; tokens per second of CPU time, which
a busy machine changes less, stand beside those per second of the clock.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from engine.assets import assets_folder
from engine.backends.base import Message, Request, Sampling
from tests.tiny_models import save_scenes, save_tiny_llava

QUESTIONS = (
    "How many red circles are there in the picture?",
    "Describe the picture.",
    "Which response is better? Response A: A1: There are five things. A2: The top right has a big red circle. "
    "Response B: B1: There are five things. B2: The top right has a big green circle.",
    "Which response is better? Response A: A1: There are three things. A2: The middle has a small blue star. "
    "A3: The top left has a big white cross. Response B: B1: There are three things. B2: The middle has a small "
    "blue star. B3: The top left has a big black cross.",
)
"""Short and long ones, as the stages ask them."""


def make_requests(images: Sequence[Path], *, prompts: int, samples: int, tokens: int) -> list[Request]:
    """`prompts` requests over the images and questions in turn."""
    sampling = Sampling(temperature=1.0, top_p=1.0, max_tokens=tokens)
    return [
        Request(
            key=str(index),
            messages=(Message(role="user", text=QUESTIONS[index % len(QUESTIONS)]),),
            image=images[index % len(images)],
            n=samples,
            seed=index,
            sampling=sampling,
        )
        for index in range(prompts)
    ]


class Plain:
    """transformers alone."""

    def __init__(self, folder: Path) -> None:
        import transformers

        transformers.logging.disable_progress_bar()
        self._model: Any = transformers.AutoModelForImageTextToText.from_pretrained(folder).eval()
        self._processor: Any = transformers.AutoProcessor.from_pretrained(folder)
        self._processor.tokenizer.padding_side = "left"

    def run(self, requests: Sequence[Request], *, together: int, samples: int) -> int:
        """Tokens written with `together` prompts per call and `samples` sequences per prompt and call."""
        repeats = requests[0].n // samples
        prompts = [request for request in requests for _ in range(repeats)]
        return sum(self._call(prompts[start : start + together], samples) for start in range(0, len(prompts), together))

    def _call(self, requests: Sequence[Request], samples: int) -> int:
        import torch
        from PIL import Image

        texts = [self._rendered(request) for request in requests]
        images = [[Image.open(request.image).convert("RGB")] for request in requests if request.image]
        inputs = self._processor(text=texts, images=images, return_tensors="pt", padding=True)
        sampling = requests[0].sampling
        with torch.inference_mode():
            output = self._model.generate(
                **inputs,
                max_new_tokens=sampling.max_tokens,
                do_sample=True,
                temperature=sampling.temperature,
                top_k=0,
                num_return_sequences=samples,
            )
        written = output[:, inputs["input_ids"].shape[1] :]
        tokenizer = self._processor.tokenizer
        tokenizer.batch_decode(written, skip_special_tokens=True)
        return int(((written != tokenizer.eos_token_id) & (written != tokenizer.pad_token_id)).sum())

    def _rendered(self, request: Request) -> str:
        content = [{"type": "image"}, {"type": "text", "text": request.messages[0].text}]
        text: str = self._processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True
        )
        return text


@dataclass(frozen=True, slots=True)
class Rate:
    """Tokens per second of one run."""

    wall: float
    cpu: float


def timed(work: Callable[[], int]) -> Rate:
    """Run it once."""
    wall, cpu = time.perf_counter(), time.process_time()
    tokens = work()
    return Rate(tokens / (time.perf_counter() - wall), tokens / (time.process_time() - cpu))


def measure(folder: Path, requests: Sequence[Request], *, repeats: int, threads: int) -> dict[str, list[Rate]]:
    """The rates of every way, one per repeat; a first, smaller round warms up and is not counted."""
    from engine.backends.local.transformers import TransformersBackend

    backend = TransformersBackend(folder, threads=threads, device="cpu")
    plain = Plain(folder)
    samples = requests[0].n
    ways: dict[str, Callable[[Sequence[Request]], int]] = {
        "ours": lambda some: sum(completion.tokens for completion in backend.generate(some)),
        "one by one": lambda some: plain.run(some, together=1, samples=1),
        "one prompt": lambda some: plain.run(some, together=1, samples=samples),
        "batches of 32": lambda some: plain.run(some, together=max(1, 32 // samples), samples=samples),
        "32 prompts": lambda some: plain.run(some, together=32, samples=samples),
    }
    for work in ways.values():
        work(requests[:2])
    rates: dict[str, list[Rate]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, work in ways.items():
            rates[name].append(timed(lambda work=work: work(requests)))  # type: ignore[misc]
    return rates


def main() -> None:
    """Print the table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--prompts", type=int, default=32)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.model or assets_folder() / "shapes-vlm"
        if not (folder / "model.safetensors").is_file():
            folder = save_tiny_llava(Path(scratch) / "tiny-llava")
        images = save_scenes(Path(scratch) / "images", options.prompts)
        requests = make_requests(images, prompts=options.prompts, samples=options.samples, tokens=options.tokens)
        rates = measure(folder, requests, repeats=options.repeats, threads=options.threads)
    if options.json:
        figures = {name: [asdict(rate) for rate in each] for name, each in rates.items()}
        print(json.dumps({**vars(options), "model": str(folder), "rates": figures}, default=str))
        return
    print(f"{folder.name}: {options.prompts} image prompts x {options.samples} samples, {options.threads} thread(s)")
    print(f"{'':>14}  {'tokens/s':>9}  {'range':>15}  {'ours is':>8}  {'tokens/CPU s':>12}  {'ours is':>8}")
    ours = rates["ours"]
    for name, each in rates.items():
        walls = [rate.wall for rate in each]
        print(
            f"{name:>14}  {median(walls):>9.0f}  {min(walls):>6.0f} - {max(walls):<6.0f}  "
            f"{median(one.wall / other.wall for one, other in zip(ours, each, strict=True)):>7.1f}x  "
            f"{median(rate.cpu for rate in each):>12.0f}  "
            f"{median(one.cpu / other.cpu for one, other in zip(ours, each, strict=True)):>7.1f}x"
        )


if __name__ == "__main__":
    main()
