"""The pictures, each as the text of an SVG file. Needs matplotlib."""

import io
import math

import matplotlib

matplotlib.use("svg")

from matplotlib import pyplot, ticker  # noqa: E402 (the backend has to be chosen first)

from sustained import has_leaders_checkpoint, is_away, moves_snapshot  # noqa: E402

GIB = 1024**3
MIB = 1024**2

# The same colour for a system, and for a node, in every picture.
SYSTEMS = {
    "quorate": ("Quorate, 3 nodes", "#c0392b"),
    "redis-aof": ("redis-server, appendfsync always", "#2471a3"),
    "redis": ("redis-server, no persistence", "#85929e"),
    "etcd": ("etcd, 3 members", "#b7950b"),
}
NODES = ("#c0392b", "#2471a3", "#1e8449")
POINTS_MAX = 300  # of a line over time

pyplot.rcParams.update(
    {
        "svg.fonttype": "none",  # text as text
        "svg.hashsalt": "quorate",  # the same file for the same numbers
        "font.family": "sans-serif",
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.color": "#dddddd",
        "grid.linewidth": 0.6,
        "lines.linewidth": 1.4,
    }
)


def throughput_by_clients(result):
    figure, panels = pyplot.subplots(1, 2, figsize=(9, 3.6))
    for axes, operation in zip(panels, ("set", "get")):
        for samples, name, colour in _curves(result, operation):
            axes.plot(
                [sample["clients"] for sample in samples],
                [sample["requests_per_second"] / 1000 for sample in samples],
                color=colour,
                label=name,
                marker="o",
                markersize=3,
            )
        axes.set_title(f"{operation.upper()}, 64 bytes")
        axes.set_xscale("log")
        _plain_ticks(axes.xaxis)
        axes.set_xlabel("clients, each waiting for its reply")
        axes.set_ylabel("thousand requests per second")
        axes.set_ylim(bottom=0)
    return _finish(figure, panels[0])


def latency_by_load(result):
    figure, panels = pyplot.subplots(2, 2, figsize=(9, 6), sharex="col")
    clients = sorted({sample["clients"] for sample in result["sweep"]})
    for column, operation in zip(panels.T, ("set", "get")):
        column[0].set_title(f"{operation.upper()}, 64 bytes, {clients[0]} to {clients[-1]} clients")
        column[-1].set_xlabel("thousand requests per second")
        for axes, percentile in zip(column, ("p50_ms", "p99_ms")):
            for samples, name, colour in _curves(result, operation):
                axes.plot(
                    [sample["requests_per_second"] / 1000 for sample in samples],
                    [sample[percentile] for sample in samples],
                    color=colour,
                    label=name,
                    marker="o",
                    markersize=3,
                )
            axes.set_xscale("log")
            axes.set_yscale("log")
            _plain_ticks(axes.xaxis)
            _plain_ticks(axes.yaxis)
            axes.set_ylabel(f"{percentile[:3]}, ms")
    return _finish(figure, panels[0][0])


def sustained_run(result):
    seconds = result["seconds"]
    names = list(seconds[0]["nodes"])
    figure, panels = pyplot.subplots(4, 1, figsize=(9, 9), sharex=True)
    throughput, latency, memory, disk = panels

    times, values = _thinned(seconds, lambda second: second["requests_per_second"], _mean)
    throughput.plot(times, [value / 1000 for value in values], color="#333333")
    throughput.set_ylabel("thousand SETs per second")
    for percentile, name, colour in (
        ("p50_ms", "p50", "#1e8449"),
        ("p99_ms", "p99", "#2471a3"),
        ("p999_ms", "p99.9", "#c0392b"),
    ):
        times, values = _thinned(seconds, lambda second: second[percentile], max)
        latency.plot(times, values, color=colour, label=name)
    latency.set_yscale("log")
    _plain_ticks(latency.yaxis)
    latency.set_ylabel("ms, of each second")
    checkpoints = [second["at_seconds"] for second in seconds if has_leaders_checkpoint(second)]
    latency.plot(
        checkpoints,
        [0.02] * len(checkpoints),
        transform=latency.get_xaxis_transform(),
        linestyle="",
        marker="|",
        color="#888888",
        label="leader's checkpoint",
    )
    latency.legend(loc="lower right", bbox_to_anchor=(1, 0.97), ncol=4, frameon=False)

    for name, colour in zip(names, NODES):
        for axes, column, unit, style in (
            (memory, "own_bytes", MIB, "-"),
            (memory, "mapped_bytes", MIB, ":"),
            (disk, "disk_bytes", GIB, "-"),
        ):
            times, values = _thinned(
                seconds, lambda second: second["nodes"][name].get(column, math.nan), max
            )
            axes.plot(
                times,
                [value / unit for value in values],
                color=colour,
                linestyle=style,
                label=name if style == "-" else None,
            )
    memory.set_ylabel("MiB (dotted: LMDB's pages)")
    disk.set_ylabel("GiB on disk")
    disk.set_xlabel("seconds")
    for axes in panels:
        if axes is not latency:
            axes.set_ylim(bottom=0)
        _shade(axes, seconds, is_away, "#eeeeee")
        _shade(axes, seconds, moves_snapshot, "#f9e0c7")
    settings = result["settings"]
    throughput.set_title(
        f"{settings['clients']} clients, {settings['keys']:,} keys, {settings['value_bytes']} bytes"
        "; grey: a follower is stopped, orange: it gets a snapshot"
    )
    return _finish(figure, memory)


def _curves(result, operation):
    """For each system its samples by number of clients, its name and its colour."""
    for system, (name, colour) in SYSTEMS.items():
        samples = [
            sample
            for sample in result["sweep"]
            if sample["operation"] == operation and sample["system"] == system
        ]
        if samples:
            yield sorted(samples, key=lambda sample: sample["clients"]), name, colour


def _thinned(seconds, value_of, join):
    """Times and values, of so many seconds together that the line stays small."""
    step = -(-len(seconds) // POINTS_MAX)
    groups = [seconds[start : start + step] for start in range(0, len(seconds), step)]
    times = [group[-1]["at_seconds"] for group in groups]
    return times, [join([value_of(second) for second in group]) for group in groups]


def _mean(values):
    return sum(values) / len(values)


def _shade(axes, seconds, chosen, colour):
    start = None
    for second in [*seconds, None]:
        if second and chosen(second):
            start = start if start is not None else second["at_seconds"] - 1
            end = second["at_seconds"]
        elif start is not None:
            axes.axvspan(start, end, color=colour, linewidth=0, zorder=0)
            start = None


def _plain_ticks(axis):
    axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(ticker.NullLocator())


def _finish(figure, legend_of):
    """The figure as SVG, with one legend below for all panels."""
    handles, names = legend_of.get_legend_handles_labels()
    figure.tight_layout(rect=(0, 0.3 / figure.get_figheight(), 1, 1))
    figure.legend(handles, names, loc="lower center", ncol=4, frameon=False)
    output = io.StringIO()
    figure.savefig(output, format="svg", metadata={"Date": None})
    pyplot.close(figure)
    return output.getvalue()
