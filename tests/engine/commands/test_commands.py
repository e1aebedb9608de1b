"""The commands that show and hand out results, on a finished run."""

import json
import re
import shutil
from pathlib import Path

import pytest

from engine.cli import main
from engine.commands.judge import _reached
from engine.config import load_settings
from engine.errors import UsageError
from engine.judging.judges import resolve_judge
from engine.workspace.folders import RunFolder, open_workspace
from tests.made_run import made_run
from tests.tiny_models import save_tiny_llava


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("commands")
    return made_run(folder / "ws", save_tiny_llava(folder / "base", width=32, vision_layers=1, layers=1))


def call(run: RunFolder, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main([words[0], "--workspace", str(run.workspace.root), *words[1:]])
    return code, *capsys.readouterr()


def test_status_shows_state_best_and_the_accuracy_table(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(run, capsys, "status")
    assert code == 0
    assert "made: done, 5 min 21 s of work, best judge-v1" in out
    assert "strict (both orders right)" in out
    assert json.loads(call(run, capsys, "status", "made", "--json")[1])["best"] == "judge-v1"


def test_runs_lists_the_run(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert "made" in call(run, capsys, "runs")[1]


def test_sql_answers_and_lists_tables_and_refuses_to_write(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(call(run, capsys, "sql", "select 1 as one", "--json")[1]) == [{"one": 1}]
    assert "traces(run" in call(run, capsys, "sql")[1].replace("traces(run,", "traces(run")
    code, _, error = call(run, capsys, "sql", "drop view pairs")
    assert code in (1, 2)
    assert error.count("\n") == 1


def test_compare_prints_the_paired_gain_of_every_slice(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(run, capsys, "compare", "made/judge-v0", "made/judge-v1", "--json")
    rows = json.loads(out)
    assert code == 0
    assert {row["dimension"] for row in rows} >= {"all"}
    assert all(row["gain_low"] <= row["gain"] <= row["gain_high"] for row in rows)


def test_compare_of_a_version_that_is_not_there_says_which_are(
    run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, error = call(run, capsys, "compare", "made/judge-v0", "made/judge-v9")
    assert code == 1
    assert "Versions here: judge-v0, judge-v1, judge-v2" in error


def test_compare_of_two_runs_and_a_control_says_settings_and_gains(
    run: RunFolder, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    other = run.workspace.run("other")
    if not other.folder.exists():
        shutil.copytree(run.folder, other.folder)
        other.config.write_text(other.config.read_text("utf-8").replace("max_per_pair: 2", "max_per_pair: 4"), "utf-8")
    sides = ["made/judge-v1", "other/judge-v0", "other/judge-v2"]
    code, out, _ = call(run, capsys, "compare", *sides)
    assert code == 0
    assert "select.max_per_pair" in out
    assert "other/judge-v0 against made/judge-v1 on 30 shared items: −0.600" in out
    assert "a clear loss" in out
    file = tmp_path / "two.html"
    assert call(run, capsys, "compare", *sides, "--benchmark", "shapes", "--out", str(file))[0] == 0
    text = file.read_text("utf-8")
    assert "18 items" in text, "judge-v1 had 18 right, judge-v0 none"
    assert "<script" not in text
    assert not re.search(r"(?:src|href)=.?https?:", text), "it loads nothing"
    code, _, error = call(run, capsys, "compare", "made/judge-v1", "made/control:nonsense")
    assert (code, "Controls here: none yet" in error) == (1, True)


def test_exports_and_report_are_written(run: RunFolder, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert call(run, capsys, "export", "made/judge-v1", str(tmp_path / "adapter"))[0] == 0
    assert (tmp_path / "adapter" / "adapter_model.safetensors").is_file()
    assert call(run, capsys, "export-data", "made", str(tmp_path / "data"))[0] == 0
    assert (tmp_path / "data" / "README.md").is_file()
    assert call(run, capsys, "report", "made", "--out", str(tmp_path / "report.html"))[0] == 0
    assert "<script>alert" not in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["judge"], "one comparison needs --image, --question, --a, --b"),
        (["judge", "--image", "gone.png", "--question", "q", "--a", "a", "--b", "b"], "no file at gone.png"),
        (["judge", "gone.jsonl"], "needs --out"),
        (["judge", "gone.jsonl", "--out", "o.jsonl"], "cannot read"),
        (["stop", "made"], "nothing to stop"),
        (["export", "made/judge-v0", "somewhere"], "has no adapter"),
        (["export-data", "nope", "somewhere"], "no run called 'nope'"),
    ],
)
def test_mistake_is_one_sentence(
    run: RunFolder, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    code, _, error = call(run, capsys, *words)
    assert code in (1, 2)
    assert says in error
    assert error.count("\n") == 1


def test_judge_rules_on_one_and_on_a_file_that_can_be_continued(
    run: RunFolder, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    image = next(run.workspace.images.glob("*/*.png"))
    one = ["--image", str(image), "--question", "How many?", "--a", "One.", "--b", "Two."]
    code, out, _ = call(run, capsys, "judge", *one, "--judge", "made/judge-v0", "--judge", "made/judge-v1", "--json")
    assert code == 0
    assert [ruling["judge"] for ruling in json.loads(out)] == ["made/judge-v0", "made/judge-v1"]
    lines = [{"image": str(image), "question": "How many?", "a": str(n), "b": "none"} for n in range(3)]
    (tmp_path / "in.jsonl").write_text("\n".join(map(json.dumps, lines)))
    words = ["judge", str(tmp_path / "in.jsonl"), "--out", str(tmp_path / "out.jsonl"), "--judge", "made", "--json"]
    assert json.loads(call(run, capsys, *words)[1])["new"] == 3
    assert json.loads(call(run, capsys, *words)[1])["new"] == 0
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 3


def test_evaluate_measures_on_a_file_of_comparisons(
    run: RunFolder, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    images = [shutil.copy(image, tmp_path) for image in run.workspace.images.glob("*/*.png")]
    rows = [
        {"image": Path(image).name, "question": "How many?", "preferred": "One.", "degraded": "Two."}
        for image in images
    ]
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, rows)))
    words = ["evaluate", "--judge", "made/judge-v1", "--benchmark", str(tmp_path / "mine.jsonl")]
    code, out, error = call(run, capsys, *words, "--json")
    assert code == 0, error
    assert json.loads(out)[0][0]["n"] == len(images)
    assert "none called 'odd'" in call(run, capsys, *words, "--protocol", "odd")[2]


def test_part_that_is_cut_off_is_named_by_sql_and_report(
    run: RunFolder, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    part = next(run.folder.glob("iteration-01/synthesize/pairs-*.parquet"))
    whole = part.read_bytes()
    try:
        part.write_bytes(whole[:100])
        code, _, error = call(run, capsys, "sql", "select count(*) from pairs")
        assert code == 0
        assert f"left out: {part}: this part is cut off" in error
        code, _, error = call(run, capsys, "report", "made", "--out", str(tmp_path / "r.html"))
        assert str(part) in error
        if code == 0:
            assert str(part) in (tmp_path / "r.html").read_text()
    finally:
        part.write_bytes(whole)


@pytest.mark.parametrize("line", ["[" * 100_000, '{"a": ' * 100_000 + "1" + "}" * 100_000, '{"question": ["'])
def test_file_with_a_line_that_is_nested_without_end_is_one_sentence_that_names_the_line(
    run: RunFolder, capsys: pytest.CaptureFixture[str], tmp_path: Path, line: str
) -> None:
    (tmp_path / "in.jsonl").write_text(f'{{"question": "q", "a": "x", "b": "y"}}\n{line}\n')
    words = ["judge", str(tmp_path / "in.jsonl"), "--out", str(tmp_path / "o.jsonl"), "--judge", "made"]
    code, _, error = call(run, capsys, *words)
    assert code == 1
    assert "in.jsonl line 2: not JSON" in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "o.jsonl").exists()


@pytest.mark.parametrize("out", [".", "nowhere/report.html"])
def test_report_that_can_be_written_nowhere_says_so(
    run: RunFolder, capsys: pytest.CaptureFixture[str], tmp_path: Path, out: str
) -> None:
    code, _, error = call(run, capsys, "report", "made", "--out", str(tmp_path / out))
    assert code == 2
    assert "Name a file in a folder that is there" in error


def test_verdicts_that_can_be_written_nowhere_are_not_asked_for(
    run: RunFolder, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.commands.judge.opened", lambda *_: pytest.fail("a model was loaded"))
    (tmp_path / "in.jsonl").write_text('{"question": "q", "a": "x", "b": "y"}')
    words = ["judge", str(tmp_path / "in.jsonl"), "--out", str(tmp_path / "nowhere/o.jsonl"), "--judge", "made"]
    code, _, error = call(run, capsys, *words)
    assert code == 2
    assert "there is no folder" in error


@pytest.mark.parametrize(
    ("data", "said"), [(b"<html>gone</html>", "a web page"), (b"", "empty"), (b"\0\0\0\x18ftypheic", "HEIC")]
)
def test_picture_that_is_none_is_named_before_a_model_is_loaded(
    run: RunFolder,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    data: bytes,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("engine.commands.judge.opened", lambda *_: pytest.fail("a model was loaded"))
    (tmp_path / "a.png").write_bytes(data)
    one = ["--image", str(tmp_path / "a.png"), "--question", "q", "--a", "x", "--b", "y", "--judge", "made"]
    code, _, error = call(run, capsys, "judge", *one)
    assert code == 2
    assert said in error


def test_export_of_an_adapter_whose_settings_were_lost_is_one_sentence(
    run: RunFolder, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    settings = run.adapter(1) / "adapter_config.json"
    whole = settings.read_text()
    try:
        settings.write_text("")
        code, _, error = call(run, capsys, "export", "made/judge-v1", str(tmp_path / "out"))
    finally:
        settings.write_text(whole)
    assert code == 1
    assert "adapter_config.json" in error
    assert error.count("\n") == 1


def test_words_that_are_no_text_reach_the_judge_as_the_sign_for_it(
    run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    image = next(run.workspace.images.glob("*/*.png"))
    one = ["--image", str(image), "--question", "caf\udce9?", "--a", "cut \ud83d", "--b", "Two.", "--judge", "made"]
    code, out, error = call(run, capsys, "judge", *one, "--json")
    assert code == 0, error
    json.loads(out)[0]["verdict"].encode()


def test_judge_is_reached_as_the_words_after_it_say(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path)
    words = ["model.url=http://127.0.0.1:9/v1", "model.served_name=base"]
    ref = _reached(resolve_judge("shapes-vlm", workspace), words)
    model = ref.settings.model
    assert (model.backend, model.url, model.served_name) == ("openai", "http://127.0.0.1:9/v1", "base")
    assert ref.settings.judge == load_settings().judge
    for word in ("judge.temperature=0", "model.base=other"):
        with pytest.raises(UsageError, match=r"only model\.\* can be set here"):
            _reached(ref, [word])
