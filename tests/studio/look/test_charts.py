import itertools
import json
from typing import Any

import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.look.charts import (
    BASE,
    CONTROL,
    LABEL_GAP,
    NEW,
    ControlLine,
    DimensionDots,
    StepSeries,
    VersionPoint,
    accuracy_by_dimension,
    accuracy_by_version,
    loss_by_step,
    spread,
    token_accuracy_by_step,
)

ACCURACIES = (0.44, 0.53, 0.59, 0.61, 0.614)
HOSTILE = '<a href="https://evil.example">x</a><script>'


def _points(accuracies: tuple[float, ...] = ACCURACIES) -> list[VersionPoint]:
    return [
        VersionPoint(judge=f"judge-v{n}", accuracy=a, low=a - 0.04, high=a + 0.04) for n, a in enumerate(accuracies)
    ]


def _controls() -> list[ControlLine]:
    pairs = (("shorter wins", 0.41), ("longer wins", 0.40), ("always A", 0.0))
    return [ControlLine(name=name, accuracy=accuracy) for name, accuracy in pairs]


def _rows() -> list[DimensionDots]:
    return [
        DimensionDots(
            name="overall",
            n=480,
            older=(0.44, 0.40, 0.48),
            newer=(0.61, 0.57, 0.65),
            gain=0.17,
            gain_excludes_zero=True,
        ),
        DimensionDots(name="position", n=96, older=None, newer=(0.38, None, None), gain=None),
    ]


def _all_figures() -> list[go.Figure]:
    series = [StepSeries(name="judge-v1", steps=[1, 2, 3], values=[0.4, None, 0.2])]
    return [
        accuracy_by_version(_points(), _controls(), best="judge-v3"),
        accuracy_by_dimension(_rows(), older="judge-v0", newer="judge-v3"),
        loss_by_step(series, total_steps=145),
        token_accuracy_by_step(series),
    ]


def _texts(figure: go.Figure) -> list[str]:
    return [note.text for note in figure.layout.annotations]


def test_accuracy_line_has_every_version_with_grey_base_and_bigger_best() -> None:
    figure = accuracy_by_version(_points(), _controls(), best="judge-v3")
    line = next(trace for trace in figure.data if trace.mode == "lines+markers")

    assert tuple(line.y) == ACCURACIES
    assert line.marker.color[0] == BASE
    assert set(line.marker.color[1:]) == {NEW}
    assert [size > 8 for size in line.marker.size] == [False, False, False, True, False]
    assert list(figure.layout.xaxis.ticktext) == ["v0", "v1", "v2", "<b>v3</b>", "v4"]


def test_band_lies_between_the_ends_of_the_intervals() -> None:
    low, high = accuracy_by_version(_points()).data[:2]

    assert [round(value, 2) for value in low.y] == [0.40, 0.49, 0.55, 0.57, 0.57]
    assert [round(value, 2) for value in high.y] == [0.48, 0.57, 0.63, 0.65, 0.65]
    assert high.fill == "tonexty"
    assert low.line.width == high.line.width == 0


def test_controls_are_dashed_lines_named_at_the_right_edge() -> None:
    figure = accuracy_by_version(_points(), _controls(), best="judge-v3")
    dashed = [trace for trace in figure.data if trace.line.dash]

    assert [trace.y[0] for trace in dashed] == [0.41, 0.40, 0.0]
    assert {trace.line.color for trace in dashed} == {CONTROL}
    assert {"shorter wins 0.41", "longer wins 0.40", "always A 0.00", "<b>best: v3</b>"} <= set(_texts(figure))


def test_accuracy_axis_starts_at_zero_and_reaches_three_quarters_or_what_is_shown() -> None:
    low = accuracy_by_version(_points((0.2,))).layout.yaxis.range
    high = accuracy_by_version(_points((0.97,))).layout.yaxis.range

    assert low[0] == high[0] == 0
    assert low[1] >= 0.75
    assert high[1] >= 0.97


def test_accuracy_of_no_version_or_one_without_interval_still_draws() -> None:
    lonely = [VersionPoint(judge="judge-v0", accuracy=0.4, low=None, high=None)]

    assert accuracy_by_version([]).to_json()
    assert not any(trace.fill for trace in accuracy_by_version(lonely).data)


