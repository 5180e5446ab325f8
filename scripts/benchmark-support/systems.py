"""What every measured system can do, and the two kinds that speak Redis's protocol."""

import csv
import json
import time
from dataclasses import dataclass

from errors import BenchmarkError
from loads import KEYS
from processes import Server, run_to_end, stop_servers, wait_for
from resp_client import RespClient, info

READY_TIMEOUT_SECONDS = 60
QUIET_TIMEOUT_SECONDS = 60

# Debian's, wherever else PATH may lead.
REDIS_SERVER = "/usr/bin/redis-server"
REDIS_BENCHMARK = "/usr/bin/redis-benchmark"


@dataclass(frozen=True)
class Clients:
    """Clients that all do the same, for resp-load; see its options.h."""

    name: str
    count: int
    set_percent: int = 0
    pipeline: int = 1
    key_prefix: str = "key:"
    keys: int = KEYS
    value_bytes: int = 64
    rate: float = 0
    idle: bool = False

    def argument(self):
        fields = [f"clients={self.count}", f"set-percent={self.set_percent}"]
        fields += [f"pipeline={self.pipeline}", f"keys={self.keys}", f"prefix={self.key_prefix}"]
        fields += [f"value-bytes={self.value_bytes}", f"rate={self.rate}"]
        return f"{self.name}:{','.join(fields)}{',idle' if self.idle else ''}"


@dataclass(frozen=True)
class Measurement:
    """The outcome of one load on one system."""

    requests: int
    requests_per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float

    @property
    def seconds(self):
        return self.requests / self.requests_per_second


class System:
    """A server or a cluster.

    The driver calls prepare, start and fill once, then settle and measure for each measurement, and
    stop in any case, even after a start that failed half-way.
    """

    name = ""
    packages = ()
    ports = ()

    def __init__(self):
        self.servers = []

    def prepare(self):
        """What has to be there before anything is started, such as a build."""

    def start(self, folder):
        """Starts the processes with data in `folder`, which is new, and waits until they serve."""
        raise NotImplementedError

    def fill(self, key_range):
        """Sets every key of `key_range` once."""
        raise NotImplementedError

    def settle(self):
        """Waits for what an earlier measurement left behind, so that no later one pays for it."""

    def measure(self, load, requests, timeout_seconds):
        """Runs `load` with `requests` requests. BenchmarkError when any of them failed."""
        raise NotImplementedError

    def measure_mixed(self, clients, set_percent, key_range, seconds):
        """SETs and GETs from so many clients; by operation, "set" or "get", a dict of figures."""
        raise NotImplementedError

    def roles(self):
        """What each of `servers` is now, such as "leader"."""
        return ["server"] * len(self.servers)

    def version(self):
        raise NotImplementedError

    def stop(self):
        stop_servers(self.servers)

    def _start_server(self, title, arguments, folder):
        folder.mkdir(parents=True)
        self.servers.append(Server(title, arguments, folder))


class RedisProtocolSystem(System):
    """A system that redis-benchmark can drive; `client_ports` are its nodes, one of them leads."""

    client_ports = ()

    def __init__(self, generator):
        super().__init__()
        self._generator = generator  # resp-load

    def prepare(self):
        require_built(self._generator)

    def leader_port(self):
        """The port of the node that takes writes: the one that calls itself master."""

        def find():
            for port in self.client_ports:
                if info(port, "replication").get("role") == "master":
                    return port
            return None

        return wait_for(find, self.servers, READY_TIMEOUT_SECONDS, f"leader of {self.name}")

    def fill(self, key_range):
        with RespClient(self.leader_port()) as client:
            client.fill(key_range.prefix, KEYS, "x" * key_range.value_bytes)
            if client.command("DBSIZE") < KEYS:
                raise BenchmarkError(f"{self.name} has lost keys: DBSIZE is below {KEYS}")

    def settle(self):
        deadline = time.monotonic() + QUIET_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            fields = [info(port, "persistence") for port in self.client_ports]
            if all(field.get("aof_rewrite_in_progress", "0") == "0" for field in fields):
                return
            time.sleep(0.1)
        raise BenchmarkError(f"{self.name} rewrites its file for {QUIET_TIMEOUT_SECONDS} s")

    def measure(self, load, requests, timeout_seconds):
        for server in self.servers:
            server.require_alive()
        arguments = redis_benchmark_arguments(load, requests, self.leader_port())
        return parse_redis_benchmark(run_to_end(arguments, timeout_seconds), requests)

    def measure_mixed(self, clients, set_percent, key_range, seconds):
        return self.measure_groups(
            [
                Clients(
                    "all",
                    clients,
                    set_percent,
                    key_prefix=key_range.prefix,
                    value_bytes=key_range.value_bytes,
                )
            ],
            seconds,
        )["all"]

    def measure_groups(self, groups, seconds):
        """Runs several kinds of clients at once; by a group's name what resp-load says of it."""
        for server in self.servers:
            server.require_alive()
        arguments = [str(self._generator), "--ports", str(self.leader_port())]
        arguments += ["--seconds", str(seconds), *(group.argument() for group in groups)]
        measured = json.loads(run_to_end(arguments, seconds + 60))["groups"]
        for name, group in measured.items():
            if group.pop("retries") > 0:
                raise BenchmarkError(f"requests of the clients {name!r} failed")
        return measured

    def fill_small_range(self, prefix, keys, value_bytes):
        """Sets a few large values."""
        with RespClient(self.leader_port()) as client:
            client.fill(prefix, keys, "x" * value_bytes, batch=1)


