"""Plots of results: intervals for functions that were measured with the same sizes, curves over several sizes."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from hatframe.errors import HatError, UsageError
from hatframe.files import write_atomically
from hatframe.format.pairs import pairs_text
from hatframe.results.comparison import short_names
from hatframe.results.model import FunctionResult, ResultsDocument
from hatframe.results.text import date_text, duration

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which people with any vision can distinguish.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#b8a800")
_GREY = "#9a9a9a"
# More rows are too small to read, and more curves look alike.
_MOST_ROWS, _MOST_CURVES = 100, len(_COLOURS)
# More sizes side by side overlap.
_MOST_LEVEL = 8
# A linear axis hides what is this many times smaller than the largest.
_LOG_FROM = 8
_INCHES_WIDE, _INCHES_OF_ROW, _INCHES_OF_CURVES, _INCHES_OF_FRAME = 8.0, 0.3, 4.0, 1.1

_STYLE: Any = {
    # Text stays text: it can be searched, and takes the fonts of the viewer.
    "svg.fonttype": "none",
    # The same results give the same file.
    "svg.hashsalt": "hatframe",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": "medium",
    "axes.grid": True,
    "grid.color": "#e5e5e5",
    "axes.axisbelow": True,
    "legend.frameon": False,
    # A name with dollar signs is not a formula.
    "text.parse_math": False,
}


class _Point(msgspec.Struct, frozen=True):
    """One result: the run and the function that it is of, and whether that may be the fastest of its group."""

    run: str
    function: str
    result: FunctionResult
    best: bool

    @property
    def interval(self) -> tuple[float, float, float]:
        """The ends of the interval, around the time, in seconds."""
        figures = self.result.statistics
        assert figures is not None
        return figures.time_low, figures.time, figures.time_high

    @property
    def time(self) -> float:
        return self.interval[1]


def plot_results(runs: Sequence[tuple[str, ResultsDocument]], path: Path) -> None:
    """Draw the runs, each given with its name, to ``path``, in the format of its suffix: .svg, .png, .pdf …

    Functions that compete share a panel. Raises :class:`HatError` if matplotlib is not installed, there is nothing to
    draw, or the file cannot be written.
    """
    try:
        import matplotlib as mpl
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise HatError("matplotlib is not installed", hint="pip install 'hatframe[plot]'") from None
    suffix = path.suffix.lstrip(".").lower()
    if suffix not in FigureCanvasAgg.get_supported_filetypes():
        raise UsageError("unknown kind of picture", where=str(path), hint="name a file that ends in .svg, .png or .pdf")
    panels = list(_panels(_points(runs)))
    if not panels:
        raise HatError("no result has figures to draw", where=", ".join(name for name, _ in runs))
    with mpl.rc_context(_STYLE):
        heights = [_height(panel) for panel in panels]
        figure = Figure(figsize=(_INCHES_WIDE, sum(heights)), layout="constrained")
        all_axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
        for axes, panel in zip(all_axes, panels, strict=True):
            (_curves if _is_sweep(panel) else _intervals)(axes, panel)
        _title(figure, runs)
        picture = io.BytesIO()
        figure.savefig(picture, format=suffix, dpi=150, metadata={"Date": None} if suffix == "svg" else None)
    try:
        write_atomically(path, picture.getvalue())
    except OSError as error:
        raise HatError(f"cannot be written: {error.strerror or error}", where=str(path)) from None


def run_label(name: str, document: ResultsDocument) -> str:
    """A run as people know it: its file and its date."""
    return ", ".join(filter(None, (name, date_text(document.run.started))))


def _title(figure: Figure, runs: Sequence[tuple[str, ResultsDocument]]) -> None:
    machines = dict.fromkeys(str(document.run.machine) for _, document in runs)
    lines = [run_label(*runs[0])] if len(runs) == 1 else []
    figure.suptitle("\n".join(filter(None, (*lines, *machines))), x=0.01, ha="left", fontsize="small", color="#555555")


def _points(runs: Sequence[tuple[str, ResultsDocument]]) -> Iterator[_Point]:
    for name, document in runs:
        best = {position for ranking in document.rankings for position in (ranking.fastest, *ranking.indistinguishable)}
        names = short_names(document.results)
        for position, (function, result) in enumerate(zip(names, document.results, strict=True)):
            if result.statistics:
                yield _Point(run_label(name, document), function, result, position in best)


def _panels(points: Iterator[_Point]) -> Iterator[list[_Point]]:
    """The points of each panel: functions that share a group, with any sizes and in any run, are in one."""
    panels: list[tuple[set[tuple[str, str]], list[_Point]]] = []
    for point in points:
        # Results of files that have no groups compete if they have the same sizes.
        group = point.result.group or pairs_text(point.result.sizes)
        keys = {("function", point.function), ("group", group)}
        joined = [point]
        for panel in [panel for panel in panels if panel[0] & keys]:
            panels.remove(panel)
            keys |= panel[0]
            joined = panel[1] + joined
        panels.append((keys, joined))
    yield from (members for _, members in panels)


def _is_sweep(panel: Sequence[_Point]) -> bool:
    return len({pairs_text(point.result.sizes) for point in panel}) > 1


def _height(panel: Sequence[_Point]) -> float:
    if _is_sweep(panel):
        return _INCHES_OF_CURVES + _INCHES_OF_FRAME
    rows = min(_MOST_ROWS, len({point.function for point in panel}))
    return max(3, rows * max(1.0, 0.6 * len({point.run for point in panel}))) * _INCHES_OF_ROW + _INCHES_OF_FRAME


def _by(panel: Sequence[_Point], name: str) -> dict[str, list[_Point]]:
    """The points by their run or function, in the order of the first of each."""
    found: dict[str, list[_Point]] = {}
    for point in panel:
        found.setdefault(getattr(point, name), []).append(point)
    return found


def _intervals(axes: Axes, panel: Sequence[_Point]) -> None:
    """A row for each function, the fastest on top; those that may be the fastest stand out."""
    runs = list(_by(panel, "run"))
    functions = sorted(_by(panel, "function").items(), key=lambda entry: min(point.time for point in entry[1]))
    shown = functions[:_MOST_ROWS]
    for row, (_, points) in enumerate(shown):
        for point in points:
            number = runs.index(point.run)
            place = row + (number - (len(runs) - 1) / 2) * 0.6 / len(runs)
            low, time, high = point.interval
            colour = _COLOURS[number % len(_COLOURS)] if len(runs) > 1 or point.best else _GREY
            axes.errorbar([time], [place], xerr=[[time - low], [high - time]], fmt="o", color=colour, capsize=3)
    axes.set_yticks(range(len(shown)), [name for name, _ in shown])
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    _time_axis(axes.xaxis, [point.time for _, points in shown for point in points])
    axes.set_xlabel("time of a call, with the 95 % interval")
    more = f"the fastest {len(shown)} of {len(functions)}" if len(shown) < len(functions) else ""
    axes.set_title(", ".join(filter(None, (pairs_text(panel[0].result.sizes), more))))
    _legend(axes, {run: {"marker": "o", "color": _COLOURS[number % len(_COLOURS)]} for number, run in enumerate(runs)})


def _curves(axes: Axes, panel: Sequence[_Point]) -> None:
    """A curve for each function over the sizes, with its interval as a band; runs differ by their lines."""
    runs = list(_by(panel, "run"))
    label, places, ticks = _size_axis([point.result.sizes for point in panel])
    functions = _by(panel, "function")
    # The fastest at the largest size have a colour.
    last = max(places.values())
    at_end = {name: _time_at(points, places, last) for name, points in functions.items()}
    coloured = sorted(functions, key=lambda name: at_end[name])[:_MOST_CURVES]
    styles = ("-", "--", ":", "-.")
    legend: dict[str, dict[str, Any]] = {}
    for name in (*(name for name in functions if name not in coloured), *coloured):
        colour = _COLOURS[coloured.index(name)] if name in coloured else _GREY
        legend["others" if name not in coloured else name] = {"color": colour}
        for run, points in _by(functions[name], "run").items():
            points.sort(key=lambda point: places[pairs_text(point.result.sizes)])
            where = [places[pairs_text(point.result.sizes)] for point in points]
            low, time, high = zip(*(point.interval for point in points), strict=True)
            style = styles[runs.index(run) % len(styles)]
            axes.plot(where, time, style, marker="o", markersize=4, color=colour, linewidth=1.5)
            axes.fill_between(where, low, high, color=colour, alpha=0.2, linewidth=0)
    if ticks is None:
        _number_axis(axes.xaxis, list(places.values()))
    else:
        axes.set_xticks(list(ticks), list(ticks.values()), rotation=20, ha="right")
    _time_axis(axes.yaxis, [point.time for point in panel])
    axes.set_xlabel(label)
    axes.set_ylabel("time of a call")
    others = [legend.pop("others")] if "others" in legend else []
    entries = {**legend, **({f"{len(functions) - len(coloured)} slower ones": others[0]} if others else {})}
    if len(runs) > 1:
        entries |= {run: {"color": "black", "linestyle": styles[i % len(styles)]} for i, run in enumerate(runs)}
    _legend(axes, entries)


def _time_at(points: Sequence[_Point], places: Mapping[str, float], place: float) -> float:
    """The time at one size, or infinity if that was not measured."""
    times = (point.time for point in points if places[pairs_text(point.result.sizes)] == place)
    return min(times, default=math.inf)


def _size_axis(sizes: Sequence[Mapping[str, int]]) -> tuple[str, dict[str, float], dict[float, str] | None]:
    """The axis of sizes: its label, the place of each by its text, and the labels of places that are not numbers."""
    distinct = {pairs_text(each): each for each in sizes}
    names = list(dict.fromkeys(name for each in sizes for name in each))
    varying = [name for name in names if len({each.get(name) for each in distinct.values()}) > 1]
    fixed = {name: sizes[0][name] for name in names if name not in varying}
    numbers = {text: {each.get(name) for name in varying} for text, each in distinct.items()}
    if all(len(values) == 1 and None not in values for values in numbers.values()):
        label = " = ".join(varying) + (f" ({pairs_text(fixed)})" if fixed else "")
        return label, {text: float(each[varying[0]]) for text, each in distinct.items()}, None
    places = {text: float(place) for place, text in enumerate(distinct)}
    return "sizes", places, {place: text for text, place in places.items()}


def _time_axis(axis: Any, times: Sequence[float]) -> None:
    from matplotlib.ticker import FuncFormatter

    if min(times) > 0 and max(times) > _LOG_FROM * min(times):
        _log(axis, max(times) < 100 * min(times))
    axis.set_major_formatter(FuncFormatter(lambda value, _: duration(value) if value > 0 else "0"))


def _number_axis(axis: Any, numbers: Sequence[float]) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    if min(numbers) > 0 and max(numbers) > _LOG_FROM * min(numbers):
        _log(axis, False)
        axis.set_minor_locator(NullLocator())
    axis.set_major_locator(FixedLocator(sorted(set(numbers))))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))
    if len(set(numbers)) > _MOST_LEVEL:
        axis.set_tick_params(rotation=30)


def _log(axis: Any, several_in_a_decade: bool) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    getattr(axis.axes, f"set_{axis.axis_name}scale")("log")
    if several_in_a_decade:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_minor_formatter(NullFormatter())


def _legend(axes: Axes, entries: Mapping[str, Mapping[str, Any]]) -> None:
    """A legend outside of the panel, of lines with these properties; none for a single entry."""
    from matplotlib.lines import Line2D

    if len(entries) > 1:
        lines = [Line2D([], [], label=label, **properties) for label, properties in entries.items()]
        axes.legend(handles=lines, loc="upper left", bbox_to_anchor=(1.01, 1))
