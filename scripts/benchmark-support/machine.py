"""Facts about the machine, without which the numbers mean little."""

import json
import os
import platform
import re
import statistics
import subprocess
import time
from pathlib import Path

SYNC_PROBES = 100


def machine_facts(data_folder):
    """What a reader has to know to compare the numbers with others; `data_folder` must exist."""
    return {
        "cpu": _first_match("/proc/cpuinfo", r"^model name\s*:\s*(.+)$") or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_mib": int(_first_match("/proc/meminfo", r"^MemTotal:\s*(\d+) kB$")) // 1024,
        "kernel": platform.release(),
        "distribution": platform.freedesktop_os_release()["PRETTY_NAME"],
        "file_system": _file_system(data_folder),
        "fdatasync_p50_ms": _fdatasync_p50_ms(data_folder),
        "load_average_before": os.getloadavg()[0],
    }


def repository_commit(repository):
    """The checked-out commit, with `-dirty` if files differ from it; None outside a repository."""
    git = ["git", "-C", str(repository), "describe", "--always", "--abbrev=40", "--dirty"]
    description = subprocess.run(git, capture_output=True, text=True, check=False)
    return description.stdout.strip() or None


def warnings_about(facts):
    """Reasons to distrust numbers that come from this machine now."""
    if facts["file_system"]["type"] == "tmpfs":
        yield "the data folder is on tmpfs: nothing here waits for a disk; see --data-dir"
    if facts["load_average_before"] > 0.3 * facts["cores"]:
        yield f"the machine is busy (load average {facts['load_average_before']:.1f})"


def _first_match(path, pattern):
    match = re.search(pattern, Path(path).read_text(), re.MULTILINE)
    return match.group(1) if match else None


def _file_system(folder):
    listing = subprocess.run(
        ["findmnt", "--json", "--output", "FSTYPE,SOURCE,OPTIONS", "--target", str(folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    mount = json.loads(listing.stdout)["filesystems"][0]
    return {"type": mount["fstype"], "source": mount["source"], "options": mount["options"]}


def _fdatasync_p50_ms(folder):
    """How long the disk takes to make an appended 4 KiB durable: the floor of a durable write."""
    path = folder / "fdatasync-probe"
    times_ms = []
    with open(path, "wb", buffering=0) as probe:
        for _ in range(SYNC_PROBES):
            probe.write(bytes(4096))
            start = time.perf_counter()
            os.fdatasync(probe.fileno())
            times_ms.append(1000 * (time.perf_counter() - start))
    path.unlink()
    return statistics.median(times_ms)
