"""The tables of docs/performance.md, each between two comments that name it:

<!-- loads -->
...
<!-- end of loads -->
"""

import re
from statistics import median

from errors import BenchmarkError

MIB = 1024 * 1024

# What Quorate aims at: the system that it is compared with, and what of its figure is wanted. Of
# requests per second at least so much; of the p50 of one client at most so much.
AIMS = {
    "set-50": ("redis-aof", "requests_per_second", 1.0),
    "set-50-p16": ("redis-aof", "requests_per_second", 0.8),
    "set-200-1k": ("redis-aof", "requests_per_second", 1.0),
    "set-1": ("redis-aof", "p50_ms", 1.3),
    "get-50": ("redis", "requests_per_second", 0.9),
    "get-50-p16": ("redis", "requests_per_second", 0.7),
    "get-1": ("redis", "p50_ms", 2.5),
}
SYSTEMS = {
    "quorate": "Quorate",
    "redis-aof": "redis-server, appendfsync always",
    "redis": "redis-server, no persistence",
    "etcd": "etcd, 3 members",
}


def of_benchmark(result):
    """By name, what scripts/benchmark's JSON has to say."""
    parts = {"machine": _machine(result)}
    if result["samples"]:
        parts["loads"] = _loads(result)
    if "sweep" in result:
        parts["clients"] = _picture("Requests per second by the number of clients", "clients")
        parts["latency"] = _picture("Latency percentiles against the load", "latency")
    if "mixed" in result:
        parts["mixed"] = _latencies(result, "mixed", "load")
    if "disturbances" in result:
        parts["disturbances"] = _latencies(result, "disturbances", "case", clients="small")
    if "idle" in result:
        parts["idle"] = _idle(result["idle"])
    return parts


def of_sustained(result):
    settings, summary = result["settings"], result["summary"]
    snapshot_seconds = summary["p999_ms"]["snapshot"]["seconds"]
    text = (
        f"{settings['seconds']:.0f} s, {settings['clients']} clients"
        f"{' of -P ' + str(settings['pipeline']) if settings['pipeline'] > 1 else ''}, random ones "
        f"of {settings['keys']:,} keys, {settings['value_bytes']} bytes. A follower was stopped "
        f"for {summary['away_seconds']} s; a snapshot went to it for {snapshot_seconds} s. "
        f"{_where(result)}"
    )
    fifths = _table(
        ["fifth of the run", "SETs/s", "p50 ms", "p99 ms", "p99.9 ms", "own MiB", "disk MiB"],
        [
            [
                str(number),
                f"{part['requests_per_second']:,.0f}",
                f"{part['p50_ms']:.2f}",
                f"{part['p99_ms']:.2f}",
                f"{part['p999_ms']:.2f}",
                f"{part['own_bytes'] / MIB:,.0f}",
                f"{part['disk_bytes'] / MIB:,.0f}",
            ]
            for number, part in enumerate(summary["fifths"], start=1)
        ],
    )
    situations = _table(
        ["p99.9 of a second", "seconds", "median ms", "highest ms"],
        [
            [name, str(latency["seconds"]), *(f"{latency[k]:.2f}" for k in ("median", "highest"))]
            for name, latency in summary["p999_ms"].items()
            if latency["seconds"] > 0
        ],
    )
    most = {
        column: max(nodes.values()) / MIB for column, nodes in summary["most"].items()
    }
    bounds = (
        f"The most that a node had: {most['own_bytes']:,.0f} MiB of its own, of them "
        f"{most['memtable_bytes']:,.0f} in memtables; {most['mapped_bytes']:,.0f} MiB of its files "
        f"mapped, which the kernel takes back when it needs them; {most['disk_bytes']:,.0f} MiB on "
        f"the disk. Requests that had to be repeated: {summary['retries']}."
    )
    picture = _picture("Throughput, latency, memory and disk over time", "sustained")
    return {"sustained": "\n\n".join([text, picture, fifths, situations, bounds])}


