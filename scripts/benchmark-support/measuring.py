"""Calibration, and the interleaved rounds."""

import os
import time
from dataclasses import dataclass

from errors import BenchmarkError
from systems import Measurement

PAUSE_SECONDS = 0.5  # before each measurement: lets the machine come to rest
CALIBRATION_ATTEMPTS = 6
REQUESTS_MAX = 5_000_000


@dataclass(frozen=True)
class Sample:
    """One measurement and where it belongs."""

    round: int
    load: str
    system: str
    position: int  # of the system within the turn, from 0
    measurement: Measurement


class Session:
    """Measures systems that are started and filled, one at a time; collects the samples."""

    def __init__(self, systems, loads, rounds, seconds, progress):
        self.samples = []
        self.failures = []  # texts of attempts that failed and were repeated
        self._systems = systems
        self._loads = loads
        self._rounds = rounds
        self._seconds = seconds
        self._progress = progress
        self._requests = {}

    def run(self):
        for load in self._loads:
            for system in self._systems:
                self._calibrate(load, system)
        for number in range(1, self._rounds + 1):
            for turn, load in enumerate(self._loads):
                for position, system in enumerate(rotated(self._systems, number - 1 + turn)):
                    requests = self._requests[load.name, system.name]
                    measurement = self._measure(load, system, requests)
                    self.samples.append(
                        Sample(number, load.name, system.name, position, measurement)
                    )
                    self._progress(
                        f"round {number}/{self._rounds}  {load.title:22}  {system.name:10}"
                        f"{measurement.requests_per_second:12,.0f}/s"
                    )

    def _calibrate(self, load, system):
        """Finds how many requests take about the wanted time; also warms up both sides."""
        requests = requests_at_least(load)
        for _ in range(CALIBRATION_ATTEMPTS):
            measurement = self._measure(load, system, requests)
            if measurement.seconds >= self._seconds / 4:
                break
            # A short run's rate says little, so no more than tenfold at once.
            wanted = measurement.requests_per_second * self._seconds / 2
            requests = bounded_requests(load, min(wanted, 10 * requests))
        requests = bounded_requests(load, measurement.requests_per_second * self._seconds)
        self._requests[load.name, system.name] = requests
        self._progress(f"calibrated   {load.title:22}  {system.name:10}{requests:12,} requests")

    def _measure(self, load, system, requests):
        """One measurement; a failed one is noted and repeated, for a leader may change under it."""
        try:
            return self._measure_once(load, system, requests)
        except BenchmarkError as error:
            failure = f"{system.name}, {load.title}: {error}"
            self.failures.append(failure)
            self._progress(f"repeated after a failure: {failure}")
        return self._measure_once(load, system, requests)

    def _measure_once(self, load, system, requests):
        system.settle()
        # What others left in the page cache is written now, not at the cost of this measurement.
        os.sync()
        time.sleep(PAUSE_SECONDS)
        return system.measure(load, requests, timeout_seconds=60 + 20 * self._seconds)


def rotated(items, turns):
    """`items` from another start each turn, so that each comes first, second, ... equally often."""
    start = turns % len(items)
    return items[start:] + items[:start]


def requests_at_least(load):
    """Enough that every client sends a few."""
    return max(200, 10 * load.clients * load.pipeline)


def bounded_requests(load, requests):
    return min(max(int(requests), requests_at_least(load)), REQUESTS_MAX)
