"""Tests of the benchmark's arithmetic and order: python3 -m unittest discover -p '*_test.py'."""

import unittest
from unittest import mock

import measuring
from errors import BenchmarkError
from loads import LOADS, SMALL, Load
from measuring import REQUESTS_MAX, Sample, Session, bounded_requests, requests_at_least
from report import flat_sample, summarize, tables
from systems import Measurement, parse_redis_benchmark, redis_benchmark_arguments

CSV_NAMES = (
    '"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms",'
    '"p99_latency_ms","max_latency_ms"\n'
)


def measurement(requests_per_second, requests=1000):
    return Measurement(requests, requests_per_second, 1.0, 2.0, 3.0, 4.0)


class FakeSystem:
    """Serves `rate` requests per second; its first `failures` measurements fail."""

    def __init__(self, name, rate, journal, failures=0):
        self.name = name
        self._rate = rate
        self._journal = journal
        self._failures = failures

    def settle(self):
        self._journal.append(("settle", self.name))

    def measure(self, load, requests, timeout_seconds):
        self._journal.append((load.name, self.name))
        if self._failures > 0:
            self._failures -= 1
            raise BenchmarkError("MOVED")
        return measurement(self._rate, requests)


class SessionTest(unittest.TestCase):
    def setUp(self):
        self.journal = []
        for patch in (
            mock.patch.object(measuring, "PAUSE_SECONDS", 0),
            mock.patch.object(measuring.os, "sync"),
        ):
            patch.start()
            self.addCleanup(patch.stop)

    def session(self, systems, loads=LOADS[:2], rounds=3):
        return Session(systems, loads, rounds, seconds=2.0, progress=lambda text: None)

    def test_every_system_takes_every_position_of_every_load(self):
        systems = [FakeSystem(name, 1e5, self.journal) for name in ("a", "b", "c")]
        session = self.session(systems)
        session.run()
        places = [(sample.load, sample.system, sample.position) for sample in session.samples]
        self.assertEqual(len(places), 2 * 3 * 3)
        self.assertEqual(len(set(places)), len(places))

    def test_measures_nothing_before_the_system_has_settled(self):
        self.session([FakeSystem("a", 1e5, self.journal)]).run()
        self.assertEqual({entry[0] for entry in self.journal[0::2]}, {"settle"})
        self.assertNotIn("settle", {entry[0] for entry in self.journal[1::2]})

    def test_calibrates_each_system_to_the_wanted_time(self):
        session = self.session(
            [FakeSystem("slow", 1_000, self.journal), FakeSystem("fast", 150_000, self.journal)],
            loads=LOADS[:1],
        )
        session.run()
        for sample in session.samples:
            self.assertAlmostEqual(sample.measurement.seconds, 2.0, places=3)

    def test_repeats_a_failed_measurement_once_and_says_so(self):
        session = self.session([FakeSystem("a", 1e5, self.journal, failures=1)])
        session.run()
        self.assertEqual(session.failures, ["a, SET 50 clients: MOVED"])
        self.assertEqual(len(session.samples), 2 * 3)

    def test_ends_when_a_measurement_fails_twice(self):
        session = self.session([FakeSystem("a", 1e5, self.journal, failures=2)])
        with self.assertRaisesRegex(BenchmarkError, "MOVED"):
            session.run()

    def test_requests_are_bounded_on_both_sides(self):
        load = Load("x", "X", "set", clients=50, pipeline=16, key_range=SMALL)
        self.assertEqual(bounded_requests(load, 1), requests_at_least(load))
        self.assertEqual(bounded_requests(load, 1e12), REQUESTS_MAX)
        self.assertEqual(bounded_requests(load, 123_456.7), 123_456)


class ReportTest(unittest.TestCase):
    def samples(self, rates):
        """`rates` maps a system to its requests per second in each round."""
        return [
            Sample(number, "set-1", system, 0, measurement(rate))
            for system, rounds in rates.items()
            for number, rate in enumerate(rounds, start=1)
        ]

    def test_ratio_is_the_median_of_the_rounds_not_the_ratio_of_the_medians(self):
        medians, ratios = summarize(
            self.samples({"quorate": [10, 100, 50], "redis": [10, 20, 100]})
        )
        self.assertEqual(medians["set-1"]["quorate"]["requests_per_second"], 50)
        self.assertEqual(medians["set-1"]["redis"]["requests_per_second"], 20)
        self.assertEqual(ratios["set-1"]["redis"], {"median": 1, "lowest": 0.5, "highest": 5})

    def test_ratios_join_samples_of_one_round_in_whatever_order_they_came(self):
        samples = self.samples({"quorate": [10, 100], "redis": [5, 50]})
        _, ratios = summarize(list(reversed(samples)))
        self.assertEqual(ratios["set-1"]["redis"], {"median": 2, "lowest": 2, "highest": 2})

    def test_without_quorate_there_are_no_ratios(self):
        medians, ratios = summarize(self.samples({"redis": [10], "etcd": [5]}))
        self.assertEqual(ratios, {"set-1": {}})
        text = tables(self.result(["redis", "etcd"], medians, ratios))
        self.assertNotIn("Quorate", text)

    def test_tables_name_every_system_and_show_the_ratio(self):
        medians, ratios = summarize(self.samples({"quorate": [3000], "etcd": [1500]}))
        text = tables(self.result(["quorate", "etcd"], medians, ratios))
        self.assertRegex(text, r"SET 1 client +3,000 +1,500\n")
        self.assertIn("2.00 (2.00-2.00)", text)
        self.assertIn("1.00 / 3.00", text)

    def test_a_sample_in_the_json_file_is_flat(self):
        (sample,) = self.samples({"etcd": [1500]})
        flat = flat_sample(sample)
        self.assertEqual(flat["system"], "etcd")
        self.assertEqual(flat["requests_per_second"], 1500)
        self.assertFalse([value for value in flat.values() if isinstance(value, dict)])

    def result(self, systems, medians, ratios):
        return {
            "systems": dict.fromkeys(systems),
            "settings": {"rounds": 1},
            "loads": {"set-1": "SET 1 client"},
            "medians": medians,
            "ratios": ratios,
        }


class RedisBenchmarkTest(unittest.TestCase):
    def test_reads_the_csv_line(self):
        line = '"SET key:__rand_int__ xx","645161.31","1.1","0.2","1.087","1.847","3.023","3.143"\n'
        self.assertEqual(
            parse_redis_benchmark(CSV_NAMES + line, 20_000),
            Measurement(20_000, 645161.31, 1.087, 1.847, 3.023, 3.143),
        )

    def test_refuses_output_without_a_measurement(self):
        for output in ("", CSV_NAMES, CSV_NAMES + '"SET"\n', "Error from server: MOVED\n"):
            with self.subTest(output), self.assertRaises(BenchmarkError):
                parse_redis_benchmark(output, 1)

    def test_gets_the_keys_that_were_set_and_sends_values_of_the_right_size(self):
        for load in LOADS:
            arguments = redis_benchmark_arguments(load, 1000, 7411)
            command = arguments[arguments.index(load.operation.upper()) :]
            self.assertEqual(command[1], f"{load.key_range.prefix}__rand_int__")
            sizes = [len(value) for value in command[2:]]
            self.assertEqual(sizes, [load.key_range.value_bytes] if command[0] == "SET" else [])


if __name__ == "__main__":
    unittest.main()
