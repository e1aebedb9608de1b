import datetime
import json
import os
import subprocess
import sys

import pytest

from engine.commands.terminal import print_json
from tests.patience import seconds


def test_json_holds_only_what_every_reader_takes(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"nan": float("nan"), "deep": [(float("-inf"), 1.5)], "day": datetime.date(2026, 1, 2), "é": None}
    value["by day"] = {datetime.date(2026, 1, 2): 1}
    print_json(value)
    out = capsys.readouterr().out

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    assert json.loads(out, parse_constant=refuse) == {
        "nan": None,
        "deep": [[None, 1.5]],
        "day": "2026-01-02",
        "é": None,
        "by day": {"2026-01-02": 1},
    }


def test_work_goes_on_when_the_reader_of_its_lines_has_left() -> None:
    code = (
        "import sys\nfrom engine.commands.terminal import say\n"
        "for number in range(20000): say(f'line {number} ' + 'x' * 90)\n"
        "print('done', file=sys.stderr)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ}
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline().startswith("line 0")
        child.stdout.close()
        assert child.stderr is not None
        assert child.stderr.read() == "done\n"
        assert child.wait(timeout=seconds(60)) == 0
