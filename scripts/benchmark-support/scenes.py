"""What is measured beside the table of loads: a sweep over numbers of clients, mixed loads, large
values and idle connections beside small requests, and clusters that are asked nothing."""

import os
import time

from errors import BenchmarkError
from loads import SMALL
from measuring import PAUSE_SECONDS, rotated
from systems import Clients, RedisProtocolSystem

SWEEP_CLIENTS = (1, 5, 20, 50, 100, 200, 500)
SWEEP_SHARE = 0.4  # of what a measurement of the table takes
OTHERS_SHARE = 0.6
SWEEP_OPERATIONS = {"set": 100, "get": 0}  # percent of SETs

MIXED_CLIENTS = 200
MIXED_LOADS = {"alone": 0, "with 20 % SET": 20}

# Clients whose requests are to be disturbed, and what is to disturb them.
SMALL_CLIENTS = Clients("small", 50, set_percent=20)
LARGE_CLIENTS = Clients(
    "large", 4, set_percent=50, key_prefix="huge:", keys=20, value_bytes=1 << 20, rate=20
)
# 10,000 with the others: what servers take by default, but for a few that the benchmark needs.
IDLE_CLIENTS = Clients("idle", 9_900, idle=True)
DISTURBANCES = {
    "alone": (SMALL_CLIENTS,),
    "with values of 1 MiB, 20/s": (SMALL_CLIENTS, LARGE_CLIENTS),
    "with 9,900 idle connections": (SMALL_CLIENTS, IDLE_CLIENTS),
}


class Scenes:
    """Measures systems that are started and filled with SMALL; the results are lists of dicts."""

    def __init__(self, systems, rounds, seconds, progress):
        self.failures = []
        self._systems = systems
        self._rounds = rounds
        self._sweep_seconds = SWEEP_SHARE * seconds
        self._seconds = OTHERS_SHARE * seconds
        self._progress = progress

    def sweep(self):
        """Each operation from each number of clients: once, and shorter than the others."""
        seconds = self._sweep_seconds
        samples = []
        for operation, set_percent in SWEEP_OPERATIONS.items():
            for turn, clients in enumerate(SWEEP_CLIENTS):
                for system in rotated(self._systems, turn):
                    measured = self._measure(
                        f"{operation.upper()} {clients} client(s)",
                        system,
                        lambda: system.measure_mixed(clients, set_percent, SMALL, seconds),
                    )
                    samples.append(
                        {
                            "operation": operation,
                            "clients": clients,
                            "system": system.name,
                            **measured[operation],
                        }
                    )
        return samples

    def mixed(self):
        """GETs among SETs beside GETs alone."""
        samples = []
        for number, (load, set_percent), system in self._turns(MIXED_LOADS, self._systems):
            measured = self._measure(
                f"GET {load}, {MIXED_CLIENTS} clients",
                system,
                lambda: system.measure_mixed(MIXED_CLIENTS, set_percent, SMALL, self._seconds),
            )
            samples += _flat(measured, round=number, load=load, system=system.name)
        return samples

    def disturbances(self):
        """Small requests alone and beside what may disturb them."""
        # Without redis: what disturbs a server that waits for its disk is the question.
        systems = [
            system
            for system in self._systems
            if isinstance(system, RedisProtocolSystem) and system.name != "redis"
        ]
        for system in systems:
            system.fill_small_range(
                LARGE_CLIENTS.key_prefix, LARGE_CLIENTS.keys, LARGE_CLIENTS.value_bytes
            )
        samples = []
        for number, (case, groups), system in self._turns(DISTURBANCES, systems):
            measured = self._measure(
                f"small requests {case}",
                system,
                lambda: system.measure_groups(groups, self._seconds),
            )
            for group in ("small", "large"):
                samples += _flat(
                    measured.get(group, {}),
                    round=number,
                    case=case,
                    clients=group,
                    system=system.name,
                )
        return samples

    def idle(self, seconds):
        """The processors' time that each process takes while nobody asks for anything."""
        for system in self._systems:
            system.settle()
        time.sleep(5)  # what was written last goes into a checkpoint
        servers = [
            (system.name, server, role)
            for system in self._systems
            for server, role in zip(system.servers, system.roles())
        ]
        self._progress(f"measuring {len(servers)} idle processes for {seconds:.0f} s")
        start = time.monotonic()
        before = [server.processor_seconds() for _, server, _ in servers]
        time.sleep(seconds)
        after = [server.processor_seconds() for _, server, _ in servers]
        elapsed = time.monotonic() - start
        return [
            {
                "system": system,
                "process": server.title,
                "role": role,
                "cpu_percent": 100 * (end - begin) / elapsed,
            }
            for (system, server, role), begin, end in zip(servers, before, after)
        ]

    def _turns(self, loads, systems):
        """(round, load and what belongs to it, system), the systems in rotated order."""
        for number in range(1, self._rounds + 1):
            for turn, load in enumerate(loads.items()):
                for system in rotated(systems, number - 1 + turn):
                    yield number, load, system

    def _measure(self, title, system, measure):
        """One measurement; a failed one is noted and repeated, for a leader may change under it."""
        for attempt in (1, 2):
            system.settle()
            os.sync()
            time.sleep(PAUSE_SECONDS)
            try:
                measured = measure()
                break
            except BenchmarkError as error:
                if attempt == 2:
                    raise
                self.failures.append(f"{system.name}, {title}: {error}")
                self._progress(f"repeated after a failure: {self.failures[-1]}")
        groups = [measured] if "set" in measured or "get" in measured else measured.values()
        rate = sum(
            group[operation]["requests_per_second"]
            for group in groups
            for operation in ("set", "get")
            if operation in group
        )
        self._progress(f"{title:46}{system.name:10}{rate:12,.0f}/s")
        return measured


def _flat(measured, **where):
    return [
        {**where, "operation": operation, **measured[operation]}
        for operation in ("set", "get")
        if operation in measured
    ]
