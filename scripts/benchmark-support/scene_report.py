"""How the results of scenes.py are shown."""

from statistics import median

from report import table


def sweep_tables(samples, systems):
    """Requests per second by the number of clients."""
    sections = []
    for operation in dict.fromkeys(sample["operation"] for sample in samples):
        rows = {}
        for sample in samples:
            if sample["operation"] == operation:
                row = rows.setdefault(f"{sample['clients']} client(s)", {})
                row[sample["system"]] = f"{sample['requests_per_second']:,.0f}"
        sections.append(
            table(
                f"{operation.upper()} requests per second by clients (one short run each)",
                systems,
                {name: [row.get(system, "") for system in systems] for name, row in rows.items()},
            )
        )
    return sections


def mixed_table(samples, systems, clients):
    return table(
        f"GET among SETs, {clients} clients: p50 / p99, ms (medians)",
        systems,
        _latencies(samples, systems, "load"),
    )


def disturbance_table(samples, systems):
    systems = [name for name in systems if any(sample["system"] == name for sample in samples)]
    small = [sample for sample in samples if sample["clients"] == "small"]
    return table(
        "50 clients, 80 % GET, 20 % SET of 64 bytes: p50 / p99, ms (medians)",
        systems,
        _latencies(small, systems, "case"),
    )


def idle_table(samples):
    return table(
        "Processor time of an idle process, % of a core",
        ["%", "role"],
        {sample["process"]: [f"{sample['cpu_percent']:.2f}", sample["role"]] for sample in samples},
    )


def _latencies(samples, systems, named_by):
    """Rows of p50 / p99: GETs before SETs, each in the order of the samples."""
    cells = {}
    for sample in samples:
        row = cells.setdefault((sample["operation"], sample[named_by]), {})
        row.setdefault(sample["system"], []).append((sample["p50_ms"], sample["p99_ms"]))
    return {
        f"{operation.upper()} {name}": [_cell(row.get(system)) for system in systems]
        for (operation, name), row in sorted(cells.items(), key=lambda item: item[0][0])
    }


def _cell(measured):
    if not measured:
        return ""
    p50, p99 = (median(values) for values in zip(*measured))
    return f"{p50:.2f} / {p99:.2f}"
