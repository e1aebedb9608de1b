"""The in-process backend as stages see it: replies, samples, streams, choices, refusals, for several families."""

import math
from dataclasses import replace

import pytest
import torch

from engine.backends.base import Message, Request, Sampling
from engine.backends.local.chat import ImageSlot
from engine.backends.local.transformers import TransformersBackend
from engine.errors import BackendError, ModelError
from tests.tiny_models import eyes_only_qwen_processor, save_tiny_text_model

FAMILIES = ("llava", "gemma3", "mllama", "qwen2_vl")
DRAWN = Sampling(temperature=1.0, top_k=40, top_p=0.95, max_tokens=16)


def load(models, family, **options):
    processor = eyes_only_qwen_processor(models / family) if family == "qwen2_vl" else None
    return TransformersBackend(models / family, device="cpu", processor=processor, **options)


@pytest.fixture(scope="module")
def backends(models):
    return {family: load(models, family) for family in (*FAMILIES, "idefics3")}


def ask(key, image, text="How many?", **more):
    settings = {"sampling": DRAWN, "seed": hash_of(key)} | more
    return Request(key=str(key), messages=(Message(role="user", text=text),), image=image, **settings)


def hash_of(key):
    return sum(map(ord, str(key)))


def by_sample(completions):
    found = {}
    for completion in completions:
        assert (completion.key, completion.sample) not in found
        found[completion.key, completion.sample] = completion
    return found


def greedy_of_transformers(backend, request, slot):
    """What `generate` of the library itself writes, greedily, one prompt alone."""
    prompt = backend.encoder.encode(request, slot)
    blocked = [token for token, value in enumerate(backend._blocked().tolist()) if value < 0]
    with torch.inference_mode():
        output = backend.model.generate(
            input_ids=prompt.ids_1T,
            attention_mask=torch.ones_like(prompt.ids_1T),
            **prompt.text_inputs,
            **slot.inputs,
            do_sample=False,
            max_new_tokens=request.sampling.max_tokens,
            suppress_tokens=blocked,
            eos_token_id=list(backend._ends),
        )
    return backend.encoder.tokenizer.decode(output[0, prompt.length :], skip_special_tokens=True)


@pytest.mark.parametrize("family", [*FAMILIES, "idefics3"])
def test_greedy_replies_are_those_of_the_librarys_own_generate(backends, scenes, family):
    backend = backends[family]
    greedy = Sampling(max_tokens=24)
    requests = [ask(i, scenes[i], "How many circles? " * (1 + i % 4), sampling=greedy) for i in range(8)]
    found = by_sample(backend.generate(requests))
    for request in requests:
        assert found[request.key, 0].text == greedy_of_transformers(backend, request, ImageSlot(request.image))


def test_how_each_family_is_decoded_is_found_out(backends, scenes):
    ways = {}
    for family, backend in backends.items():
        list(backend.generate([ask(0, scenes[0])]))
        ways[family] = backend.how()["with image"]
    assert ways == {
        "llava": "shared prefix, images encoded once",
        "idefics3": "shared prefix, images encoded once",
        "qwen2_vl": "shared prefix, images encoded once",
        "gemma3": "plain, images encoded once",
        "mllama": "plain, images as pixels",
    }


@pytest.mark.parametrize("family", FAMILIES)
def test_samples_are_the_same_alone_and_in_any_company(models, backends, scenes, family):
    requests = [ask(i, scenes[i % 12], "How many circles? " * (1 + i % 3), n=3) for i in range(7)]
    together = by_sample(backends[family].generate(requests))
    assert len(together) == 21
    crowded = load(models, family, rows=4)
    assert by_sample(crowded.generate(list(reversed(requests)))) == together
    assert by_sample(backends[family].generate([requests[3]])).items() <= together.items()


def test_samples_of_one_request_differ_and_follow_the_seed(backends, scenes):
    backend = backends["llava"]
    first = by_sample(backend.generate([ask("a", scenes[0], n=8, seed=1)]))
    assert len({completion.text for completion in first.values()}) == 8
    assert by_sample(backend.generate([ask("a", scenes[0], n=8, seed=1)])) == first
    other = by_sample(backend.generate([ask("a", scenes[0], n=8, seed=2)]))
    assert all(other[sample].text != first[sample].text for sample in first)
    # More samples of the same request leave the first ones as they are.
    assert first.items() <= by_sample(backend.generate([ask("a", scenes[0], n=12, seed=1)])).items()


