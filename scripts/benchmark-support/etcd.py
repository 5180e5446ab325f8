"""etcd: three members, driven by the load generator in etcd-load/."""

import json

from errors import BenchmarkError
from loads import KEYS
from processes import run_to_end
from systems import READY_TIMEOUT_SECONDS, Measurement, System

ETCD = "/usr/bin/etcd"
GO = "/usr/bin/go"
GO_LIBRARIES = "/usr/share/gocode"  # where Debian's golang-*-dev packages put their sources
BUILD_TIMEOUT_SECONDS = 900
FILL_CLIENTS = 200

# etcd's own upper bound. It keeps all versions of a key, so that a long benchmark would else reach
# the default quota of 2 GB and be refused further writes; speed does not depend on it.
QUOTA_BYTES = 8 * 1024**3


class Etcd(System):
    """Three etcd members with their default configuration; the leader is driven directly."""

    name = "etcd"
    packages = ("etcd-server", "golang-go", "golang-etcd-server-dev")

    def __init__(self, generator_source, generator_binary, first_port):
        super().__init__()
        self.client_ports = tuple(range(first_port, first_port + 3))
        self.peer_ports = tuple(range(first_port + 3, first_port + 6))
        self.ports = self.client_ports + self.peer_ports
        self._generator_source = generator_source
        self._generator_binary = generator_binary
        self._runs = 0

    def prepare(self):
        """Builds the load generator from Debian's Go sources alone, without a network."""
        self._generator_binary.parent.mkdir(parents=True, exist_ok=True)
        run_to_end(
            [GO, "build", "-o", str(self._generator_binary), str(self._generator_source)],
            BUILD_TIMEOUT_SECONDS,
            {"GO111MODULE": "off", "GOPATH": GO_LIBRARIES, "GOFLAGS": ""},
        )

    def start(self, folder):
        cluster = ",".join(
            f"node-{node_id}=http://127.0.0.1:{port}"
            for node_id, port in enumerate(self.peer_ports, start=1)
        )
        for node_id, (port, peer_port) in enumerate(
            zip(self.client_ports, self.peer_ports), start=1
        ):
            name = f"node-{node_id}"
            client_url = f"http://127.0.0.1:{port}"
            peer_url = f"http://127.0.0.1:{peer_port}"
            arguments = [ETCD, "--name", name, "--data-dir", str(folder / name / "data")]
            arguments += ["--listen-client-urls", client_url]
            arguments += ["--advertise-client-urls", client_url]
            arguments += ["--listen-peer-urls", peer_url]
            arguments += ["--initial-advertise-peer-urls", peer_url]
            arguments += ["--initial-cluster", cluster, "--initial-cluster-state", "new"]
            arguments += ["--quota-backend-bytes", str(QUOTA_BYTES)]
            self._start_server(f"etcd {name}", arguments, folder / name)
        self._generate("settle", READY_TIMEOUT_SECONDS)

    def fill(self, key_range):
        self._generate(
            "fill",
            300,
            *self._key_options(key_range),
            *("-clients", str(FILL_CLIENTS)),
        )

    def settle(self):
        self._generate("settle", READY_TIMEOUT_SECONDS)

    def measure(self, load, requests, timeout_seconds):
        output = self._generate(
            {"set": "put", "get": "get"}[load.operation],
            timeout_seconds,
            *self._key_options(load.key_range),
            *("-clients", str(load.clients), "-outstanding", str(load.pipeline)),
            *("-requests", str(requests)),
        )
        return Measurement(**json.loads(output))

    def measure_mixed(self, clients, set_percent, key_range, seconds):
        output = self._generate(
            "mixed",
            seconds + 60,
            *self._key_options(key_range),
            *("-clients", str(clients), "-seconds", str(seconds)),
            *("-set-percent", str(set_percent)),
        )
        return json.loads(output)

    def roles(self):
        return ["member"] * len(self.servers)

    def version(self):
        return run_to_end([ETCD, "--version"], 10).splitlines()[0]

    def _key_options(self, key_range):
        return (
            *("-keys", str(KEYS), "-key-prefix", key_range.prefix),
            *("-value-bytes", str(key_range.value_bytes)),
        )

    def _generate(self, operation, timeout_seconds, *options):
        for server in self.servers:
            server.require_alive()
        self._runs += 1
        endpoints = ",".join(f"127.0.0.1:{port}" for port in self.client_ports)
        arguments = [str(self._generator_binary), "-endpoints", endpoints]
        arguments += ["-operation", operation, "-seed", str(self._runs), *options]
        return run_to_end(arguments, timeout_seconds)
