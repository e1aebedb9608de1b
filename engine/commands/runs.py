"""Commands that start, stop and show runs."""

import shlex
import time
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from engine.commands.terminal import print_json, print_run, print_runs, print_scores, watcher
from engine.config import Settings, load_settings
from engine.errors import UsageError, WorkspaceError
from engine.paths import expanded
from engine.workspace.folders import RunFolder, Workspace, open_workspace, run_stem
from engine.workspace.locks import is_locked
from engine.workspace.state import read_state, request_stop


def settings_from(options: Namespace) -> Settings:
    """The settings that the words of `run` and `preview` mean. Raises `UsageError` or `SettingsError`."""
    preset = options.preset or (None if options.config else "shapes")
    overrides = overrides_from(options.settings)
    if getattr(options, "iterations", None) is not None:
        overrides["loop.iterations"] = options.iterations
    return load_settings(preset=preset, file=expanded(options.config) if options.config else None, overrides=overrides)


def overrides_from(words: Sequence[str]) -> dict[str, Any]:
    """Settings given as key=value. Raises `UsageError` for another word."""
    overrides: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise UsageError(f"'{word}': settings are given as key=value, e.g. judge.temperature=0.7.")
        overrides[key] = value
    return overrides


def run(options: Namespace) -> int:
    """Start a run in the foreground, or go on with the one of that name."""
    settings = settings_from(options)
    if options.dry_run:
        from engine.runs.doctor import DoctorReport, report_text
        from engine.runs.plan import plan_text, run_plan
        from engine.runs.ready import ready_facts

        place = Workspace(expanded(options.workspace).resolve())  # which need not exist yet
        plan = run_plan(settings, place)
        if options.json:
            print_json(asdict(plan))
        else:
            print(plan_text(plan))
            print(f"\n{report_text(DoctorReport(facts=ready_facts(settings, place)))}")
        return 0
    workspace = open_workspace(options.workspace)
    stem = options.config.stem if options.config and not options.preset else options.preset or "shapes"
    return _work(workspace.run(options.name or workspace.free_name(run_stem(stem))), settings, as_json=options.json)


def _work(folder: RunFolder, settings: Settings, *, as_json: bool, go_on: bool = False) -> int:
    from engine.runs.loop import run_loop
    from engine.workspace.run_record import create_run

    create_run(folder, settings)
    with watcher(folder, quiet=as_json) as watch:
        state = run_loop(folder, watch=watch, go_on=go_on)
    if as_json:
        print_json(asdict(state))
    else:
        print_scores(folder)
        print(state.message)
        if state.state == "stopped":
            place = shlex.quote(str(folder.workspace.root))
            print(f"Continue with: judge-studio resume {folder.name} --workspace {place}")
    return 0


def resume(options: Namespace) -> int:
    """Continue a run with its own settings."""
    from engine.workspace.run_record import run_settings

    folder = open_workspace(options.workspace, create=False).existing_run(options.name)
    settings = run_settings(folder)
    if options.iterations is not None:
        loop = settings.loop.model_copy(update={"iterations": max(1, options.iterations)})
        settings = settings.model_copy(update={"loop": loop})
    return _work(folder, settings, as_json=options.json, go_on=options.iterations is not None)


def stop(options: Namespace) -> int:
    """Ask a run to end after its batch."""
    folder = open_workspace(options.workspace, create=False).existing_run(options.name)
    if not is_locked(folder):
        raise WorkspaceError(f"run '{folder.name}': it is {read_state(folder).state}, so there is nothing to stop.")
    request_stop(folder)
    deadline = time.monotonic() + options.wait
    while is_locked(folder) and time.monotonic() < deadline:
        time.sleep(0.2)
    state = read_state(folder)
    if options.json:
        print_json(asdict(state))
    else:
        print(f"{folder.name}: {'stop requested' if is_locked(folder) else state.state}. Finished parts are kept.")
    return 0


def status(options: Namespace) -> int:
    """Show one run: the named one, or the newest."""
    workspace = open_workspace(options.workspace, create=False)
    found = workspace.runs()
    if not options.name and not found:
        raise WorkspaceError(f"{workspace.root}: no runs yet. Start one with 'judge-studio run'.")
    folder = workspace.existing_run(options.name) if options.name else found[0]
    state = read_state(folder)
    if options.json:
        print_json(asdict(state))
    else:
        print_run(state)
        print_scores(folder)
    return 0


def runs(options: Namespace) -> int:
    """List all runs, newest first."""
    states = [read_state(folder) for folder in open_workspace(options.workspace, create=False).runs()]
    if options.json:
        print_json([asdict(state) for state in states])
    else:
        print_runs(states)
    return 0


def preview(options: Namespace) -> int:
    """Synthesize a handful of pairs in a temporary workspace and print them."""
    from engine.runs.preview import preview_pairs

    pairs = preview_pairs(settings_from(options), count=options.pairs)
    if options.json:
        print_json([asdict(pair) for pair in pairs])
        return 0
    for pair in pairs:
        print(f"{pair.question}  ({pair.strategy}, {pair.dimension})")
        print(f"  dropped: {pair.dropped}" if pair.dropped else f"  + {pair.preferred}\n  − {pair.degraded}")
    return 0