def test_requests_with_and_without_image_and_for_choices_mix(backends, scenes):
    requests = [
        ask("seen", scenes[0]),
        ask("blind", None),
        ask("which", scenes[0], choices=("A", "B")),
        ask("none", scenes[0], n=0),
    ]
    found = by_sample(backends["llava"].generate(requests))
    assert set(found) == {("seen", 0), ("blind", 0), ("which", 0)}
    assert found["seen", 0].text != found["blind", 0].text


@pytest.mark.parametrize("family", FAMILIES)
def test_the_image_matters(backends, scenes, family):
    requests = [ask(str(i), scenes[i], choices=("A", "B", "yes", "no")) for i in range(3)]
    odds = {found.choice_probabilities for found in backends[family].generate(requests)}
    assert len(odds) == 3


@pytest.mark.parametrize("family", FAMILIES)
def test_a_stream_joined_is_the_first_sample(backends, scenes, family):
    for stop in ((), ("e",)):
        request = ask("s", scenes[1], n=2, sampling=replace(DRAWN, max_tokens=30, stop=stop))
        *pieces, whole = backends[family].stream(request)
        assert whole == by_sample(backends[family].generate([request]))["s", 0]
        assert "".join(pieces) == whole.text
        assert len(pieces) > 5 or stop


def test_a_stream_may_run_while_generate_is_half_way(backends, scenes):
    backend = backends["llava"]
    requests = [ask(i, scenes[i], n=2, sampling=replace(DRAWN, max_tokens=4 + 6 * i)) for i in range(3)]
    expected = by_sample(backend.generate(requests))
    streamed = list(backend.stream(requests[2]))
    running = backend.generate(requests)
    early = next(running)
    assert list(backend.stream(requests[2])) == streamed
    assert by_sample([early, *running]) == expected


def test_completions_come_as_they_finish(backends, scenes):
    sampling = [Sampling(temperature=1.0, max_tokens=length) for length in (40, 3)]
    requests = [ask("long", scenes[0], sampling=sampling[0]), ask("short", scenes[1], sampling=sampling[1])]
    assert [found.key for found in backends["llava"].generate(requests)] == ["short", "long"]


def test_nothing_computes_without_gradients_between_completions(backends, scenes):
    running = backends["llava"].generate([ask(i, scenes[i]) for i in range(3)])
    next(running)
    assert not torch.is_inference_mode_enabled()
    assert torch.is_grad_enabled()
    running.close()


def test_length_and_stop_are_told_apart_and_tokens_counted(backends, scenes):
    backend = backends["llava"]
    cut = next(iter(backend.generate([ask("a", scenes[0], sampling=Sampling(temperature=1.0, max_tokens=5))])))
    assert (cut.finish, cut.tokens) == ("length", 5)
    stop = cut.text[1:3]
    sampling = Sampling(temperature=1.0, max_tokens=5, stop=("never there", stop))
    stopped = next(iter(backend.generate([ask("a", scenes[0], sampling=sampling)])))
    assert stopped.finish == "stop"
    assert stopped.text == cut.text[: cut.text.index(stop) + len(stop)]
    assert stopped.tokens <= 5


def test_an_end_token_ends_a_reply_and_is_not_counted(models, scenes):
    backend = load(models, "llava")
    end = next(iter(backend._ends))
    head = backend.model.get_output_embeddings().weight
    with torch.no_grad():  # every state now points at the end token with good odds
        head[end] = 3 * head.mean(0) + 0.5 * head.std(0)
    requests = [ask(i, scenes[i % 12], n=8, sampling=Sampling(temperature=2.0, max_tokens=64)) for i in range(4)]
    found = list(backend.generate(requests))
    ended = [completion for completion in found if completion.finish == "stop"]
    assert ended
    for completion in found:
        assert (completion.tokens < 64) == (completion.finish == "stop")
        assert "</s>" not in completion.text


@pytest.mark.parametrize("family", FAMILIES)
def test_special_tokens_are_never_written_however_hot(backends, scenes, family):
    backend = backends[family]
    specials = backend.encoder.special_ids() - backend._ends
    size = backend.model.get_output_embeddings().weight.shape[0]
    assert {token for token in specials if token < size} <= set(torch.where(backend._blocked() < 0)[0].tolist())
    hot = Sampling(temperature=50.0, max_tokens=40)
    for completion in backend.generate([ask(i, scenes[i], n=8, sampling=hot) for i in range(4)]):
        assert not any(
            name in completion.text for name in ("<image>", "<pad>", "<|user|>", "<start_of_turn>", "<|image|>")
        )


