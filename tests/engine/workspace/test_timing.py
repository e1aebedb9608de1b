"""Stage times from events: stretches of resumed runs add up, crashes and damaged lines count for nothing."""

from engine.workspace.timing import times_of


def begin(time: float, stage: str, iteration: int = 1, total: int | None = 10) -> dict[str, object]:
    return {"time": time, "event": "begin", "stage": stage, "iteration": iteration, "total": total}


def test_stage_lasts_until_the_next_one_begins() -> None:
    times = times_of([begin(0, "synthesize"), begin(60, "judge"), {"time": 90, "event": "done"}])
    assert times[1, "synthesize"].seconds == 60
    assert times[1, "judge"].seconds == 30
    assert all(time.finished for time in times.values())


def test_stop_and_resume_add_up_without_the_pause() -> None:
    events = [begin(0, "judge"), {"time": 20, "event": "stopped"}, {"time": 500, "event": "start"},
              begin(510, "judge"), {"time": 540, "event": "iteration"}]  # fmt: skip
    times = times_of(events)
    assert times[1, "judge"].seconds == 50
    assert times[1, "judge"].finished


def test_crash_leaves_its_stretch_out() -> None:
    times = times_of([begin(0, "judge"), {"time": 9_000, "event": "start"}, begin(9_000, "judge")])
    assert times[1, "judge"].seconds == 0
    assert not times[1, "judge"].finished


def test_events_with_missing_fields_are_passed_over() -> None:
    assert times_of([{"event": "begin"}, {"time": "x", "event": "begin", "stage": "judge"}, {"time": 1.0}]) == {}
