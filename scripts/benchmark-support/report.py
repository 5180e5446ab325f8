"""Medians, ratios, and how they are shown."""

import dataclasses
from statistics import median

SUBJECT = "quorate"  # the system that the others are compared with
METRICS = ("requests_per_second", "p50_ms", "p95_ms", "p99_ms", "max_ms")


def summarize(samples):
    """Returns (medians, ratios).

    medians[load][system] has the median of each metric over the rounds. ratios[load][system] is
    SUBJECT's requests per second as a multiple of that system's: the median of the rounds' ratios,
    and the lowest and the highest. A ratio within a round compares neighbours in time, so that a
    machine that is slow for a while is slow for both.
    """
    values = {}  # load, then system, then the measurements in the order of the rounds
    for sample in sorted(samples, key=lambda sample: sample.round):
        systems = values.setdefault(sample.load, {})
        systems.setdefault(sample.system, []).append(sample.measurement)

    medians, ratios = {}, {}
    for load, systems in values.items():
        medians[load] = {
            system: {
                metric: median(getattr(measurement, metric) for measurement in measurements)
                for metric in METRICS
            }
            for system, measurements in systems.items()
        }
        ratios[load] = {
            system: _ratio(systems[SUBJECT], measurements)
            for system, measurements in systems.items()
            if system != SUBJECT and SUBJECT in systems
        }
    return medians, ratios


def _ratio(subject, other):
    rounds = [
        ours.requests_per_second / theirs.requests_per_second
        for ours, theirs in zip(subject, other)
    ]
    return {"median": median(rounds), "lowest": min(rounds), "highest": max(rounds)}


def flat_sample(sample):
    """A sample as one flat dict, for the JSON file."""
    flat = dataclasses.asdict(sample)
    measurement = flat.pop("measurement")
    return {**flat, **measurement}


def tables(result):
    """The text for people, from the dict that also becomes the JSON file."""
    systems = list(result["systems"])
    rounds = result["settings"]["rounds"]
    titles = result["loads"]
    medians, ratios = result["medians"], result["ratios"]

    sections = [
        table(
            f"Requests per second (rounds: {rounds}; medians)",
            systems,
            {
                titles[load]: [f"{row[system]['requests_per_second']:,.0f}" for system in systems]
                for load, row in medians.items()
            },
        )
    ]
    others = [system for system in systems if system != SUBJECT]
    if SUBJECT in systems and others:
        sections.append(
            table(
                "Quorate's requests per second / the other's (median, lowest-highest)",
                others,
                {
                    titles[load]: [_ratio_text(row[system]) for system in others]
                    for load, row in ratios.items()
                },
            )
        )
    sections.append(
        table(
            "Latency p50 / p99, ms (medians)",
            systems,
            {
                titles[load]: [
                    f"{row[system]['p50_ms']:.2f} / {row[system]['p99_ms']:.2f}"
                    for system in systems
                ]
                for load, row in medians.items()
            },
        )
    )
    return "\n\n".join(sections)


def _ratio_text(ratio):
    return f"{ratio['median']:.2f} ({ratio['lowest']:.2f}-{ratio['highest']:.2f})"


def table(heading, columns, rows):
    """Text in columns. `rows` maps the name of a row to its cells, one a column."""
    lines = [["", *columns]] + [[name, *cells] for name, cells in rows.items()]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    text = [heading]
    for name, *cells in lines:
        padded = [cell.rjust(width) for cell, width in zip(cells, widths[1:])]
        text.append("   ".join([name.ljust(widths[0]), *padded]))
    return "\n".join(text)


def facts_text(facts):
    """The machine in three lines."""
    file_system = facts["file_system"]
    return (
        f"{facts['cpu']}, {facts['cores']} cores, {facts['memory_mib']:,} MiB\n"
        f"{facts['distribution']}, Linux {facts['kernel']}\n"
        f"data on {file_system['type']} ({file_system['source']}), "
        f"fdatasync of 4 KiB takes {facts['fdatasync_p50_ms']:.2f} ms (p50)"
    )
