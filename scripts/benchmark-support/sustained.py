"""A long run of SETs: what is looked at each second, and what it adds up to."""

import csv
import math
import time
from statistics import mean, median

from resp_client import info

MIB = 1024 * 1024

# What a node is asked for each second: column, section of INFO, field.
NODE_FIELDS = (
    ("memtable_bytes", "memory", "used_memory_memtable"),
    ("checkpoints", "persistence", "checkpoints"),
    ("checkpoint_under_way", "persistence", "checkpoint_in_progress"),
    ("last_checkpoint_usec", "persistence", "checkpoint_last_usec"),
    ("receives_snapshot", "replication", "master_sync_in_progress"),
    ("first_log_index", "raft", "raft_first_log_index"),
    ("last_log_index", "raft", "raft_last_log_index"),
)


def look_at_node(server, port):
    """The node's memory, disk and background work now; a stopped node has only its disk."""
    node = {"role": "away", "disk_bytes": disk_bytes(server.folder / "data")}
    fields = {}
    for section in ("memory", "persistence", "replication", "raft"):
        fields[section] = info(port, section)
        if not fields[section]:
            return node
    for column, section, field in NODE_FIELDS:
        node[column] = int(fields[section].get(field, 0))
    node["role"] = "leader" if fields["replication"].get("role") == "master" else "follower"
    node["sends_snapshot"] = int(
        any("state=send_bulk" in str(value) for value in fields["replication"].values())
    )
    return {**node, **resident_bytes(server.pid)}


def resident_bytes(pid):
    """The process's own memory, and the pages of files (LMDB's) that the kernel has mapped for it
    and takes back when it needs them."""
    kib = {}
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            for line in status:
                name, _, value = line.partition(":")
                if name in ("RssAnon", "RssFile"):
                    kib[name] = int(value.split()[0])
    except OSError:
        return {}
    return {"own_bytes": 1024 * kib["RssAnon"], "mapped_bytes": 1024 * kib["RssFile"]}