def of_microbenchmark(result):
    """From Google Benchmark's JSON, with repetitions: the medians."""
    rows = [
        [
            run["run_name"].removesuffix("/real_time"),
            _nanoseconds(1e9 * run["each"]),
            f"{run['allocations']:.2f}",
        ]
        for run in result["benchmarks"]
        if run.get("aggregate_name") == "median"
    ]
    if not rows:
        raise BenchmarkError("there are no medians: run it with repetitions")
    return {"parts": _table(["operation", "time", "allocations"], rows)}


def fill_in(page, parts):
    """The page with these parts in their places. BenchmarkError where one has no place."""
    for name, text in parts.items():
        place = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        if not place.search(page):
            raise BenchmarkError(f"the page has no place for {name!r}")
        page = place.sub(lambda match, text=text: f"{match[1]}{text}\n{match[2]}", page)
    return page


def _machine(result):
    facts, settings = result["machine"], result["settings"]
    return (
        f"{_where(result)} Medians of {settings['rounds']} rounds; {facts['cpu']}, "
        f"{facts['cores']} cores, {facts['memory_mib'] / 1024:.0f} GiB, {facts['distribution']}, "
        f"{facts['file_system']['type']}, fdatasync of 4 KiB {facts['fdatasync_p50_ms']:.2f} ms."
    )


def _where(result):
    return f"Commit {(result['commit'] or 'unknown')[:12]}."


def _loads(result):
    systems = list(result["systems"])
    rows = []
    for load, title in result["loads"].items():
        row = result["medians"][load]
        against, metric, aim = AIMS[load]
        in_ms = metric == "p50_ms"
        ratio = _ratio(result["samples"], load, against, metric)
        rows.append(
            [
                title + (", p50 ms" if in_ms else ""),
                *(
                    f"{row[system][metric]:.2f}"
                    if in_ms
                    else f"{row[system][metric] / 1000:.1f}k"
                    for system in systems
                ),
                f"{ratio:.2f} of {against}" if ratio else "",
                f"at {'most' if in_ms else 'least'} {aim:g}",
            ]
        )
    return _table(["load", *(SYSTEMS[system] for system in systems), "ratio", "aim"], rows)


def _ratio(samples, load, against, metric):
    """The median of the rounds' ratios; None where either was not measured."""
    rounds = {}
    for sample in samples:
        if sample["load"] == load:
            rounds.setdefault(sample["round"], {})[sample["system"]] = sample[metric]
    ratios = [
        row["quorate"] / row[against]
        for row in rounds.values()
        if "quorate" in row and against in row
    ]
    return median(ratios) if ratios else None


def _latencies(result, part, named_by, **wanted):
    """p50 / p99 of GETs, then of SETs: medians of the rounds."""
    samples = [
        sample
        for sample in result[part]
        if all(sample[name] == value for name, value in wanted.items())
    ]
    systems = [name for name in SYSTEMS if any(sample["system"] == name for sample in samples)]
    cells = {}
    for sample in samples:
        row = cells.setdefault((sample["operation"], sample[named_by]), {})
        row.setdefault(sample["system"], []).append(sample)
    rows = [
        [f"{operation.upper()} {name}", *(_p50_and_p99(row.get(system)) for system in systems)]
        for (operation, name), row in sorted(cells.items(), key=lambda item: item[0][0])
    ]
    return _table(["p50 / p99, ms", *(SYSTEMS[system] for system in systems)], rows)


def _p50_and_p99(samples):
    if not samples:
        return ""
    p50, p99 = (median(sample[name] for sample in samples) for name in ("p50_ms", "p99_ms"))
    return f"{p50:.2f} / {p99:.2f}"


def _idle(samples):
    rows = [[s["process"], s["role"], f"{s['cpu_percent']:.2f} %"] for s in samples]
    return _table(["process", "role", "of a core"], rows)


def _nanoseconds(value):
    for unit, size in (("ns", 1), ("us", 1e3), ("ms", 1e6)):
        if value < 1000 * size or unit == "ms":
            return f"{value / size:.{0 if value >= 100 * size else 1}f} {unit}"
    raise AssertionError


def _picture(text, name):
    return f"![{text}](performance-{name}.svg)"


def _table(columns, rows):
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
