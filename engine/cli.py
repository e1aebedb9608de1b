"""The command line: words in, one function of `engine.commands` called. Nothing heavy is imported to print help."""

import argparse
import errno
import importlib
import io
import math
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from engine import __version__
from engine.errors import JudgeStudioError, StopRequested
from engine.workspace.folders import workspace_path

_EPILOG = "Results lie in the workspace folder: --workspace, or JUDGE_STUDIO_WORKSPACE, or ./workspace."


_NO_ROOM = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO}
"""What the machine refuses, whichever file it was: no fault of ours that a traceback would help with."""


def build_parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    parser = argparse.ArgumentParser(
        prog="judge-studio",
        description="Turn unlabelled images into a better vision-language judge. Without a command, open the studio.",
        epilog=_EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"judge-studio {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    _add_open(commands)
    _add_run_commands(commands)
    _add_judging(commands)
    _add_measuring(commands)
    _add_result_commands(commands)
    return parser


def count(text: str) -> int:
    """A whole number of at least 1, for argparse."""
    if not text.strip().lstrip("+").isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number of at least 1")
    return int(text)


def seconds(text: str) -> float:
    """A time of at least 0, for argparse."""
    try:
        given = float(text)
    except ValueError:
        given = math.nan
    if not 0 <= given < math.inf:
        raise argparse.ArgumentTypeError(f"'{text}' is no number of seconds")
    return given


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    target: str,
    help: str,
    *,
    json: bool = True,
) -> argparse.ArgumentParser:
    """One command; `target` is "module:function" under engine.commands."""
    parser = commands.add_parser(name, help=help, description=help, epilog=_EPILOG)
    parser.set_defaults(target=target)
    parser.add_argument("--workspace", type=Path, metavar="DIR", help="folder with everything (default ./workspace)")
    if json:
        parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _add_open(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = _command(commands, "open", "open:open_studio", "open the studio in a browser", json=False)
    parser.add_argument("--host", default="127.0.0.1", help="address to bind; a wider one needs --auth")
    parser.add_argument("--port", type=int, default=7860)
    parser.add_argument("--auth", metavar="USER:FILE", help="user name and a file that holds the password")
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser window")
    parser.add_argument("--demo", action="store_true", help="look at the finished run that ships, read-only")
    parser.add_argument("--mcp", action="store_true", help="offer the endpoints as tools to MCP clients as well")


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", help="settings under assets/presets: shapes (default), qwen3-vl-8b, …")
    parser.add_argument("--config", type=Path, metavar="FILE.yaml", help="settings file; wins over the preset")
    parser.add_argument("settings", nargs="*", metavar="key=value", help="e.g. judge.temperature=0.7; wins over both")


def _add_run_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    run = _command(commands, "run", "runs:run", "start a run, or continue the one of that name")
    _add_settings(run)
    run.add_argument("--run", dest="name", metavar="NAME", help="name of the run (default: the preset and a number)")
    run.add_argument("--iterations", type=count, metavar="N", help="most iterations; short for loop.iterations=N")
    run.add_argument("--dry-run", action="store_true", help="print the plan and start nothing")

    resume = _command(
        commands, "resume", "runs:resume", "continue a run after a stop, a failure, or with more iterations"
    )
    resume.add_argument("name", metavar="RUN")
    resume.add_argument("--iterations", type=count, metavar="N", help="raise the most iterations to N")

    stop = _command(commands, "stop", "runs:stop", "ask a run to end after its batch; finished parts are kept")
    stop.add_argument("name", metavar="RUN")
    stop.add_argument("--wait", type=seconds, default=0.0, metavar="SECONDS", help="wait this long until it has ended")

    status = _command(commands, "status", "runs:status", "what a run is doing (default: the newest)")
    status.add_argument("name", metavar="RUN", nargs="?")
    _command(commands, "runs", "runs:runs", "list all runs")

    experiment = _command(commands, "experiment", "experiments:experiment", "run a named comparison over several seeds")
    experiment.add_argument(
        "name", metavar="NAME", nargs="?", help="name under assets/experiments; all are listed if empty"
    )
    experiment.add_argument("--seeds", type=count, default=3, metavar="N")
    experiment.add_argument("--arms", metavar="A,B,…", help="some of its arms; all if left out")
    experiment.add_argument("settings", nargs="*", metavar="key=value", help="settings of all arms; a run apart")

    preview = _command(
        commands, "preview", "runs:preview", "synthesize a handful of pairs with these settings, and keep nothing"
    )
    _add_settings(preview)
    preview.add_argument("--pairs", type=count, default=6, metavar="N")


def _add_judging(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    judge = _command(commands, "judge", "judge:judge", "rule on one comparison, or on a file of many")
    judge.add_argument(
        "file", type=Path, nargs="?", metavar="FILE.jsonl", help="lines with image, question, a, b; see --out"
    )
    judge.add_argument(
        "--out",
        type=Path,
        metavar="FILE.jsonl",
        help="where the verdicts go; continues a started file. A folder is shared by any number of workers",
    )
    judge.add_argument("--image", type=Path, metavar="F", action="append", help="once per picture")
    judge.add_argument("--question", metavar="Q")
    judge.add_argument("--a", metavar="TEXT", help="response A")
    judge.add_argument("--b", metavar="TEXT", help="response B")
    _add_judge(judge)

    serve = _command(
        commands, "serve", "serve:serve", "let other programs ask a judge: JSON and OpenAI's protocol", json=False
    )
    serve.add_argument("judges", nargs="*", metavar="RUN/judge-vN", help="RUN/best, …; default: best of the newest run")
    serve.add_argument("--host", default="127.0.0.1", help="address to bind; a wider one needs --key")
    serve.add_argument("--port", type=int, default=8008)
    serve.add_argument("--key", type=Path, metavar="FILE", help="file with the secret that every request must carry")


def _add_measuring(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    evaluate = _command(commands, "evaluate", "judge:evaluate", "measure a judge version on a benchmark")
    _add_judge(evaluate)
    evaluate.add_argument(
        "--benchmark", required=True, metavar="NAME|FILE", help="shapes, vl-rewardbench=PATH, … or a .jsonl"
    )
    evaluate.add_argument(
        "--protocol", default="strict", help="strict, both-orders-mean, a published one by name, or all of them"
    )
    evaluate.add_argument(
        "--items", type=count, metavar="N", help="most items (default: 600, of a published protocol all)"
    )
    evaluate.add_argument(
        "--partial", action="store_true", help="a published protocol may be measured on fewer items; the score says so"
    )
    evaluate.add_argument(
        "--no-controls",
        action="store_true",
        help="do not look whether items can be told apart without their picture",
    )


def _add_judge(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--judge",
        action="append",
        metavar="RUN/judge-vN",
        help="judge version, adapter folder or base model; may be repeated (default: the best of the newest run)",
    )
    parser.add_argument(
        "settings", nargs="*", metavar="model.key=value", help="reach the model otherwise than its run did: model.url=…"
    )


def _add_result_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    compare = _command(commands, "compare", "compare:compare", "compare judges and controls of any runs")
    compare.add_argument("old", metavar="RUN/judge-vN", help="what the others are held against; or RUN/control:NAME")
    compare.add_argument("new", metavar="RUN/judge-vN")
    compare.add_argument("more", metavar="RUN/judge-vN", nargs="*")
    compare.add_argument("--benchmark", metavar="NAME", help="on which items (default: every benchmark they share)")
    compare.add_argument("--out", type=Path, metavar="FILE.html", help="write all of it as one file to send")

    labels = _command(commands, "labels", "results:labels", "what a person's hand labels say of a judge version")
    labels.add_argument("judge", metavar="RUN/judge-vN")
    labels.add_argument("--rater", default="me", metavar="NAME", help="whose labels (default: me)")
    labels.add_argument("--benchmark", metavar="NAME", help="on which items (default: those that decide)")

    export = _command(commands, "export", "results:export", "write a judge version as a PEFT folder or a merged model")
    export.add_argument("judge", metavar="RUN/judge-vN")
    export.add_argument("folder", type=Path, metavar="DIR")
    export.add_argument("--merged", action="store_true", help="merge the adapter into a copy of the base model")

    data = _command(commands, "export-data", "results:export_data", "write a run's kept traces and pairs as datasets")
    data.add_argument("name", metavar="RUN")
    data.add_argument("folder", type=Path, metavar="DIR")

    report = _command(commands, "report", "results:report", "write a self-contained HTML report of a run")
    report.add_argument("name", metavar="RUN")
    report.add_argument("--out", type=Path, metavar="FILE.html")

    sql = _command(
        commands, "sql", "results:sql", "query the workspace's tables with DuckDB; without a query, list them"
    )
    sql.add_argument("query", nargs="?")
    sql.add_argument("--limit", type=count, default=1000, metavar="ROWS")
    doctor = _command(commands, "doctor", "results:doctor", "versions, device, memory, disk, and what is missing")
    doctor.add_argument(
        "--for",
        dest="asked_for",
        metavar="PRESET|FILE.yaml",
        help="whether this machine can do that run; times a reply",
    )
    doctor.add_argument("settings", nargs="*", metavar="key=value", help="with --for: settings that win over it")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code: 0, 1 for an expected failure (one sentence on stderr), 2 for wrong usage."""
    # Torch's threads read this when it loads. By default they wait for each other by spinning, so that two of them
    # beside one other busy process ran the demo's training ten times slower; with fewer spins, nothing is lost alone.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    _speak_anywhere()
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = build_parser()
    if not words or (words[0].startswith("-") and words[0] not in {"-h", "--help", "--version"}):
        words.insert(0, "open")
    options = parser.parse_args(words)
    options.workspace = workspace_path(options.workspace)
    module, function = options.target.split(":")
    try:
        code = getattr(importlib.import_module(f"engine.commands.{module}"), function)(options)
        return int(code or 0)
    except StopRequested as stop:
        print(stop, file=sys.stderr)
        return 0
    except JudgeStudioError as error:
        print(f"judge-studio {options.command}: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("Interrupted. Finished work is kept.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 0  # the reader, e.g. `head`, has seen enough
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        where = f"{error.filename}: " if error.filename else ""
        what = f"{where}{error.strerror}. Check its permissions and the disk."
        print(f"judge-studio {options.command}: {what}", file=sys.stderr)
        return 1


def _speak_anywhere() -> None:
    """Terminals that know few letters get "?" for the others; without a home folder, caches go to a temporary one."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    if os.path.expanduser("~").startswith("~"):
        os.environ.setdefault("HF_HOME", os.path.join(tempfile.gettempdir(), f"judge-studio-{os.getuid()}", "hub"))


if __name__ == "__main__":
    sys.exit(main())
