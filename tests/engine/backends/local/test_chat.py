"""Conversations to token ids: untrusted text stays text, images are processed once, templates differ."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoProcessor

from engine.backends.base import Message, Request
from engine.backends.local.chat import ChatEncoder, ImageSlot
from engine.errors import BackendError, ModelError
from tests.engine.sources.picture_files import file_bytes, picture, rotated_jpeg
from tests.tiny_models import eyes_only_qwen_processor

FAMILIES = ("llava", "gemma3", "idefics3", "mllama", "qwen2_vl")


def fresh_processor(models, family):
    return (
        eyes_only_qwen_processor(models / family)
        if family == "qwen2_vl"
        else AutoProcessor.from_pretrained(models / family)
    )


@pytest.fixture(scope="module")
def encoders(models):
    return {family: ChatEncoder(fresh_processor(models, family), model_name=family) for family in FAMILIES}


def ask(text, *, image=None, system=None, prefix=""):
    turns = [Message(role="user", text=text)]
    if system:
        turns.insert(0, Message(role="system", text=system))
    return Request(key="k", messages=tuple(turns), image=image, prefix=prefix)


def specials_in(encoder, prompt):
    special = encoder.special_ids()
    return [token for token in prompt.ids_1T[0].tolist() if token in special]


@pytest.mark.parametrize("family", FAMILIES)
def test_an_ordinary_prompt_is_encoded_exactly_as_transformers_does(models, scenes, encoders, family):
    from PIL import Image

    processor = fresh_processor(models, family)
    content = [{"type": "image", "image": Image.open(scenes[0]).convert("RGB")}, {"type": "text", "text": "How many?"}]
    expected = processor.apply_chat_template(
        [{"role": "user", "content": content}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )
    slot = ImageSlot(scenes[0])
    prompt = encoders[family].encode(ask("How many?", image=scenes[0]), slot)
    assert prompt.ids_1T.tolist() == expected["input_ids"].tolist()
    for name, value in {**prompt.text_inputs, **slot.inputs}.items():
        assert value.equal(expected[name]), name


@pytest.mark.parametrize("family", FAMILIES)
def test_special_tokens_that_a_user_types_stay_text(scenes, encoders, family):
    encoder = encoders[family]
    names = sorted(set(encoder.tokenizer.all_special_tokens) | {"<image>", "</s>", "<|im_start|>", "<end_of_turn>"})
    evil = "Look: " + " ".join(names) + " <" + names[0] + "".join(names) + names[-1][:-1]
    slot = ImageSlot(scenes[0])
    harmless = encoder.encode(ask("Look", image=scenes[0], system="Rules."), slot)
    attacked = encoder.encode(ask(evil, image=scenes[0], system="Rules. " + evil, prefix=evil), slot)
    assert specials_in(encoder, attacked) == specials_in(encoder, harmless)
    shown = encoder.tokenizer.decode(attacked.ids_1T[0], clean_up_tokenization_spaces=False)
    assert shown.count(evil) == 3


@given(data=st.data())
def test_no_arrangement_of_special_texts_makes_a_special_token(encoders, data):
    encoder = encoders["llava"]
    pieces = st.sampled_from(
        [*encoder.tokenizer.all_special_tokens, "<", ">", "|", "</", "s>", "image>", " a", "\ue0f7"]
    )
    text = "".join(data.draw(st.lists(pieces, max_size=12)))
    prompt = encoder.encode(ask(f"({text})"), None)
    assert specials_in(encoder, prompt) == specials_in(encoder, encoder.encode(ask("()"), None))


def test_a_system_text_leads_the_user_turn_where_the_template_has_no_such_role(encoders):
    prompt = encoders["gemma3"].encode(ask("How many?", system="Be brief."), None)
    text = encoders["gemma3"].tokenizer.decode(prompt.ids_1T[0])
    assert "user\nBe brief.\n\nHow many?" in text


def test_a_system_text_keeps_its_role_where_the_template_has_it(encoders):
    prompt = encoders["llava"].encode(ask("How many?", system="Be brief."), None)
    assert "<|system|>Be brief.</s>" in encoders["llava"].tokenizer.decode(prompt.ids_1T[0])


def test_the_prefix_continues_the_reply(encoders):
    prompt = encoders["llava"].encode(ask("How many?", prefix="I see"), None)
    assert encoders["llava"].tokenizer.decode(prompt.ids_1T[0]).endswith("<|assistant|>I see")


def test_only_the_first_user_turn_shows_the_image(scenes, encoders):
    turns = (
        Message(role="user", text="One."),
        Message(role="assistant", text="Two."),
        Message(role="user", text="Three."),
    )
    request = Request(key="k", messages=turns, image=scenes[0])
    prompt = encoders["llava"].encode(request, ImageSlot(scenes[0]))
    text = encoders["llava"].tokenizer.decode(prompt.ids_1T[0])
    assert text.index("<image>") < text.index("One.")
    assert text.count("<image>") == 9


def test_an_image_is_processed_once_for_all_prompts(models, scenes):
    processor = AutoProcessor.from_pretrained(models / "llava")
    seen = []

    class Counting(type(processor.image_processor)):
        def preprocess(self, *args, **options):
            seen.append(1)
            return super().preprocess(*args, **options)

    processor.image_processor = Counting.from_pretrained(models / "llava")
    encoder = ChatEncoder(processor, model_name="llava")
    slot = ImageSlot(scenes[0])
    prompts = [encoder.encode(ask(f"Question {number}?", image=scenes[0]), slot) for number in range(5)]
    assert len(seen) == 1
    assert len({prompt.ids_1T.shape for prompt in prompts}) == 1


def test_end_tokens_hold_the_one_that_closes_a_turn(encoders):
    gemma = encoders["gemma3"]
    assert gemma.end_ids() == set(gemma.tokenizer.convert_tokens_to_ids(["<eos>", "<end_of_turn>"]))


def test_ids_behind_a_text_are_those_a_model_would_write(encoders):
    encoder = encoders["llava"]
    together = encoder.ids_of("Verdict: [[") + encoder.ids_of("A", after="Verdict: [[")
    assert encoder.tokenizer.decode(together) == "Verdict: [[A"
    assert encoder.ids_of("</s>", after="x") == encoder.ids_of("</s>")
    assert not set(encoder.ids_of("</s>")) & encoder.special_ids()


def test_a_turned_photograph_is_seen_upright(tmp_path, encoders):
    (tmp_path / "turned.jpg").write_bytes(rotated_jpeg(6, picture(90, 60)))
    (tmp_path / "upright.png").write_bytes(file_bytes(picture(90, 60).rotate(-90, expand=True)))
    seen = []
    for name in ("turned.jpg", "upright.png"):
        slot = ImageSlot(tmp_path / name)
        encoders["llava"].encode(ask("?", image=tmp_path / name), slot)
        seen.append(slot.inputs["pixel_values"])
        assert slot.sizes == ((60, 90),)
    assert (seen[0] - seen[1]).abs().mean() < 0.02, "but for JPEG's rounding"


def test_an_image_that_is_none_is_refused_by_name(tmp_path, encoders):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    with pytest.raises(BackendError, match=r"broken\.png"):
        encoders["llava"].encode(ask("?", image=broken), ImageSlot(broken))
    with pytest.raises(BackendError, match=r"missing\.png"):
        encoders["llava"].encode(ask("?", image=tmp_path / "missing.png"), ImageSlot(tmp_path / "missing.png"))


def test_a_processor_without_a_chat_template_is_refused(models):
    processor = AutoProcessor.from_pretrained(models / "llava")
    processor.chat_template = None
    processor.tokenizer.chat_template = None
    with pytest.raises(ModelError, match="no chat template"):
        ChatEncoder(processor, model_name="bare")


def test_a_template_that_swallows_the_text_is_refused(models):
    processor = AutoProcessor.from_pretrained(models / "llava")
    processor.chat_template = "<image> hello"
    with pytest.raises(ModelError, match="no chat template"):
        ChatEncoder(processor, model_name="deaf")
