"""Tests of what is measured beside the table: python3 -m unittest discover -p '*_test.py'."""

import unittest
from unittest import mock

import scenes
from errors import BenchmarkError
from scene_report import disturbance_table, idle_table, mixed_table, sweep_tables
from scenes import DISTURBANCES, MIXED_LOADS, SWEEP_CLIENTS, Scenes
from systems import Clients, RedisProtocolSystem


def figures(rate):
    return {"requests": 10, "requests_per_second": rate, "p50_ms": 1.0, "p99_ms": 2.0}


class FakeSystem(RedisProtocolSystem):
    def __init__(self, name, failures=0):
        super().__init__(generator=None)
        self.name = name
        self._failures = failures

    def settle(self):
        pass

    def fill_small_range(self, prefix, keys, value_bytes):
        pass

    def measure_mixed(self, clients, set_percent, key_range, seconds):
        if self._failures > 0:
            self._failures -= 1
            raise BenchmarkError("MOVED")
        measured = {"set": figures(clients), "get": figures(2 * clients)}
        return {
            operation: values
            for operation, values in measured.items()
            if (set_percent if operation == "set" else 100 - set_percent) > 0
        }

    def measure_groups(self, groups, seconds):
        return {
            group.name: {"clients": group.count}
            if group.idle
            else {"clients": group.count, "set": figures(1), "get": figures(2)}
            for group in groups
        }


class ScenesTest(unittest.TestCase):
    def setUp(self):
        for patch in (
            mock.patch.object(scenes, "PAUSE_SECONDS", 0),
            mock.patch.object(scenes.os, "sync"),
        ):
            patch.start()
            self.addCleanup(patch.stop)

    def scenes(self, systems, rounds=2):
        return Scenes(systems, rounds, seconds=1.0, progress=lambda text: None)

    def test_sweep_measures_each_number_of_clients_on_each_system(self):
        samples = self.scenes([FakeSystem("a"), FakeSystem("b")]).sweep()
        self.assertEqual(len(samples), 2 * 2 * len(SWEEP_CLIENTS))
        places = {(s["operation"], s["clients"], s["system"]) for s in samples}
        self.assertEqual(len(places), len(samples))
        text = "\n".join(sweep_tables(samples, ["a", "b"]))
        self.assertRegex(text, r"SET requests(.|\n)*\n500 client\(s\) +500 +500\n")
        self.assertRegex(text, r"GET requests(.|\n)*\n500 client\(s\) +1,000 +1,000")

    def test_mixed_reports_both_operations(self):
        samples = self.scenes([FakeSystem("a")]).mixed()
        alone, mixed = MIXED_LOADS
        one_round = [(alone, "get"), (mixed, "set"), (mixed, "get")]
        self.assertEqual([(s["load"], s["operation"]) for s in samples], 2 * one_round)
        self.assertEqual([s["round"] for s in samples], [1, 1, 1, 2, 2, 2])
        self.assertRegex(mixed_table(samples, ["a"], 200), rf"GET {alone} +1.00 / 2.00\n")

    def test_disturbances_report_small_and_large_apart(self):
        samples = self.scenes([FakeSystem("a"), FakeSystem("redis")], rounds=1).disturbances()
        self.assertEqual({s["system"] for s in samples}, {"a"})
        self.assertEqual({s["case"] for s in samples}, set(DISTURBANCES))
        large = [s["case"] for s in samples if s["clients"] == "large"]
        self.assertEqual(len(large), 2)
        self.assertRegex(large[0], "1 MiB")
        self.assertIn("GET alone", disturbance_table(samples, ["a", "redis"]))

    def test_repeats_a_failed_measurement_once_and_says_so(self):
        measured = self.scenes([FakeSystem("a", failures=1)])
        self.assertEqual(len(measured.sweep()), 2 * len(SWEEP_CLIENTS))
        self.assertEqual(len(measured.failures), 1)
        with self.assertRaisesRegex(BenchmarkError, "MOVED"):
            self.scenes([FakeSystem("a", failures=2)]).sweep()

    def test_idle_table_names_processes_and_roles(self):
        text = idle_table([{"process": "node 1", "role": "leader", "cpu_percent": 0.456}])
        self.assertRegex(text, r"node 1 +0.46 +leader")

    def test_clients_are_told_to_the_generator(self):
        self.assertEqual(
            Clients("n", 3, set_percent=20, key_prefix="p:", keys=5, rate=7, idle=True).argument(),
            "n:clients=3,set-percent=20,pipeline=1,keys=5,prefix=p:,value-bytes=64,rate=7,idle",
        )


if __name__ == "__main__":
    unittest.main()
