"""The SQL tab without a browser: answers, refusals, the CSV, and questions that would end a process."""

import csv
import html
import re
import shlex
from pathlib import Path

import pytest

from engine.cli import main
from engine.errors import UsageError
from engine.workspace.folders import Workspace
from studio.jobs.sql import ask
from studio.tabs.sql.tab import EXAMPLES, show_answer, show_command, with_name
from studio.tabs.sql.view import pair_url
from tests.sample_workspace import HOSTILE, make_workspace


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return make_workspace(tmp_path_factory.mktemp("sql") / "ws")


@pytest.fixture(autouse=True)
def _own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "files"))


def test_answer_is_a_table_and_a_csv_with_hostile_text_as_text(workspace: Workspace) -> None:
    now = show_answer(workspace, "select pair_id, question, votes from pairs where iteration = 1 order by place_holder")
    assert "not found" in now.html
    now = show_answer(workspace, "select question, tokens, kept from pairs p join traces t using (pair_id) limit 300")
    assert "&lt;script&gt;" in now.html
    assert "<script" not in now.html
    assert now.csv is not None
    with open(now.csv, encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["question", "tokens", "kept"]
    assert len(rows) == 1 + 64
    assert HOSTILE in {row[0] for row in rows}


def test_empty_question_asks_for_one_and_an_empty_answer_says_so(workspace: Workspace) -> None:
    assert "Type a question" in show_answer(workspace, " \n").html
    now = show_answer(workspace, "from pairs where false")
    assert "The question has no rows." in now.html
    assert now.csv is None


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_is_answered(workspace: Workspace, name: str) -> None:
    result = ask(workspace, EXAMPLES[name].replace("{run}", "shapes-01"))
    assert result.columns


def test_write_is_refused_with_the_command_lines_sentence(workspace: Workspace) -> None:
    assert "DELETE is not allowed, the tables are read-only" in show_answer(workspace, "delete from pairs").html


def test_limit_is_kept_and_said(workspace: Workspace) -> None:
    result = ask(workspace, "from traces", limit=5)
    assert (len(result.rows), result.truncated) == (5, True)
    assert "the limit" in show_answer(workspace, "from traces", limit=5).html


def test_text_that_grows_beyond_memory_ends_the_child_and_not_the_page(workspace: Workspace) -> None:
    with pytest.raises(UsageError, match=r"memory|too long"):
        ask(workspace, "select repeat('x', 4000000000) from range(10)", seconds=5)


def test_question_without_end_is_stopped(workspace: Workspace) -> None:
    with pytest.raises(UsageError, match="took too long"):
        ask(workspace, "select count(*) from range(1000000000000)", seconds=0.5)


def test_question_of_many_megabytes_is_refused_unread(workspace: Workspace) -> None:
    with pytest.raises(UsageError, match="at most 20,000"):
        ask(workspace, "select 1 --" + "x" * 30_000)


def test_odd_values_survive_the_way_from_the_child(workspace: Workspace) -> None:
    result = ask(
        workspace, "select 'nan'::double a, null b, [1, 2] c, date '2026-01-02' d, 'é\u202e' e, true f, 1e300 g"
    )
    assert result.rows == [("nan", None, "[1, 2]", "2026-01-02", "é\u202e", True, 1e300)]


def test_formulas_are_texts_in_the_csv_and_numbers_stay_numbers(workspace: Workspace) -> None:
    now = show_answer(workspace, "select '=1+1' a, '@SUM(A1)' b, -3 c, 'a=b' d, '-x' \"+e\"")
    assert now.csv is not None
    with open(now.csv, encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [["a", "b", "c", "d", "'+e"], ["'=1+1", "'@SUM(A1)", "-3", "a=b", "'-x"]]


def test_row_leads_to_its_pair_whatever_columns_it_has() -> None:
    assert (
        pair_url(("iteration", "pair_id"), (2, "ab"), "one") == "?tab=pairs&run=one&pairs.iteration=2&pairs.item=2-ab"
    )
    assert pair_url(("run", "pair_id"), ("two", "ab"), "one") == "?tab=pairs&run=two&pairs.iteration=all&pairs.q=ab"
    assert pair_url(("n",), (1,), "one") is None
    assert pair_url(("pair_id",), (None,), "one") is None


def test_fault_of_a_question_ends_in_one_full_stop(workspace: Workspace) -> None:
    assert "!." not in show_answer(workspace, "select nothing").html


def test_command_asks_the_same_of_the_same_workspace(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    question = "-- all of it\nSELECT count(*) AS n -- of 'its' run\nFROM traces WHERE run = 'shapes-01'"
    shown = re.search("<pre[^>]*>(.*)</pre>", show_command(workspace, question), re.DOTALL)
    assert shown is not None
    command, *words = shlex.split(html.unescape(shown[1]).replace(" \\\n", " "))
    assert command == "judge-studio"
    assert main(words) == 0
    assert str(ask(workspace, question).rows[0][0]) in capsys.readouterr().out


def test_name_from_the_schema_is_added_where_it_makes_sense() -> None:
    assert with_name("", "pairs") == "FROM pairs LIMIT 20"
    assert with_name("", "dimension") == ""
    assert with_name("select ", "order") == 'select "order"'
    assert with_name("select 1", "'; drop") == "select 1"
