"""Panels that share an axis, rows that are not filled, and methods that are told apart."""

import itertools
from dataclasses import replace

import pytest
from fvm_eval.analysis import analyse
from fvm_eval.analysis.secondary import secondary_of
from fvm_eval.report.captions import pictures
from fvm_eval.report.families import family_label
from fvm_eval.report.figures import curves
from fvm_eval.report.figures.differences import differences
from fvm_eval.report.figures.forgetting import told_apart
from fvm_eval.report.method_styles import method_styles
from matplotlib.backends.backend_agg import FigureCanvasAgg


@pytest.fixture(scope="module")
def parted(design):
    """Six methods under one condition, two under the next: panels share an axis."""
    study = design(families=8, sizes=(100,), tasks=2, seeds=2)
    names = [f"{'many' if place < 6 else 'few'}" for place, _ in enumerate(study.methods)]
    return analyse(replace(study, conditions=dict(zip(study.methods, names, strict=True))))


def test_many_returns_that_jump_have_a_panel_for_each_method(design):
    """Six methods in one panel hid each other; each panel holds one mean, its seeds and its last interval."""
    few, many = (analyse(design(families=n, sizes=(100,), tasks=1, seeds=2)) for n in (4, 6))
    for narrow in (False, True):
        assert len(curves.online(few, narrow).axes) == 1
        figure = curves.online(many, narrow)
        drawn = [axes for axes in figure.axes if axes.get_title()]
        titles = [axes.get_title().replace("\n", " ") for axes in drawn]
        assert titles == [family_label(many.study, method) for method in many.study.methods]
        for axes, method in zip(drawn, many.study.methods, strict=True):
            mine = many.online.filter(method=method)
            thick, *thin = (line for line in axes.lines if len(line.get_xdata()) > 2)
            assert list(thick.get_ydata()) == mine["value"].to_list()
            assert {line.get_color() for line in [thick, *thin]} == {method_styles(many.study)[method].colour}
            assert len(thin) == 2
        assert "mean of 2 seeds; thin: each seed" in figure.get_supxlabel().replace("\n", " ")


@pytest.mark.parametrize("draw", [curves.adaptation, curves.online])
def test_intervals_at_the_end_are_all_within_their_panel(parted, draw):
    """The last panel, of two methods, had set the axis of all: four of the first's six bars were cut off."""
    for narrow in (False, True):
        drawn = {axes.get_title(): axes for axes in draw(parted, narrow).axes if axes.get_title()}
        assert list(drawn) == ["many", "few"]
        bars = [line.get_xdata()[0] for line in drawn["many"].lines if len(set(line.get_xdata())) == 1]
        assert len(set(bars)) >= 6
        assert max(bars) < drawn["many"].get_xlim()[1]
        assert drawn["many"].get_xlim() == drawn["few"].get_xlim()


def test_names_beside_an_unfilled_row_do_not_move_the_rows_above(design):
    """Five panels in rows of three: names of lines at the fifth pushed the third to the right."""
    study = design(families=10, sizes=(100,), tasks=2, seeds=2)
    conditions = {method: f"condition {place // 2}" for place, method in enumerate(study.methods)}
    figure = curves.adaptation(analyse(replace(study, conditions=conditions)), False)
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    first, second, third, _, fifth, *_ = (axes.get_position() for axes in figure.axes)
    assert third.x0 - second.x1 == pytest.approx(second.x0 - first.x1, abs=0.002)
    assert fifth.x0 == pytest.approx(second.x0)


def test_numbers_of_neighbouring_columns_of_differences_do_not_touch(analysis):
    figure = differences(analysis, False)
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    columns = []
    for axes in figure.axes:
        low, high = axes.get_xlim()
        shown = [tick.label1 for tick in axes.xaxis.get_major_ticks() if low <= tick.get_loc() <= high]
        columns.append([label.get_window_extent(renderer) for label in shown])
    assert len(columns) > 1
    assert all(columns)
    size = max(box.width for boxes in columns for box in boxes)
    for before, after in itertools.pairwise(columns):
        assert after[0].x0 - before[-1].x1 > size / 2


def test_bands_of_profiles_are_told_of_where_some_panels_have_them(parted):
    told = {picture.name: picture.caption for picture in pictures(parted, secondary_of(parted))}
    assert "by itself, where at most 4 methods share a panel." in told["profiles"]


def test_points_of_one_family_are_told_apart_in_colour_of_the_family(study):
    """Three coefficients of one retention were three lines of one look, one of them in the legend."""
    looks, names = told_apart(study, study.methods)
    pair = [looks[f"multitask@{size}"] for size in (100, 1000)]
    assert pair[0].colour == pair[1].colour
    assert pair[0].dashes != pair[1].dashes
    assert pair[0].marker != pair[1].marker
    assert set(names) == {study.label(method) for method in study.methods}
    alone, legend = told_apart(study, ["scratch", "multitask@100"])
    assert alone == {method: method_styles(study)[method] for method in alone}
    assert list(legend) == [family_label(study, method) for method in alone]
