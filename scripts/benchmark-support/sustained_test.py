"""Tests of what a long run adds up to: python3 -m unittest discover -p '*_test.py'."""

import csv
import tempfile
import unittest
from pathlib import Path

from sustained import (
    Absence,
    disk_bytes,
    note_ended_checkpoints,
    summarize,
    summary_text,
    write_csv,
)


def node(role="follower", **figures):
    return {
        "role": role,
        "disk_bytes": 0,
        "checkpoint_ended": 0,
        "checkpoint_under_way": 0,
        **figures,
    }


def second(at, p999_ms=1.0, rate=100, **nodes):
    return {
        "at_seconds": at,
        "requests_per_second": rate,
        "p50_ms": 0.5,
        "p99_ms": 0.9,
        "p999_ms": p999_ms,
        "retries": 1,
        "nodes": {"leader": node("leader"), "follower": node(), **nodes},
    }


class SummaryTest(unittest.TestCase):
    def test_fifths_follow_one_another(self):
        fifths = summarize([second(at, rate=at) for at in range(1, 11)])["fifths"]
        rates = [part["requests_per_second"] for part in fifths]
        self.assertEqual(rates, [1.5, 3.5, 5.5, 7.5, 9.5])

    def test_a_run_shorter_than_five_seconds_has_fewer_parts(self):
        summary = summarize([second(1), second(2)])
        self.assertEqual(len(summary["fifths"]), 2)
        self.assertIn("1/5", summary_text(summary))

    def test_latency_is_told_by_what_goes_on(self):
        seconds = [
            second(1, p999_ms=1),
            second(2, p999_ms=2, leader=node("leader", checkpoint_ended=1)),
            second(3, p999_ms=3, follower=node(checkpoint_under_way=1)),
            second(4, p999_ms=4, follower=node("away")),
            second(5, p999_ms=5, leader=node("leader", sends_snapshot=1)),
        ]
        p999 = summarize(seconds)["p999_ms"]
        self.assertEqual(p999["all"], {"seconds": 5, "median": 3, "highest": 5})
        self.assertEqual(p999["no checkpoint, no snapshot"]["highest"], 1)
        self.assertEqual(p999["leader's checkpoint"]["median"], 2)
        self.assertEqual(p999["a follower away"]["median"], 4)
        self.assertEqual(p999["snapshot"]["median"], 5)

    def test_most_of_each_node_and_all_retries(self):
        summary = summarize([second(1, follower=node(own_bytes=7)), second(2)])
        self.assertEqual(summary["most"]["own_bytes"], {"leader": 0, "follower": 7})
        self.assertEqual(summary["retries"], 2)

    def test_checkpoints_are_counted_over_a_restart(self):
        first = second(1, follower=node(checkpoints=5))
        note_ended_checkpoints(first, None)
        later = second(2, follower=node(checkpoints=7))
        note_ended_checkpoints(later, first)
        self.assertEqual(later["nodes"]["follower"]["checkpoint_ended"], 2)
        restarted = second(3, follower=node(checkpoints=1))
        note_ended_checkpoints(restarted, later)
        self.assertEqual(restarted["nodes"]["follower"]["checkpoint_ended"], 0)


class FakeServer:
    title = "node 3"

    def __init__(self):
        self.running = True

    def ask_to_stop(self):
        self.running = False

    def wait_until_stopped(self, deadline):
        pass

    def start(self):
        self.running = True


class AbsenceTest(unittest.TestCase):
    def run_with_log_from(self, first_log_index_at, away=10):
        """When the server was away, in a run of 100 seconds."""
        server = FakeServer()
        absence = Absence(server, 100, away, lambda text: None)
        seconds = []
        for at in range(1, 101):
            log = {"first_log_index": first_log_index_at(at), "last_log_index": 1000 + at}
            absence.step(second(at, leader=node("leader", **log)))
            if not server.running:
                seconds.append(at)
        return seconds

    def test_follower_comes_back_when_the_log_does_not_reach_back_to_it(self):
        away = self.run_with_log_from(lambda at: 1 if at < 60 else 2000)
        self.assertEqual((away[0], away[-1]), (40, 59))

    def test_it_is_away_as_long_as_was_asked_for(self):
        away = self.run_with_log_from(lambda at: 2000)
        self.assertEqual((away[0], away[-1]), (40, 49))

    def test_it_comes_back_before_the_end_in_any_case(self):
        away = self.run_with_log_from(lambda at: 1)
        self.assertEqual((away[0], away[-1]), (40, 74))

    def test_it_need_not_go_at_all(self):
        self.assertEqual(self.run_with_log_from(lambda at: 1, away=0), [])


class FilesTest(unittest.TestCase):
    def test_csv_has_a_column_for_each_figure_of_each_node(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "run.csv"
            # What a node says only later has a column too.
            write_csv(path, [second(1), second(2, follower=node(own_bytes=7))])
            with open(path, encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
        self.assertEqual([row["follower own_bytes"] for row in rows], ["", "7"])
        self.assertEqual(rows[0]["leader role"], "leader")

    def test_disk_counts_what_files_take_and_not_their_length(self):
        with tempfile.TemporaryDirectory() as folder:
            with open(Path(folder) / "hole", "wb") as file:
                file.truncate(1 << 30)
            self.assertLess(disk_bytes(Path(folder)), 1 << 20)


if __name__ == "__main__":
    unittest.main()
