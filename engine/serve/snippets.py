"""How to use a judge, as texts to copy: Python, curl, OpenAI's client, the command line, TRL. Each is run by a test.

Nothing here runs anything; names and folders are quoted for the language they stand in.
"""

import shlex
from dataclasses import dataclass
from pathlib import Path

PORT = 8008
"""Where `judge-studio serve` answers unless told otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snippet:
    """One way to use a judge."""

    title: str
    about: str
    """One sentence: what it is for, and what must run for it."""
    language: str
    """"python" or "bash"."""
    code: str


def snippets(judge: str, workspace: Path, *, url: str = f"http://127.0.0.1:{PORT}") -> tuple[Snippet, ...]:
    """The ways to use `judge` ("shapes-01/judge-v2") of `workspace`. `cat.png` stands for a picture of the reader's."""
    return (*_on_this_machine(judge, workspace), *_of_the_server(judge, url))


def _on_this_machine(judge: str, workspace: Path) -> tuple[Snippet, ...]:
    """Where the workspace lies: alone, in a program, and for other programs."""
    name, folder = shlex.quote(judge), shlex.quote(str(workspace))
    return (
        Snippet(
            title="Command line",
            about="One comparison. A file of many: judge-studio judge FILE.jsonl --out VERDICTS.jsonl.",
            language="bash",
            code=f"judge-studio judge --workspace {folder} --judge {name} \\\n"
            f'  --image cat.png --question "How many cats are there?" --a "Two." --b "Three."',
        ),
        Snippet(
            title="Python",
            about="In your own process, from as many threads as you like.",
            language="python",
            code=_PYTHON.format(judge=judge, workspace=str(workspace)),
        ),
        Snippet(
            title="Server",
            about="For other programs, on this machine. To let other machines ask, give it a host and a key.",
            language="bash",
            code=f"judge-studio serve --workspace {folder} {name}",
        ),
    )


def _of_the_server(judge: str, url: str) -> tuple[Snippet, ...]:
    """Where only the server's address is known."""
    return (
        Snippet(
            title="curl",
            about='Asks that server; many at once as {"comparisons": [...]}.',
            language="bash",
            code=_CURL.format(url=url),
        ),
        Snippet(
            title="OpenAI client",
            about="Asks that server by a protocol that many tools speak.",
            language="python",
            code=_OPENAI.format(judge=judge, url=url),
        ),
        Snippet(
            title="Reward for TRL",
            about="A reward function for GRPOTrainer; completions of one prompt are compared with each other.",
            language="python",
            code=_REWARD.format(url=url),
        ),
    )


_PYTHON = """\
from engine.serve import open_judge

with open_judge({judge!r}, workspace={workspace!r}) as judge:
    ruling = judge.rule(image="cat.png", question="How many cats are there?", a="Two.", b="Three.")
print(ruling.verdict, ruling.confidence)  # A, B, tie, order-flip or invalid"""

_CURL = """\
printf '{{"image": "%s", "question": "How many cats are there?", "a": "Two.", "b": "Three."}}' \\
  "data:image/png;base64,$(base64 < cat.png | tr -d '\\n')" |
curl -sS {url}/v1/judge -H "content-type: application/json" -d @-"""

_OPENAI = """\
import base64
from openai import OpenAI

picture = base64.b64encode(open("cat.png", "rb").read()).decode()
client = OpenAI(base_url="{url}/v1", api_key="none")
answer = client.chat.completions.create(
    model={judge!r},
    messages=[
        {{"role": "user", "content": [
            {{"type": "image_url", "image_url": {{"url": "data:image/png;base64," + picture}}}},
            {{"type": "text", "text": "How many cats are there?"}},
        ]}},
        {{"role": "assistant", "content": "Two."}},
        {{"role": "assistant", "content": "Three."}},
    ],
)
print(answer.choices[0].message.content)  # [[A]], [[B]], [[C]] for a tie, or why there is no verdict"""

_REWARD = """\
from engine.serve import pairwise_reward

reward = pairwise_reward("{url}")
# trainer = GRPOTrainer(model, reward_funcs=reward, train_dataset=rows with "prompt" and "image", ...)
print(reward(["How many cats are there?"] * 2, ["Two.", "Three."], image=["cat.png", "cat.png"]))"""
