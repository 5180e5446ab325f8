"""A cluster of three real nodes for a test: quorate_test_cluster, driven through its stdin."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import unittest


class TestCluster:
    """Three nodes, from here to quit(). They end with this process in any case."""

    def __init__(self, program):
        self._process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        start = self._read()
        self._read_nodes(start)
        self.server_program = os.readlink(f"/proc/{start['nodes'][0]['pid']}/exe")

    def _read(self):
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError(f"quorate_test_cluster ended with {self._process.wait()}")
        return json.loads(line)

    def _ask(self, command):
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read_nodes(self, answer):
        self.ports = [node["port"] for node in answer["nodes"]]
        self.leader_port = self.ports[answer["leader"] - 1]
        self.follower_port = next(port for port in self.ports if port != self.leader_port)

    def refresh(self):
        """Waits for a leader, and learns who it is."""
        self._read_nodes(self._ask("leader"))

    def kill_leader(self):
        self._ask("kill-leader")

    def stop_leader(self):
        """SIGTERM; returns when its process has ended."""
        self._ask("stop-leader")

    def heal(self):
        """Starts what was killed, and waits until all nodes serve."""
        self._read_nodes(self._ask("heal"))

    def quit(self):
        self._ask("quit")
        if self._process.wait() != 0:
            raise AssertionError("quorate_test_cluster did not end well")


class Stranger:
    """A server alone, which has nothing to do with the cluster, from here to quit()."""

    def __init__(self, program):
        self._folder = tempfile.TemporaryDirectory()
        self.port, peer_port = free_ports(2)
        self._process = subprocess.Popen(
            [program, "--port", str(self.port), "--cluster-port", str(peer_port), "--dir",
             self._folder.name], stdout=subprocess.DEVNULL)

    def quit(self):
        self._process.terminate()
        self._process.wait()
        self._folder.cleanup()


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


DEADLINE_S = 60


def keep_trying(action, errors):
    """What action() returns, as soon as it raises none of these errors any more."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        try:
            return action()
        except errors:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


class ClusterTestCase(unittest.TestCase):
    """Tests that share one cluster; every one of them begins with all nodes running."""

    @classmethod
    def setUpClass(cls):
        cls.cluster = TestCluster(PROGRAM)

    @classmethod
    def tearDownClass(cls):
        cls.cluster.quit()

    def setUp(self):
        self.cluster.heal()

    def key(self, name):
        """`name` made this test's own."""
        return f"{self._testMethodName}:{name}"


EVERY_BYTE = bytes(range(256))
MEBIBYTE = EVERY_BYTE * 4096


def main():
    unittest.main(argv=[sys.argv[0], "--verbose"])


if len(sys.argv) != 2:
    sys.exit(f"usage: {sys.argv[0]} PATH_OF_quorate_test_cluster")
PROGRAM = sys.argv[1]
