"""Share of a demo iteration's wall time that is spent neither in the model nor in the trainer.

    python tests/bench/bench_overhead.py --workspace /tmp/overhead [key=value …]

The model's time is the time inside `generate`; the trainer's is the train stage's own measure of its fit. Loading the
model and the first import of the libraries belong to the run, not to an iteration, and are printed apart.
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from engine.backends.base import Backend, Completion, Request
from engine.config import Settings, load_settings
from engine.runs.loop import run_loop
from engine.runs.models import open_model
from engine.workspace.folders import open_workspace
from engine.workspace.run_record import create_run
from engine.workspace.state import read_events


class Timed:
    """A backend that adds up the time spent inside it."""

    def __init__(self, backend: Backend, spent: dict[str, float]) -> None:
        self._backend = backend
        self._spent = spent

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        started = time.monotonic()
        for completion in self._backend.generate(requests):
            self._spent["model"] += time.monotonic() - started
            yield completion
            started = time.monotonic()
        self._spent["model"] += time.monotonic() - started

    def __getattr__(self, name: str) -> object:
        return getattr(self._backend, name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--workspace", type=Path, required=True, help="an empty folder")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("settings", nargs="*", help="key=value for the preset shapes")
    options = parser.parse_args()
    overrides = dict(word.split("=", 1) for word in options.settings)
    settings = load_settings(preset="shapes", overrides={"loop.iterations": 1, **overrides})
    run = open_workspace(options.workspace).run("overhead")
    create_run(run, settings)
    spent = {"model": 0.0, "model before": 0.0}

    def opener(settings: Settings, root: Path) -> Backend:
        started = time.monotonic()
        backend = open_model(settings, root)
        spent["load"] = time.monotonic() - started
        return Timed(backend, spent)  # type: ignore[return-value]  # the rest is passed through

    def before_first_iteration(state: object) -> None:
        if getattr(state, "iteration", 0) == 0:
            spent["model before"] = spent["model"]

    run_loop(run, watch=before_first_iteration, opener=opener)
    events = read_events(run)
    wall = next(event["seconds"] for event in events if event["event"] == "iteration")
    trainer = next(event["seconds"] for event in events if event["event"] == "trained")
    model = spent["model"] - spent["model before"]
    rest = wall - model - trainer
    figures = {"iteration": wall, "model": model, "trainer": trainer, "rest": rest, "share": rest / wall, **spent}
    if options.json:
        print(json.dumps(figures))
        return
    print(
        f"iteration {wall:.1f} s: model {model:.1f} s, trainer {trainer:.1f} s, rest {rest:.1f} s ({rest / wall:.1%})"
    )
    print(f"before it: loading the model {spent['load']:.1f} s, judge-v0's measurement {spent['model before']:.1f} s")


if __name__ == "__main__":
    main()