def disk_bytes(folder):
    """What the folder's files take on the disk; a file that goes meanwhile counts as nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_blocks * 512
        except OSError:
            pass
    return total


class Absence:
    """Stops a follower in the middle of a run, until it cannot catch up from the log any more."""

    def __init__(self, server, seconds, away, report):
        """For `away` seconds at least; 0: not at all."""
        self._server = server
        self._stop_at = 0.4 * seconds if away > 0 else math.inf
        self._start_at = self._stop_at + away
        self._start_at_latest = max(self._start_at, 0.75 * seconds)
        self._report = report
        self._log_end = 0  # when it was stopped

    def step(self, second):
        at = second["at_seconds"]
        nodes = second["nodes"].values()
        if at >= self._stop_at:
            self._report(f"{at:6.0f} s: stopping {self._server.title}")
            self._server.ask_to_stop()
            self._stop_at = math.inf
            self._log_end = max(node.get("last_log_index", 0) for node in nodes)
        elif at >= self._start_at:
            trimmed = any(
                node["role"] == "leader" and node["first_log_index"] > self._log_end + 1
                for node in nodes
            )
            if trimmed or at >= self._start_at_latest:
                self._report(f"{at:6.0f} s: starting {self._server.title} again")
                self._server.wait_until_stopped(time.monotonic() + 1)
                self._server.start()
                self._start_at = math.inf


def write_csv(path, seconds):
    """One line a second; each node's columns begin with its name."""
    rows = []
    for second in seconds:
        row = {name: value for name, value in second.items() if name != "nodes"}
        for name, node in second["nodes"].items():
            row.update({f"{name} {column}": value for column, value in node.items()})
        rows.append(row)
    columns = dict.fromkeys(column for row in rows for column in row)
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def summarize(seconds):
    """What the run shows: fifths of it after one another, and what checkpoints and a snapshot do to
    the others' latency."""
    fifth = max(1, len(seconds) // 5)
    parts = [seconds[start : start + fifth] for start in range(0, fifth * 5, fifth)]
    return {
        "fifths": [_part(part) for part in parts if part],
        "p999_ms": {
            name: _latency([second for second in seconds if chosen(second)])
            for name, chosen in SITUATIONS.items()
        },
        "most": {
            column: {
                name: max(second["nodes"][name].get(column, 0) for second in seconds)
                for name in seconds[0]["nodes"]
            }
            for column in ("own_bytes", "mapped_bytes", "memtable_bytes", "disk_bytes")
        },
        "away_seconds": sum(is_away(second) for second in seconds),
        "retries": sum(second["retries"] for second in seconds),
    }


def _any_node(second, column):
    return any(node.get(column) for node in second["nodes"].values())


def _is_quiet(second):
    return not (
        _any_node(second, "checkpoint_ended")
        or _any_node(second, "checkpoint_under_way")
        or moves_snapshot(second)
        or is_away(second)
    )


def moves_snapshot(second):
    return _any_node(second, "sends_snapshot") or _any_node(second, "receives_snapshot")


def is_away(second):
    return any(node["role"] == "away" for node in second["nodes"].values())


def has_leaders_checkpoint(second):
    return any(
        node["role"] == "leader" and (node["checkpoint_ended"] or node["checkpoint_under_way"])
        for node in second["nodes"].values()
    )


SITUATIONS = {
    "all": lambda second: True,
    "no checkpoint, no snapshot": _is_quiet,
    "leader's checkpoint": has_leaders_checkpoint,
    "snapshot": moves_snapshot,
    "a follower away": is_away,
}


def _part(seconds):
    last = seconds[-1]["nodes"].values()
    return {
        "requests_per_second": mean(second["requests_per_second"] for second in seconds),
        "p50_ms": median(second["p50_ms"] for second in seconds),
        "p99_ms": median(second["p99_ms"] for second in seconds),
        "p999_ms": median(second["p999_ms"] for second in seconds),
        "own_bytes": max(
            node.get("own_bytes", 0) for second in seconds for node in second["nodes"].values()
        ),
        "disk_bytes": max(node["disk_bytes"] for node in last),
    }


def _latency(seconds):
    values = sorted(second["p999_ms"] for second in seconds)
    if not values:
        return {"seconds": 0}
    return {"seconds": len(values), "median": median(values), "highest": values[-1]}


def note_ended_checkpoints(second, before):
    """Adds to each node how many checkpoints have ended within the second."""
    for name, node in second["nodes"].items():
        earlier = before["nodes"][name].get("checkpoints", 0) if before else 0
        # A node that was started again counts from 0.
        node["checkpoint_ended"] = max(0, node.get("checkpoints", 0) - earlier)


def summary_text(summary):
    lines = ["part of the run   SETs/s   p50 ms   p99 ms   p99.9 ms   own MiB   disk MiB"]
    for number, part in enumerate(summary["fifths"], start=1):
        lines.append(
            f"{number}/5          {part['requests_per_second']:12,.0f}{part['p50_ms']:9.2f}"
            f"{part['p99_ms']:9.2f}{part['p999_ms']:11.2f}{part['own_bytes'] / MIB:10,.0f}"
            f"{part['disk_bytes'] / MIB:11,.0f}"
        )
    lines.append("(own, disk: the largest of the nodes')")
    lines.append("")
    lines.append("p99.9 of a second, ms         seconds   median   highest")
    for name, latency in summary["p999_ms"].items():
        figures = (
            f"{latency['median']:9.2f}{latency['highest']:10.2f}" if latency["seconds"] else ""
        )
        lines.append(f"{name:30}{latency['seconds']:7}{figures}")
    lines.append("")
    for column, nodes in summary["most"].items():
        values = ", ".join(f"{name} {value / MIB:,.0f}" for name, value in nodes.items())
        lines.append(f"most {column.replace('_bytes', '')}, MiB: {values}")
    lines.append(f"requests that had to be repeated: {summary['retries']}")
    return "\n".join(lines)