@pytest.mark.parametrize("family", FAMILIES)
def test_choices_give_the_models_own_odds_of_the_next_text(backends, scenes, family):
    backend = backends[family]
    choices = ("A", "B", "neither one")
    request = ask("c", scenes[0], prefix="Verdict: [[", choices=choices)
    others = [
        ask(str(i), scenes[i], "Longer question. " * i, prefix="Verdict: [[", choices=choices) for i in range(1, 4)
    ]
    found = by_sample(backend.generate([request, *others]))["c", 0]
    # By hand: the probability of each choice's tokens behind the prompt, one forward pass per choice.
    slot = ImageSlot(scenes[0])
    prompt = backend.encoder.encode(request, slot)
    logs = []
    for choice in choices:
        ids = backend.encoder.ids_of(choice, after="Verdict: [[")
        whole = torch.cat([prompt.ids_1T, torch.tensor([ids])], 1)
        along = {
            name: torch.cat([value, value[:, -1:].expand(-1, len(ids), *value.shape[2:])], 1)
            for name, value in prompt.text_inputs.items()
        }
        with torch.inference_mode():
            logits = backend.model(
                input_ids=whole, attention_mask=torch.ones_like(whole), **along, **slot.inputs
            ).logits
        odds = torch.log_softmax(logits[0, prompt.length - 1 : -1].float(), -1)
        logs.append(sum(odds[place, token].item() for place, token in enumerate(ids)))
    whole = sum(map(math.exp, logs))
    assert found.choice_probabilities == pytest.approx([math.exp(log) / whole for log in logs], abs=1e-4)
    assert sum(found.choice_probabilities) == pytest.approx(1)
    assert found.text == choices[max(range(3), key=lambda index: logs[index])]


def test_a_prefix_is_continued_and_not_repeated(backends, scenes):
    backend = backends["llava"]
    request = ask("p", scenes[0], sampling=Sampling(max_tokens=12), prefix="I see ")
    completion = next(iter(backend.generate([request])))
    assert completion.text == greedy_of_transformers(backend, request, ImageSlot(scenes[0]))


def test_each_image_goes_through_the_eyes_once(models, scenes):
    backend = load(models, "llava")
    list(backend.generate([ask("first", scenes[0])]))  # the trial of the ways is over
    seen = []
    backend.model.base_model.vision_tower.register_forward_hook(
        lambda *call: seen.append(len(call[2].last_hidden_state))
    )
    requests = [ask(i, scenes[i % 3], "Question? " * (1 + i % 5), n=2) for i in range(30)]
    assert len(list(backend.generate(requests))) == 60
    assert sum(seen) == 3


def test_a_text_model_is_refused(tmp_path):
    folder = save_tiny_text_model(tmp_path / "text")
    with pytest.raises(ModelError, match=r"not a vision-language chat model \(its type is 'llama'\)"):
        TransformersBackend(folder, device="cpu")


def test_a_folder_without_a_model_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=r"empty.*cannot be loaded"):
        TransformersBackend(tmp_path / "empty", device="cpu")


def test_a_processor_that_needs_torchvision_names_the_extra(models):
    with pytest.raises(ModelError, match=r"pip install 'judge-studio\[gpu\]'"):
        TransformersBackend(models / "qwen2_vl", device="cpu")


def test_a_missing_gpu_is_said_so(models):
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(ModelError, match=r"model\.device"):
        TransformersBackend(models / "llava", device="cuda")


def test_a_broken_image_stops_the_call_by_name(tmp_path, backends):
    (tmp_path / "broken.png").write_bytes(b"x")
    with pytest.raises(BackendError, match=r"broken\.png"):
        list(backends["llava"].generate([ask("b", tmp_path / "broken.png")]))


def test_close_frees_the_model(models):
    import gc
    import weakref

    backend = load(models, "llava")
    weight = weakref.ref(backend.model.get_output_embeddings())
    backend.close()
    gc.collect()
    assert weight() is None


@pytest.mark.parametrize("family", ["llava", "gemma3", "idefics3", "qwen2_vl", "mllama"])
def test_several_images_stand_where_the_text_says_as_in_the_librarys_own_generate(backends, scenes, family):
    backend = backends[family]
    greedy = Sampling(max_tokens=12)

    def compare(key, one, two):
        message = Message(role="user", text="Is this newer than this?", pictures=((7, scenes[one]), (23, scenes[two])))
        return Request(key=key, messages=(message,), sampling=greedy)

    requests = [compare("ab", 0, 1), compare("ba", 1, 0), ask("one", scenes[0], sampling=greedy), compare("cd", 2, 3)]
    found = by_sample(backend.generate(requests))
    for request in requests:
        slot = ImageSlot(request.pictures[0], more=request.pictures[1:])
        assert found[request.key, 0].text == greedy_of_transformers(backend, request, slot)
    assert "with several images" in backend.how()
