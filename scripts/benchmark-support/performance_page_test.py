"""Tests of the tables for docs/performance.md: python3 -m unittest discover -p '*_test.py'."""

import unittest
from pathlib import Path

from errors import BenchmarkError
from loads import LOADS
from performance_page import AIMS, fill_in, of_benchmark, of_microbenchmark, of_sustained

PAGE = Path(__file__).resolve().parents[2] / "docs" / "performance.md"


def latencies(**where):
    return {**where, "requests_per_second": 1000.0, "p50_ms": 1.0, "p99_ms": 2.0}


def benchmark_result():
    systems = ("quorate", "redis-aof", "redis", "etcd")
    rates = {"quorate": [3000.0, 9000.0], "redis-aof": [2000.0, 3000.0]}
    samples = [
        {
            "load": load.name,
            "round": number,
            "system": system,
            "requests_per_second": rates.get(system, [1000.0, 1000.0])[number],
            "p50_ms": 0.5 if system == "quorate" else 0.4,
        }
        for load in LOADS
        for system in systems
        for number in (0, 1)
    ]
    return {
        "machine": {
            "cpu": "a processor",
            "cores": 2,
            "memory_mib": 2048,
            "distribution": "Debian",
            "file_system": {"type": "ext4"},
            "fdatasync_p50_ms": 0.1,
        },
        "settings": {"rounds": 2},
        "commit": "0123456789abcdef",
        "systems": dict.fromkeys(systems),
        "loads": {load.name: load.title for load in LOADS},
        "medians": {
            load.name: {
                system: {"requests_per_second": 36_600.0, "p50_ms": 0.5} for system in systems
            }
            for load in LOADS
        },
        "samples": samples,
        "sweep": [latencies()],
        "mixed": [latencies(operation="get", load="alone", system="quorate")],
        "disturbances": [
            latencies(operation="set", case="alone", clients=clients, system="quorate")
            for clients in ("small", "large")
        ],
        "idle": [{"process": "quorate node 1", "role": "leader", "cpu_percent": 0.456}],
    }


def sustained_result():
    part = {"requests_per_second": 30_000.0, "p50_ms": 1, "p99_ms": 2, "p999_ms": 3}
    bounds = ("own_bytes", "mapped_bytes", "memtable_bytes", "disk_bytes")
    return {
        "commit": None,
        "settings": {
            "seconds": 600.0,
            "clients": 50,
            "pipeline": 1,
            "keys": 5_000_000,
            "value_bytes": 100,
            "away": 60.0,
        },
        "summary": {
            "fifths": [{**part, "own_bytes": 1 << 20, "disk_bytes": 1 << 30}] * 5,
            "p999_ms": {
                "all": {"seconds": 600, "median": 2, "highest": 5},
                "snapshot": {"seconds": 0},
            },
            "away_seconds": 60,
            "most": {name: {"node 1": 1 << 20, "node 2": 3 << 20} for name in bounds},
            "retries": 0,
        },
    }


class MarkdownTest(unittest.TestCase):
    def test_there_is_an_aim_for_each_load(self):
        self.assertEqual(list(AIMS), [load.name for load in LOADS])

    def test_loads_show_rates_ratio_and_aim(self):
        loads = of_benchmark(benchmark_result())["loads"]
        # The median of the rounds' ratios, 1.5 and 3.
        rates = "36.6k | 36.6k | 36.6k | 36.6k"
        self.assertIn(f"| SET 50 clients | {rates} | 2.25 of redis-aof |", loads)
        self.assertIn("| 1.25 of redis-aof | at most 1.3 |", loads)
        self.assertEqual(len(loads.splitlines()), 2 + len(LOADS))

    def test_small_requests_alone_are_shown_of_the_disturbances(self):
        table = of_benchmark(benchmark_result())["disturbances"]
        self.assertIn("| SET alone | 1.00 / 2.00 |", table)
        self.assertEqual(len(table.splitlines()), 3)

    def test_parts_that_were_not_measured_are_left_alone(self):
        result = benchmark_result()
        for name in ("sweep", "mixed", "disturbances", "idle"):
            del result[name]
        result["samples"] = []
        self.assertEqual(set(of_benchmark(result)), {"machine"})

    def test_microbenchmarks_show_their_medians(self):
        run = {"run_name": "Parse/1/real_time", "allocations": 0.0}
        runs = [
            {**run, "aggregate_name": name, "each": each}
            for name, each in (("mean", 1e-9), ("median", 24.6e-9), ("cv", 0.1))
        ]
        table = of_microbenchmark({"benchmarks": runs})["parts"]
        self.assertEqual(table.splitlines()[2:], ["| Parse/1 | 24.6 ns | 0.00 |"])
        with self.assertRaises(BenchmarkError):
            of_microbenchmark({"benchmarks": []})

    def test_the_page_has_a_place_for_each_part(self):
        parts = {
            **of_benchmark(benchmark_result()),
            **of_sustained(sustained_result()),
            "parts": "| x |",
        }
        page = fill_in(PAGE.read_text(encoding="utf-8"), parts)
        for text in parts.values():
            self.assertIn(text, page)
        self.assertEqual(fill_in(page, parts), page)

    def test_a_part_without_a_place_is_an_error(self):
        with self.assertRaisesRegex(BenchmarkError, "loads"):
            fill_in("<!-- loads -->\nno end", {"loads": "x"})


if __name__ == "__main__":
    unittest.main()
