"""Every family through the whole of what a run asks of a model: one test, tiny random models made on the spot.

Qwen's and SmolVLM's own processors need torchvision; where it cannot be imported Qwen2-VL stands behind a processor of
the tests, without training (which reads the processor from the folder).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from engine.backends.base import Message, Request, Sampling
from engine.backends.local.transformers import TransformersBackend, load_model
from engine.config import TrainSettings, parse_settings
from engine.errors import TrainingError
from engine.export.judge import export_judge
from engine.judging.adapter_check import CHOICES, check_adapter
from engine.judging.judges import resolve_judge
from engine.prompts import load_pack
from engine.stages.train.lora import adapted
from engine.stages.train.stage import train
from engine.workspace.folders import open_workspace
from tests.engine.stages.train.test_stage import PAIRS_BY_ID, TRACES
from tests.stage_bench import StageBench
from tests.tiny_models import (
    save_scenes,
    save_tiny_gemma3,
    save_tiny_idefics3,
    save_tiny_llava,
    save_tiny_mllama,
)

MAKERS: dict[str, Callable[[Path], Path]] = {
    "llava": lambda folder: save_tiny_llava(folder, width=64, vision_layers=1, layers=2),
    "gemma3": save_tiny_gemma3,
    "idefics3": save_tiny_idefics3,
    "mllama": save_tiny_mllama,
}


@dataclass(frozen=True, slots=True)
class Family:
    """One family's model with what the steps need."""

    name: str
    base: Path
    scenes: list[Path]
    backend: TransformersBackend


def save_adapter(base: Path, folder: Path, *, seed: int = 0, scale: float = 0.3) -> Path:
    """A LoRA of random weights on the layers that a run would train."""
    torch.manual_seed(seed)
    tuned = adapted(
        load_model(str(base), device="cpu", dtype="float32", revision=None), TrainSettings(rank=4), parent=None
    )
    with torch.no_grad():
        for name, weight in tuned.named_parameters():
            if "lora_B" in name:
                weight.normal_(0.0, scale)
    tuned.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=sorted(MAKERS))
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Family:
    folder = tmp_path_factory.mktemp(request.param)
    base = MAKERS[request.param](folder / "model")
    backend = TransformersBackend(base, device="cpu")
    for number in (1, 2):
        backend.load_judge(f"judge-v{number}", save_adapter(base, folder / f"v{number}", seed=number))
    return Family(request.param, base, save_scenes(folder / "scenes", 5), backend)


def ask(number: int, family: Family, *, judge: str = "judge-v0", picture: int | None = None) -> Request:
    return Request(
        key=str(number),
        messages=(Message(role="user", text=f"What is here, {'again ' * (number % 3)}please?"),),
        image=family.scenes[number % 5 if picture is None else picture],
        n=2,
        sampling=Sampling(temperature=1.0, max_tokens=8),
        seed=number,
        judge=judge,
    )


def replies(family: Family, requests: list[Request]) -> dict[tuple[str, int], str]:
    return {(one.key, one.sample): one.text for one in family.backend.generate(requests)}


def odds(family: Family, request: Request) -> float:
    (found,) = family.backend.generate([replace(request, choices=CHOICES, n=1)])
    return found.choice_probabilities[0]


def test_many_samples_of_many_prompts_and_versions_in_one_call_are_those_asked_alone(family: Family) -> None:
    requests = [ask(number, family, judge=f"judge-v{number % 3}") for number in range(6)]
    together = replies(family, requests)
    alone = {key: text for request in requests for key, text in replies(family, [request]).items()}
    assert together == alone
    assert len(together) == 12


def test_each_prompt_is_answered_about_its_own_picture_and_by_its_own_version(family: Family) -> None:
    first, second = (odds(family, ask(0, family, picture=picture)) for picture in (0, 1))
    mixed = [replace(ask(0, family, picture=picture), key=str(picture), choices=CHOICES, n=1) for picture in (1, 0)]
    found = {one.key: one.choice_probabilities[0] for one in family.backend.generate(mixed)}
    assert (found["0"], found["1"]) == pytest.approx((first, second), abs=1e-5)
    assert first != second, "the picture matters"
    versions = {odds(family, ask(0, family, judge=f"judge-v{number}")) for number in range(3)}
    assert len(versions) == 3, "each version has an opinion of its own"


def test_one_step_of_training_gives_a_version_that_loads_differs_and_merges(family: Family, tmp_path: Path) -> None:
    run = open_workspace(tmp_path).run("trial")
    run.folder.mkdir(parents=True)
    settings = parse_settings(
        {
            "model": {"base": str(family.base), "device": "cpu", "prompts": "shapes"},
            "train": {"max_steps": 1, "batch_size": 4, "micro_batch_size": 2, "rank": 4, "learning_rate": 0.05},
        },
        where="test",
    )
    images = {f"image-{number}": scene for number, scene in enumerate(family.scenes)}
    bench = StageBench(run).stands(settings=settings, pack=load_pack("shapes"), images=images)
    train(bench, TRACES, PAIRS_BY_ID, parent_adapter=None)
    family.backend.load_judge("trained", run.adapter(1))
    probes = [replace(ask(number, family), n=1, choices=CHOICES) for number in range(4)]
    assert check_adapter(backend=family.backend, judge="trained", parent="judge-v0", probes=probes).largest > 0
    judge = resolve_judge(str(run.adapter(1)), run.workspace)
    merged = TransformersBackend(export_judge(judge, tmp_path / "merged", merged=True), device="cpu")
    (there,) = merged.generate([probes[0]])
    assert there.choice_probabilities[0] == pytest.approx(odds(family, replace(probes[0], judge="trained")), abs=1e-4)
    merged.close()


def test_adapter_that_changes_nothing_fails_the_check(family: Family, tmp_path: Path) -> None:
    family.backend.load_judge("idle", save_adapter(family.base, tmp_path / "idle", scale=0.0))
    probes = [replace(ask(number, family), n=1, choices=CHOICES) for number in range(4)]
    with pytest.raises(TrainingError, match="adapter without effect"):
        check_adapter(backend=family.backend, judge="idle", parent="judge-v0", probes=probes)


def test_odds_of_choices_are_those_of_the_models_own_forward(family: Family) -> None:
    request = replace(ask(3, family), n=1)
    a, b = (family.backend.encoder.ids_of(choice) for choice in CHOICES)
    from engine.backends.local.chat import ImageSlot

    prompt = family.backend.encoder.encode(request, slot := ImageSlot(path=family.scenes[3]))
    log_odds = []
    for ids in (a, b):
        whole = torch.cat([prompt.ids_1T, torch.tensor([ids])], 1)
        along = {name: torch.cat([value, value[:, -1:].expand(1, len(ids), *value.shape[2:])], 1)
                 for name, value in prompt.text_inputs.items()}  # fmt: skip
        with torch.inference_mode():
            logits = (
                family.backend.model(input_ids=whole, attention_mask=torch.ones_like(whole), **along, **slot.inputs)
                .logits[0]
                .float()
            )
        chances = torch.log_softmax(logits, -1)
        log_odds.append(sum(float(chances[prompt.length - 1 + place, token]) for place, token in enumerate(ids)))
    expected = torch.softmax(torch.tensor(log_odds), 0)[0].item()
    assert odds(family, request) == pytest.approx(expected, abs=1e-4)
