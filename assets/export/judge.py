"""Which of two answers to a question about a picture is better? Asked in both orders; a verdict holds in both.

    pip install torch transformers peft pillow
    python judge.py cat.png "How many cats are there?" "Two." "Three."        [--base FOLDER]

What it was trained on is in judge.json beside this file: the words of its prompt, and how its replies are read.
"""

import argparse
import json
import re
from pathlib import Path

from PIL import Image, ImageOps
from transformers import AutoModelForImageTextToText, AutoProcessor

HERE = Path(__file__).resolve().parent
JUDGE = json.loads((HERE / "judge.json").read_text("utf-8"))


def load(base=None):
    """The model and its processor; `base` is the base model's folder, where it is neither here nor on the hub."""
    own = [str(folder) for folder in (HERE, HERE / "base") if (folder / "config.json").is_file()]
    place = {
        "pretrained_model_name_or_path": base or (own or [JUDGE["base"]])[0],
        "revision": JUDGE["revision"] or "main",
    }
    model = AutoModelForImageTextToText.from_pretrained(**place)
    if (HERE / "adapter_config.json").is_file():
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, HERE)
    return model.eval(), AutoProcessor.from_pretrained(**place)


def picture(path):
    """Upright, on white where it is transparent, no larger than the judge was shown in training."""
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGBA")
    image.thumbnail((JUDGE["max_side"], JUDGE["max_side"]))
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def material(text, specials):
    """`text` in which nothing can be taken for a verdict, a special token, or a line of the prompt."""
    text = re.sub("|".join([JUDGE["broken"], *map(re.escape, specials)]), lambda m: f"{m[0][0]} {m[0][1:]}", text)
    return "\n".join("> " * (" ".join(one.split()).casefold() in JUDGE["fences"]) + one for one in text.split("\n"))


def reply(model, processor, image, question, first, second):
    """What the judge says of two answers shown in this order; "" if it was cut off before it had decided."""
    tokenizer = processor.tokenizer
    values = {"question": question, "a": first, "b": second}
    values = {name: material(text, tokenizer.all_special_tokens) for name, text in values.items()}
    for name in "ab" if JUDGE["number_sentences"] else "":
        parts = filter(None, re.split(r"(?<=[.!?])\s+", " ".join(values[name].split())))
        values[name] = " ".join(f"{name.upper()}{number}: {part}" for number, part in enumerate(parts, 1))
    text = re.sub(r"\{(question|a|b)\}", lambda slot: values[slot[1]], JUDGE["prompt"])
    asked = {"role": "user", "content": [{"type": "image", "image": image}, {"type": "text", "text": text}]}
    inputs = processor.apply_chat_template(
        [*JUDGE["turns_before"], asked],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    ).to(model.device)
    ends = model.generation_config.eos_token_id
    ends = {*(ends if isinstance(ends, list) else [ends]), tokenizer.eos_token_id}
    never = sorted({*tokenizer.all_special_ids} - ends)
    out = model.generate(**inputs, max_new_tokens=JUDGE["max_tokens"], do_sample=False, suppress_tokens=never)
    ids = out[0, inputs["input_ids"].shape[1] :].tolist()
    return tokenizer.decode(ids, skip_special_tokens=True) if ends & set(ids) else ""


def verdict(reply):
    """ "A", "B", "tie" by place, or "invalid": of the forms that a reply can have, the first that it has."""
    said = re.split(JUDGE["thinking_closes"], reply)[-1].rstrip()
    return next((verdict for verdict, form in JUDGE["reads"] if re.search(form, said)), "invalid")


def rule(model, processor, image, question, a, b):
    """The verdict on a and b, and the reply in either order. The reply with b first calls b "Response A"."""
    one, other = reply(model, processor, image, question, a, b), reply(model, processor, image, question, b, a)
    said = {verdict(one), {"A": "B", "B": "A"}.get(verdict(other), verdict(other))}
    whole = "invalid" if "invalid" in said else said.pop() if len(said) == 1 else "order-flip"
    return {"verdict": whole, "a_first": one, "b_first": other}


if __name__ == "__main__":
    asks = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("picture", "question", "a", "b", "--base"):
        asks.add_argument(name)
    asked = asks.parse_args()
    try:
        shown = picture(asked.picture)
        ruling = rule(*load(asked.base), shown, asked.question, asked.a, asked.b)
    except (OSError, ValueError) as error:
        asks.exit(1, f"judge.py: {error}\n")
    print(json.dumps(ruling, indent=1, ensure_ascii=False))