def test_dimension_dots_keep_intervals_and_bold_only_clear_gains() -> None:
    figure = accuracy_by_dimension(_rows(), older="judge-v0", newer="judge-v3")
    older, newer = figure.data

    assert list(older.x) == [0.44]
    assert [round(value, 2) for value in older.error_x.array] == [0.04]
    assert list(newer.x) == [0.61, 0.38]
    assert [round(value, 2) for value in newer.error_x.arrayminus] == [0.04, 0.0]
    assert _texts(figure) == ["<b>+0.17</b>", "–"]
    assert "480 items" in figure.layout.yaxis.ticktext[0]


def test_loss_keeps_unknown_steps_as_gaps_and_labels_the_last_value() -> None:
    series = [StepSeries(name="judge-v1", steps=[1, 2, 3], values=[0.4, None, 0.214])]
    figure = loss_by_step(series, total_steps=145)

    assert list(figure.data[0].y) == [0.4, None, 0.214]
    assert _texts(figure) == ["<b>0.214</b>"]
    assert figure.layout.xaxis.tickvals[-1] == 145


def test_newest_series_is_petrol_and_the_first_of_several_grey() -> None:
    series = [StepSeries(name=f"judge-v{n}", steps=[1], values=[0.4]) for n in (1, 2, 3)]

    assert [trace.line.color for trace in loss_by_step(series).data] == [BASE, "#5b93a8", NEW]


def test_every_figure_is_transparent_without_title_or_legend_and_zooms_along_steps_alone() -> None:
    for figure, by_step in zip(_all_figures(), (False, False, True, True), strict=True):
        layout = figure.layout
        assert layout.title.text is None
        assert layout.showlegend is False
        assert layout.paper_bgcolor == layout.plot_bgcolor == "rgba(0,0,0,0)"
        assert layout.dragmode == ("zoom" if by_step else False)
        assert layout.xaxis.fixedrange is not by_step
        assert layout.yaxis.fixedrange


def test_figures_use_only_basic_traces_that_the_bundled_plotly_knows() -> None:
    assert {trace.type for figure in _all_figures() for trace in figure.data} == {"scatter"}


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for part in value.values() for text in _strings(part)]
    return [text for part in value for text in _strings(part)] if isinstance(value, list) else []


def test_hostile_names_stay_text_in_every_figure() -> None:
    figures = [
        accuracy_by_version(
            [VersionPoint(judge=HOSTILE, accuracy=0.4, low=0.3, high=0.5)] * 2,
            [ControlLine(name=HOSTILE, accuracy=0.2)],
            best=HOSTILE,
        ),
        accuracy_by_dimension(
            [DimensionDots(name=HOSTILE, n=1, older=(0.4, 0.3, 0.5), newer=(0.4, 0.3, 0.5), gain=0.0)],
            older=HOSTILE,
            newer=HOSTILE,
        ),
        loss_by_step([StepSeries(name=HOSTILE, steps=[1], values=[0.4])]),
    ]
    texts = [text for figure in figures for text in _strings(json.loads(figure.to_json()))]

    assert any("evil" in text for text in texts)
    assert not any("<a" in text or "<script" in text for text in texts)


@given(values=st.lists(st.floats(0, 1), max_size=12).map(sorted))
def test_labels_are_spread_so_that_none_overlaps_and_order_stays(values: list[float]) -> None:
    places = spread(values, LABEL_GAP)

    assert len(places) == len(values)
    assert all(b - a >= LABEL_GAP - 1e-9 for a, b in itertools.pairwise(places))
    assert all(place >= 0 for place in places)


@pytest.mark.parametrize("values", [[0.1, 0.3, 0.9], [0.5]])
def test_labels_that_have_room_are_not_moved(values: list[float]) -> None:
    assert spread(values, LABEL_GAP) == values


def test_long_name_is_cut_before_the_edge_keeps_its_number_and_is_said_whole_on_hover() -> None:
    long = ControlLine(name="Llama-3.2-90B-Vision", accuracy=0.562, is_published=True)
    point = VersionPoint(judge="judge-v0", accuracy=0.4, low=0.3, high=0.5)
    figure = accuracy_by_version([point], [long])
    labels = [text for text in _strings(json.loads(figure.to_json())["layout"]["annotations"]) if "0.56" in text]
    assert labels == ["Llama-3.2-90B-… 0.56"]
    assert "published: Llama-3.2-90B-Vision" in figure.to_json()
