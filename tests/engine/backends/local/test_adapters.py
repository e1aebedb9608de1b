"""Judge versions on one base: both ways of keeping them give the same judge, and misfits are refused."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.backends.base import Message, Request, Sampling
from engine.backends.local.adapters import AdapterJudges, MergedJudges, judges_for
from engine.backends.local.transformers import TransformersBackend, load_model
from engine.errors import ModelError
from tests.tiny_models import save_tiny_adapter

KINDS = (MergedJudges, AdapterJudges)


@pytest.fixture(scope="module")
def base(models):
    return models / "llava"


@pytest.fixture(scope="module")
def adapters(base, tmp_path_factory):
    folder = tmp_path_factory.mktemp("adapters")
    return [save_tiny_adapter(base, folder / f"v{seed}", seed=seed, scale=0.2) for seed in (1, 2)]


def fresh(base, kind):
    model = load_model(str(base), device="cpu", dtype="auto", revision=None)
    return model, kind(model, str(base))


@torch.inference_mode()
def logits(model):
    return model(input_ids=torch.tensor([[10, 50, 90, 130]]), return_dict=True).logits


def as_peft_does(base, adapter):
    from peft import PeftModel

    model = load_model(str(base), device="cpu", dtype="auto", revision=None)
    return logits(PeftModel.from_pretrained(model, str(adapter)).eval())


@pytest.mark.parametrize("kind", KINDS)
def test_versions_answer_as_peft_alone_would_and_the_base_stays_exact(base, adapters, kind):
    model, judges = fresh(base, kind)
    before = logits(model)
    for number, adapter in enumerate(adapters, 1):
        judges.load(f"judge-v{number}", adapter)
        assert torch.equal(logits(model), before), "loading alone changes nothing"
    for judge in ("judge-v1", "judge-v2", "judge-v0", "judge-v2", "judge-v1", "judge-v0"):
        judges.activate(judge)
        expected = before if judge == "judge-v0" else as_peft_does(base, adapters[int(judge[-1]) - 1])
        assert (logits(model) - expected).abs().max() < 1e-4
    assert torch.equal(logits(model), before)


@pytest.mark.filterwarnings("ignore::UserWarning:peft")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "trained",
    [
        {"modules_to_save": ["lm_head"]},
        {"modules_to_save": ["embed_tokens"]},
        {"modules_to_save": ["lm_head", "embed_tokens"]},
        {"target_modules": ["q_proj", "lm_head"]},
        {"target_modules": ["q_proj", "embed_tokens"]},
        {"target_modules": ["q_proj", "lm_head"], "use_dora": True},
    ],
    ids=str,
)
def test_head_or_embeddings_trained_on_a_tied_base_count_as_peft_counts_them(base, tmp_path, kind, trained):
    from peft import LoraConfig, get_peft_model

    plain = load_model(str(base), device="cpu", dtype="auto", revision=None)
    assert plain.get_input_embeddings().weight is plain.get_output_embeddings().weight, "the base ties them"
    tuned = get_peft_model(plain, LoraConfig(**{"r": 2, "target_modules": r".*language_model.*q_proj", **trained}))
    for name, weight in tuned.named_parameters():
        if "modules_to_save" in name or "lora_B" in name or "embedding_B" in name:
            weight.data += 0.3 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(len(name)))
    tuned.save_pretrained(tmp_path / "saved")
    model, judges = fresh(base, kind)
    before = logits(model)
    judges.load("judge-v1", tmp_path / "saved")
    judges.activate("judge-v1")
    expected = as_peft_does(base, tmp_path / "saved")
    assert (expected - before).abs().max() > 0.1
    assert (logits(model) - expected).abs().max() < 1e-4
    judges.activate("judge-v0")
    assert torch.equal(logits(model), before)
    assert model.get_input_embeddings().weight is model.get_output_embeddings().weight or kind is AdapterJudges


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 42\n", "git-lfs pointer"),
        (b"", r"is empty \(0 bytes\)"),
        (None, "damaged or were not fetched whole"),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_adapter_that_was_not_fetched_whole_is_refused_in_a_sentence(base, adapters, tmp_path, kind, content, said):
    shutil.copytree(adapters[0], tmp_path / "cut")
    weights = tmp_path / "cut/adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:2000] if content is None else content)
    _, judges = fresh(base, kind)
    with pytest.raises(ModelError, match=said):
        judges.load("judge-v1", tmp_path / "cut")


def test_adapter_in_another_format_is_named(base, adapters, tmp_path):
    shutil.copytree(adapters[0], tmp_path / "old")
    (tmp_path / "old/adapter_model.safetensors").rename(tmp_path / "old/adapter_model.bin")
    _, judges = fresh(base, MergedJudges)
    with pytest.raises(ModelError, match=r"holds adapter_model\.bin .* save it as safetensors"):
        judges.load("judge-v1", tmp_path / "old")


@pytest.mark.parametrize("kind", KINDS)
def test_loading_while_another_version_is_in_force_keeps_it_in_force(base, adapters, kind):
    model, judges = fresh(base, kind)
    judges.load("judge-v1", adapters[0])
    judges.activate("judge-v1")
    judges.load("judge-v2", adapters[1])
    judges.activate("judge-v1")
    assert (logits(model) - as_peft_does(base, adapters[0])).abs().max() < 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_version_is_refused_by_name(base, adapters, kind):
    _, judges = fresh(base, kind)
    judges.load("judge-v1", adapters[0])
    with pytest.raises(ModelError, match=r"judge 'judge-v7': is not loaded \(loaded: judge-v0, judge-v1\)"):
        judges.activate("judge-v7")


@pytest.mark.parametrize("kind", KINDS)
def test_a_name_stands_for_one_folder(base, adapters, kind):
    _, judges = fresh(base, kind)
    judges.load("judge-v1", adapters[0])
    judges.load("judge-v1", adapters[0] / ".." / adapters[0].name)
    with pytest.raises(ModelError, match="already stands for"):
        judges.load("judge-v1", adapters[1])
    with pytest.raises(ModelError, match="is the base model itself"):
        judges.load("judge-v0", adapters[0])


@pytest.mark.parametrize("kind", KINDS)
def test_an_adapter_of_another_base_is_refused_and_nothing_changes(models, base, adapters, tmp_path, kind):
    model, judges = fresh(base, kind)
    before = logits(model)
    judges.load("judge-v1", adapters[0])
    with pytest.raises(ModelError, match=r"trained on '.*gemma3'"):
        judges.load("judge-v2", save_tiny_adapter(models / "gemma3", tmp_path / "other"))
    # The same name of the base, but weights of another shape: a changed model under an old name.
    misfit = tmp_path / "misfit"
    save_tiny_adapter(base, misfit)
    weights = load_file(misfit / "adapter_model.safetensors")
    save_file(
        {name: weight[..., : weight.shape[-1] // 2].contiguous() for name, weight in weights.items()},
        misfit / "adapter_model.safetensors",
    )
    with pytest.raises(ModelError, match="not an adapter of the base"):
        judges.load("judge-v3", misfit)
    renamed = {name.replace("layers.0.", "layers.9."): weight for name, weight in weights.items()}
    save_file(renamed, misfit / "adapter_model.safetensors")
    with pytest.raises(ModelError, match="does not fit"):
        judges.load("judge-v4", misfit)
    judges.activate("judge-v0")
    assert torch.equal(logits(model), before)
    judges.activate("judge-v1")
    assert (logits(model) - as_peft_does(base, adapters[0])).abs().max() < 1e-4


def test_a_folder_that_is_no_adapter_is_refused(base, tmp_path):
    _, judges = fresh(base, MergedJudges)
    with pytest.raises(ModelError, match="no PEFT adapter"):
        judges.load("judge-v1", tmp_path)
    (tmp_path / "adapter_config.json").write_text("{")
    with pytest.raises(ModelError, match="no PEFT adapter"):
        judges.load("judge-v1", tmp_path)


def test_a_base_that_moved_is_still_the_base(base, adapters, tmp_path):
    moved = tmp_path / "elsewhere" / base.name
    moved.parent.mkdir()
    moved.symlink_to(base)
    model = load_model(str(moved), device="cpu", dtype="auto", revision=None)
    judges_for(model, base_name=str(moved)).load("judge-v1", adapters[0])


@pytest.mark.parametrize("kind", KINDS)
def test_an_adapter_on_the_eyes_is_known_to_see_otherwise(base, adapters, tmp_path, kind):
    from peft import LoraConfig, get_peft_model

    _, judges = fresh(base, kind)
    tuned = get_peft_model(
        load_model(str(base), device="cpu", dtype="auto", revision=None),
        LoraConfig(r=2, target_modules=r".*vision_tower.*q_proj", init_lora_weights=False),
    )
    tuned.save_pretrained(tmp_path / "eyes")
    judges.load("judge-v1", adapters[0])
    judges.load("judge-v2", tmp_path / "eyes")
    assert [judges.changes_eyes(f"judge-v{number}") for number in range(3)] == [False, False, True]


def test_versions_mix_in_one_call_and_answer_as_they_do_alone(base, adapters, scenes):
    backend = TransformersBackend(base, device="cpu")
    for number, adapter in enumerate(adapters, 1):
        backend.load_judge(f"judge-v{number}", adapter)

    def ask(judge, image):
        return Request(
            key=f"{judge} {image}",
            messages=(Message(role="user", text="Which?"),),
            image=scenes[image],
            judge=judge,
            n=2,
            sampling=Sampling(temperature=1.0, max_tokens=12),
        )

    requests = [ask(f"judge-v{number % 3}", number % 5) for number in range(15)]
    together = {(found.key, found.sample): found for found in backend.generate(requests)}
    assert len(together) == 30
    for request in requests:
        for found in backend.generate([request]):
            assert together[found.key, found.sample] == found
    texts = {together[f"judge-v{number} 0", 0].text for number in range(3) if (f"judge-v{number} 0", 0) in together}
    assert len(texts) == len({request.judge for request in requests if request.image == scenes[0]})
    with pytest.raises(ModelError, match="is not loaded"):
        list(backend.generate([ask("judge-v9", 0)]))


def test_large_models_keep_adapters_apart(base, monkeypatch):
    model = load_model(str(base), device="cpu", dtype="auto", revision=None)
    assert isinstance(judges_for(model, base_name="x"), MergedJudges)
    monkeypatch.setattr("engine.backends.local.adapters._SMALL", 1000)
    assert isinstance(judges_for(model, base_name="x"), AdapterJudges)


def test_an_adapter_without_a_named_base_is_judged_by_its_weights(base, adapters, tmp_path):
    nameless = tmp_path / "nameless"
    nameless.mkdir()
    for file in adapters[0].iterdir():
        if file.is_file():
            (nameless / file.name).write_bytes(file.read_bytes())
    config = json.loads((nameless / "adapter_config.json").read_text())
    (nameless / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": None}))
    _, judges = fresh(base, MergedJudges)
    judges.load("judge-v1", nameless)