def require_built(binary):
    if not binary.is_file():
        raise BenchmarkError(
            f"there is no {binary}; build it: cmake --preset release && "
            "cmake --build --preset release"
        )


def redis_benchmark_arguments(load, requests, port):
    arguments = [REDIS_BENCHMARK, "-h", "127.0.0.1", "-p", str(port), "--csv"]
    arguments += ["-r", str(KEYS), "-n", str(requests)]
    arguments += ["-c", str(load.clients), "-P", str(load.pipeline)]
    # Written out instead of `-t set -d 64`, which it equals, because -t knows one key prefix only.
    arguments += [load.operation.upper(), f"{load.key_range.prefix}__rand_int__"]
    if load.operation == "set":
        arguments.append("x" * load.key_range.value_bytes)
    return arguments


def parse_redis_benchmark(output, requests):
    """Reads `redis-benchmark --csv`: a line of names, then a line of values."""
    rows = list(csv.reader(output.splitlines()))
    # Without "rps" it said something else, such as a warning about the server's replies.
    if len(rows) != 2 or len(rows[0]) != len(rows[1]) or "rps" not in rows[0]:
        raise BenchmarkError(f"unexpected output of redis-benchmark:\n{output[-1000:]}")
    values = dict(zip(rows[0], rows[1]))
    return Measurement(
        requests=requests,
        requests_per_second=float(values["rps"]),
        p50_ms=float(values["p50_latency_ms"]),
        p95_ms=float(values["p95_latency_ms"]),
        p99_ms=float(values["p99_latency_ms"]),
        max_ms=float(values["max_latency_ms"]),
    )


class Redis(RedisProtocolSystem):
    """One redis-server with Debian's defaults but for its persistence."""

    packages = ("redis-server", "redis-tools")

    def __init__(self, name, port, append_only, generator):
        super().__init__(generator)
        self.name = name
        self.ports = (port,)
        self.client_ports = (port,)
        self._append_only = append_only

    def start(self, folder):
        arguments = [REDIS_SERVER, "--port", str(self.ports[0]), "--bind", "127.0.0.1"]
        arguments += ["--save", ""]
        if self._append_only:
            arguments += ["--appendonly", "yes", "--appendfsync", "always"]
        self._start_server(self.name, arguments, folder)
        self.leader_port()

    def version(self):
        return run_to_end([REDIS_SERVER, "--version"], 10).strip()


class Quorate(RedisProtocolSystem):
    """Three Quorate nodes with their default configuration; the leader is driven directly."""

    name = "quorate"
    packages = ("redis-tools",)

    def __init__(self, binary, generator, first_port):
        super().__init__(generator)
        self._binary = binary
        self.client_ports = tuple(range(first_port, first_port + 3))
        self.peer_ports = tuple(range(first_port + 3, first_port + 6))
        self.ports = self.client_ports + self.peer_ports

    def prepare(self):
        super().prepare()
        require_built(self._binary)

    def start(self, folder):
        members = ",".join(
            f"{node_id}=127.0.0.1:{port}@{peer_port}"
            for node_id, (port, peer_port) in enumerate(
                zip(self.client_ports, self.peer_ports), start=1
            )
        )
        for node_id, port in enumerate(self.client_ports, start=1):
            node_folder = folder / f"node-{node_id}"
            arguments = [str(self._binary), "--node-id", str(node_id), "--port", str(port)]
            arguments += ["--dir", str(node_folder / "data"), "--initial-cluster", members]
            arguments += ["--initial-cluster-state", "new"]
            self._start_server(f"quorate node {node_id}", arguments, node_folder)
        self.leader_port()

    def roles(self):
        names = {"master": "leader", "slave": "follower"}
        return [names.get(info(port, "replication").get("role")) for port in self.client_ports]

    def version(self):
        # With the time of the build: the binary need not be that of the commit that is checked out.
        built = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self._binary.stat().st_mtime))
        return f"{run_to_end([str(self._binary), '--version'], 10).strip()} (built {built})"
