"""Several databases on a cluster of three: SELECT, SWAPDB, MOVE, FLUSHDB, FLUSHALL and what shows
them, with nodes that are killed, away for long, backed up and restored.

Usage: databases_test.py QUORATE_SERVER
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import redis

DEADLINE_S = 60
REPLY_TIMEOUT_S = 30
DATABASES = 16
MANY = 20_000
# Commands or keys that are sent together.
BATCH = 1000
EVERY_BYTE = bytes(range(256))


class Client:
    """One connection. Replies are as they come, texts as bytes; errors are redis.ResponseError."""

    def __init__(self, port):
        self._connection = redis.Connection(host="127.0.0.1", port=port,
                                            socket_timeout=REPLY_TIMEOUT_S)

    def __call__(self, *arguments):
        self._connection.send_command(*arguments)
        return self._connection.read_response()

    def pipeline(self, commands):
        """All are sent before the first reply is read."""
        self._connection.send_packed_command(self._connection.pack_commands(commands))
        return [self._connection.read_response() for _ in commands]

    def close(self):
        self._connection.disconnect()


def free_ports(count):
    """Below those that the system gives to connections, because nodes come back to theirs."""
    sockets = []
    while len(sockets) < count:
        one = socket.socket()
        try:
            one.bind(("127.0.0.1", random.randrange(20_000, 30_000)))
            sockets.append(one)
        except OSError:
            one.close()
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def eventually(condition, what):
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {DEADLINE_S} s: {what}")
        time.sleep(0.02)


class Cluster:
    """Real nodes, numbered from 0, each with a folder of its own. They end with this process."""

    def __init__(self, size, flags):
        self.folder = tempfile.mkdtemp(prefix="quorate-databases-")
        ports = free_ports(2 * size)
        self.ports = ports[:size]
        self.flags = list(flags)  # of every start from now on
        self._identity = []
        self._processes = [None] * size
        if size > 1:
            self._identity = ["--initial-cluster", ",".join(
                f"{node + 1}=127.0.0.1:{port}@{peer_port}"
                for node, (port, peer_port) in enumerate(zip(self.ports, ports[size:])))]
        else:
            self._identity = ["--cluster-port", str(ports[1])]
        self.nodes = range(size)
        self._start_all()
        if size > 1:
            eventually(lambda: self._try(0, "CLUSTER", "CREATE") is not None, "CLUSTER CREATE")
        self.wait_until_all_serve()

    def _start_all(self):
        for node in self.nodes:
            if self._processes[node] is None:
                self.start(node)

    def _try(self, node, *command, readonly=False):
        """The reply; None where there is none, or an error."""
        client = Client(self.ports[node])
        try:
            if readonly:
                client("READONLY")
            reply = client(*command)
            return b"" if reply is None else reply
        except redis.RedisError:
            return None
        finally:
            client.close()

    def data_folder(self, node):
        return f"{self.folder}/node-{node + 1}"

    def start(self, node):
        with open(f"{self.data_folder(node)}.log", "ab") as log:
            self._processes[node] = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", SERVER, "--port", str(self.ports[node]), "--dir",
                 self.data_folder(node)]
                + (["--node-id", str(node + 1)] if len(self.ports) > 1 else [])
                + self._identity + self.flags,
                stdout=log, stderr=log)

    def kill9(self, node):
        self._processes[node].kill()
        self._processes[node].wait()
        self._processes[node] = None

    def kill9_all(self):
        """At once, none sees the other's end."""
        running = [node for node in self.nodes if self._processes[node]]
        for node in running:
            self._processes[node].send_signal(signal.SIGSTOP)
        for node in running:
            self.kill9(node)

    def wait_until_all_serve(self):
        """Linearizable reads: so all have applied what was acknowledged before."""
        for node in self.nodes:
            eventually(lambda: self._try(node, "GET", "no-such-key", readonly=True) is not None,
                       f"node {node + 1} serves")
        self.wait_for_leader()

    def wait_for_leader(self):
        leaders = []

        def found():
            leaders.extend(node for node in self.nodes if self._processes[node]
                           and self._try(node, "GET", "no-such-key") is not None)
            return leaders

        eventually(found, "there is a leader")
        return leaders[0]

    def heal(self):
        self._start_all()
        self.wait_until_all_serve()

    def end(self, keep_folder):
        """SIGTERM. What each exited with; the folder stays if it is wanted."""
        running = [process for process in self._processes if process]
        for process in running:
            process.terminate()
        ends = [process.wait(DEADLINE_S) for process in running]
        if keep_folder:
            print(f"The logs and the data are in {self.folder}", file=sys.stderr)
        else:
            shutil.rmtree(self.folder)
        return ends


class ClusterTestCase(unittest.TestCase):
    """Tests that share one cluster; each begins with all nodes running and all databases empty."""

    flags = ()

    @classmethod
    def setUpClass(cls):
        cls.failed = False
        cls.cluster = Cluster(3, cls.flags)

    @classmethod
    def tearDownClass(cls):
        ends = cls.cluster.end(keep_folder=cls.failed)
        if ends != [0, 0, 0]:
            raise AssertionError(f"the nodes have ended with {ends}")

    def run(self, result=None):
        before = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > before:
            type(self).failed = True
        return result

    def setUp(self):
        self.cluster.heal()
        self.leader = self.cluster.wait_for_leader()
        self.follower = (self.leader + 1) % 3
        self.assertEqual(self.client()("FLUSHALL"), b"OK")

    def client(self, database=0, node=None):
        """A new connection to the leader, or to this node; to a follower one that reads there."""
        return self.client_of(self.cluster, database, self.leader if node is None else node)

    def client_of(self, cluster, database, node):
        client = Client(cluster.ports[node])
        self.addCleanup(client.close)
        self.assertEqual(client("READONLY"), b"OK")
        if database != 0:
            self.assertEqual(client("SELECT", database), b"OK")
        return client

    def new_leader(self):
        self.leader = self.cluster.wait_for_leader()
        self.follower = (self.leader + 1) % 3

    def assert_error(self, text, client, *command):
        with self.assertRaises(redis.ResponseError) as raised:
            client(*command)
        self.assertEqual(str(raised.exception), text)

    def fill(self, database, count=MANY, value="old"):
        client = self.client(database)
        for first in range(0, count, BATCH):
            replies = client.pipeline([("SET", f"key-{i}", f"{value}-{database}-{i}")
                                       for i in range(first, min(first + BATCH, count))])
            self.assertEqual(set(replies), {b"OK"})

    def values(self, client, count=MANY):
        """What of the filled keys is there now, by number."""
        found = {}
        for first in range(0, count, BATCH):
            names = range(first, min(first + BATCH, count))
            replies = client("MGET", *(f"key-{i}" for i in names))
            found |= {i: value for i, value in zip(names, replies) if value is not None}
        return found

    @staticmethod
    def filled(database, count=MANY, value="old"):
        return {i: f"{value}-{database}-{i}".encode() for i in range(count)}

    def info(self, node, section, cluster=None):
        client = self.client_of(cluster or self.cluster, 0, node)
        lines = client("INFO", section).decode().split("\r\n")
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def keyspace(self, node, cluster=None):
        """As INFO shows it: the number of keys of each database that has some."""
        databases = {}
        for name, text in self.info(node, "keyspace", cluster).items():
            self.assertEqual(text, f"{text.split(',')[0]},expires=0,avg_ttl=0")
            databases[int(name.removeprefix("db"))] = int(text.split(",")[0].removeprefix("keys="))
        return databases

    def assert_keyspace_everywhere(self, expected):
        self.cluster.wait_until_all_serve()
        for node in self.cluster.nodes:
            self.assertEqual(self.keyspace(node), expected, f"node {node + 1}")

    def wait_for_equal_states(self):
        """Equal digests at equal last_applied."""
        def state(node):
            info = self.info(node, "raft")
            return info["raft_last_applied"], info["raft_state_digest"]

        eventually(lambda: len({state(node) for node in self.cluster.nodes}) == 1,
                   "all nodes have the same state")

    def index(self, node, name):
        return int((self.info(node, "raft") | self.info(node, "persistence"))[name])

    def wait_for_checkpoints(self):
        """All that was acknowledged is in every node's."""
        self.cluster.wait_until_all_serve()
        wanted = self.index(self.leader, "raft_commit_index")
        eventually(lambda: all(self.index(node, "checkpoint_index") >= wanted
                               for node in self.cluster.nodes), "all have made a checkpoint")

    def kill_and_restart_all(self):
        self.cluster.kill9_all()
        self.cluster.heal()
        self.new_leader()


class Databases(ClusterTestCase):
    """What a client sees of them."""

    def test_a_key_has_a_value_of_its_own_in_each_database(self):
        for database in range(DATABASES):
            self.assertEqual(self.client(database)("SET", "key", f"of-{database}"), b"OK")
        self.client(3)("DEL", "key")
        for node in self.cluster.nodes:
            for database in range(DATABASES):
                client = self.client(database, node)
                there = database != 3
                self.assertEqual(client("GET", "key"),
                                 f"of-{database}".encode() if there else None)
                self.assertEqual(client("EXISTS", "key"), int(there))
        for database in range(DATABASES):
            self.assertEqual(self.client(database)("DBSIZE"), int(database != 3))
        self.assertEqual(self.client(3)("SET", "key", "again", "NX"), b"OK")
        self.assertIsNone(self.client(4)("SET", "key", "again", "NX"))
        self.assert_keyspace_everywhere({database: 1 for database in range(DATABASES)})

    def test_there_are_sixteen(self):
        client = self.client()
        self.assertEqual(client("CONFIG", "GET", "databases"), [b"databases", b"16"])
        self.assertEqual(client("SELECT", DATABASES - 1), b"OK")
        self.assert_error("DB index is out of range", client, "SELECT", DATABASES)
        self.assert_error("DB index is out of range", client, "SELECT", -1)

    def test_a_selection_is_the_connections_alone(self):
        client = self.client()
        other = self.client()
        client("SELECT", 5)
        client("SET", "key", "5")
        self.assertIsNone(other("GET", "key"))
        self.assertIsNone(self.client()("GET", "key"))
        for wrong in ("x", DATABASES, -1, 2 ** 31, 2 ** 64):
            with self.assertRaises(redis.ResponseError):
                client("SELECT", wrong)
            self.assertEqual(client("GET", "key"), b"5", f"after SELECT {wrong}")
        # As Redis: greeting again keeps it, only RESET does not.
        client("HELLO", 2)
        self.assertEqual(client("GET", "key"), b"5")
        self.assertEqual(client("RESET"), b"RESET")
        self.assertIsNone(client("GET", "key"))
        client("SET", "key", "0")
        self.assertEqual(other("GET", "key"), b"0")
        self.assertEqual(self.client(5)("GET", "key"), b"5")

    def test_client_list_and_info_name_the_selected_database(self):
        client = self.client(7)
        other = self.client(11)

        def database(line):
            fields = dict(field.split("=", 1) for field in line.split())
            return fields["db"]

        self.assertEqual(database(client("CLIENT", "INFO").decode()), "7")
        line = client("CLIENT", "LIST", "ID", other("CLIENT", "ID")).decode()
        self.assertEqual(database(line), "11")
        other("SWAPDB", 11, 7)
        self.assertEqual(database(other("CLIENT", "INFO").decode()), "11")
        other("RESET")
        self.assertEqual(database(other("CLIENT", "INFO").decode()), "0")

    def test_every_command_of_a_pipeline_goes_to_the_database_selected_before_it(self):
        commands = []
        expected = []
        for database in range(DATABASES):
            commands += [("SELECT", database), ("SET", "key", database), ("GET", "key"),
                         ("DBSIZE",)]
            expected += [b"OK", b"OK", str(database).encode(), 1]
        # Back through those that were written in the same flight.
        for database in reversed(range(DATABASES)):
            commands += [("SELECT", database), ("GET", "key"), ("DEL", "key", "no-such-key")]
            expected += [b"OK", str(database).encode(), 1]
        self.assertEqual(self.client().pipeline(commands), expected)
        self.assert_keyspace_everywhere({})

    def test_swapdb_exchanges_them_for_those_who_had_selected_one_before(self):
        one, two = self.client(1), self.client(2)
        readers = {node: (self.client(1, node), self.client(2, node))
                   for node in self.cluster.nodes}
        one("MSET", "key", "one", "only-one", "1")
        two("SET", "key", "two")
        for _ in range(2):
            self.assertEqual(self.client(9)("SWAPDB", 1, 2), b"OK")
            self.assertEqual(one("MGET", "key", "only-one"), [b"two", None])
            self.assertEqual(two("MGET", "key", "only-one"), [b"one", b"1"])
            self.assertEqual((one("DBSIZE"), two("DBSIZE")), (1, 2))
            for reads_one, reads_two in readers.values():
                self.assertEqual(reads_one("GET", "key"), b"two")
                self.assertEqual(reads_two("GET", "key"), b"one")
            # From the inside, and with the numbers the other way around.
            self.assertEqual(one("SWAPDB", 2, 1), b"OK")
            self.assertEqual(one("GET", "key"), b"one")
            self.assertEqual(two("GET", "key"), b"two")
        self.assertEqual(one("SWAPDB", 1, 1), b"OK")
        self.assertEqual(one("GET", "key"), b"one")
        # With one that is empty, and with number 0.
        self.assertEqual(one("SWAPDB", 1, 0), b"OK")
        self.assertEqual(self.client()("MGET", "key", "only-one"), [b"one", b"1"])
        self.assertEqual(one("DBSIZE"), 0)
        one("SET", "key", "new")
        self.assertEqual(self.client()("GET", "key"), b"one")
        self.assert_keyspace_everywhere({0: 2, 1: 1, 2: 1})
        self.kill_and_restart_all()
        self.assert_keyspace_everywhere({0: 2, 1: 1, 2: 1})
        self.assertEqual([self.client(database)("GET", "key") for database in range(3)],
                         [b"one", b"new", b"two"])

    def test_many_swaps_come_out_as_one_would_reckon(self):
        for database in range(4):
            self.client(database)("SET", "key", database)
        expected = list(range(4))
        choices = random.Random(1)
        commands = []
        for _ in range(200):
            first, second = choices.randrange(4), choices.randrange(4)
            commands.append(("SWAPDB", first, second))
            expected[first], expected[second] = expected[second], expected[first]
        self.assertEqual(set(self.client().pipeline(commands)), {b"OK"})
        self.kill_and_restart_all()
        for node in self.cluster.nodes:
            self.assertEqual([int(self.client(database, node)("GET", "key"))
                              for database in range(4)], expected)

    def test_flushdb_leaves_the_others(self):
        for number, how in enumerate(((), ("ASYNC",), ("SYNC",), ("async",), ("sYnC",))):
            for database in range(3):
                self.client(database)("MSET", "a", "1", "b", number)
            self.assertEqual(self.client(1)("FLUSHDB", *how), b"OK")
            for node in self.cluster.nodes:
                self.assertEqual(self.client(1, node)("MGET", "a", "b"), [None, None])
                for database in (0, 2):
                    self.assertEqual(self.client(database, node)("MGET", "a", "b"),
                                     [b"1", str(number).encode()])
            self.assert_keyspace_everywhere({0: 2, 2: 2})

    def test_flushall_leaves_none(self):
        for how in ((), ("ASYNC",), ("SYNC",), ("async",), ("sYnC",)):
            for database in range(DATABASES):
                self.client(database)("SET", "key", "1")
            client = self.client(4)
            self.assertEqual(client("FLUSHALL", *how), b"OK")
            self.assert_keyspace_everywhere({})
            # The selection has outlived it.
            client("SET", "key", "2")
            self.assert_keyspace_everywhere({4: 1})

    def test_what_is_refused_changes_nothing(self):
        for database in range(2):
            self.client(database)("SET", "key", database)
        client = self.client()
        for command in (("FLUSHDB", "x"), ("FLUSHDB", "ASYNC", "SYNC"), ("FLUSHDB", ""),
                        ("FLUSHALL", "x"), ("FLUSHALL", "SYNC", "SYNC"), ("SWAPDB", "0", "x"),
                        ("SWAPDB", "x", "1"), ("SWAPDB", "0", DATABASES), ("SWAPDB", "-1", "1"),
                        ("SWAPDB", "0"), ("SWAPDB", "0", "1", "2"), ("MOVE", "key", "0"),
                        ("MOVE", "key", "x"), ("MOVE", "key", DATABASES), ("MOVE", "key", "-1"),
                        ("MOVE", "key"), ("MOVE", "key", "2", "3")):
            with self.assertRaises(redis.ResponseError, msg=str(command)):
                client(*command)
        self.assert_keyspace_everywhere({0: 1, 1: 1})
        self.assertEqual(client("GET", "key"), b"0")
        self.assertEqual(self.client(1)("GET", "key"), b"1")

    def test_move(self):
        client, target = self.client(), self.client(1)
        value = EVERY_BYTE * 4096
        client("MSET", "key", value, EVERY_BYTE, "binary")
        self.assertEqual(client("MOVE", "no-such-key", 1), 0)
        self.assertEqual(client("MOVE", "key", 1), 1)
        self.assertEqual(client("MOVE", EVERY_BYTE, 1), 1)
        for node in self.cluster.nodes:
            self.assertEqual(self.client(1, node)("MGET", "key", EVERY_BYTE), [value, b"binary"])
            self.assertEqual(self.client(0, node)("MGET", "key", EVERY_BYTE), [None, None])
        # Onto one that exists: both stay as they are.
        client("SET", "key", "new")
        self.assertEqual(client("MOVE", "key", 1), 0)
        self.assertEqual(client("GET", "key"), b"new")
        self.assertEqual(target("GET", "key"), value)
        # And back, once there is room.
        client("DEL", "key")
        self.assertEqual(target("MOVE", "key", 0), 1)
        self.assertEqual(client("GET", "key"), value)
        # A name that the target has lost by a flush.
        target("FLUSHDB")
        self.assertEqual(client("MOVE", "key", 1), 1)
        self.assertEqual(target("GET", "key"), value)
        self.assert_keyspace_everywhere({1: 1})

    def test_a_follower_redirects_writes_and_changes_nothing(self):
        self.client(1)("SET", "key", "1")
        follower = Client(self.cluster.ports[self.follower])
        self.addCleanup(follower.close)
        for command in (("SWAPDB", 0, 1), ("FLUSHDB",), ("FLUSHALL", "ASYNC"), ("MOVE", "key", 2)):
            follower("SELECT", 1)
            with self.assertRaises(redis.ResponseError, msg=str(command)) as raised:
                follower(*command)
            moved, _, address = str(raised.exception).split()
            self.assertEqual(moved, "MOVED")
            self.assertEqual(address, f"127.0.0.1:{self.cluster.ports[self.leader]}")
        self.assert_keyspace_everywhere({1: 1})

    def test_an_acknowledged_flush_swap_and_move_outlive_the_leader(self):
        for database in range(1, 4):
            self.fill(database, 100)
        self.client(1)("FLUSHDB")
        self.client()("SWAPDB", 2, 4)
        self.client(3)("MOVE", "key-0", 5)
        self.cluster.kill9(self.leader)
        self.new_leader()
        self.assertEqual([self.client(database)("DBSIZE") for database in range(1, 6)],
                         [0, 0, 99, 100, 1])
        self.assertEqual(self.values(self.client(4)), self.filled(2, 100))
        self.cluster.heal()
        self.assert_keyspace_everywhere({3: 99, 4: 100, 5: 1})


class ManyKeys:
    """Flushes of many keys. The classes say where these and the flushes are when all nodes end."""

    def filled_all(self):
        """After writes that shall be flushed."""

    def flushed(self):
        """Before the end."""

    def test_a_flushed_database_is_empty_at_once_and_stays_so(self):
        self.fill(2)
        self.fill(3, 100)
        self.filled_all()
        # Both ways of having selected it.
        client, other = self.client(2), self.client(2)
        self.assertEqual(client("DBSIZE"), MANY)
        self.assertEqual(client("FLUSHDB"), b"OK")
        self.assertEqual(client("DBSIZE"), 0)
        self.assertEqual(other("MGET", "key-0", f"key-{MANY - 1}"), [None, None])
        self.fill(2, 500, "new")
        other("DEL", "key-0")
        expected = self.filled(2, 500, "new")
        del expected[0]
        self.assertEqual(client("DBSIZE"), 499)
        self.assert_keyspace_everywhere({2: 499, 3: 100})
        self.flushed()
        for _ in range(2):
            self.kill_and_restart_all()
            self.assert_keyspace_everywhere({2: 499, 3: 100})
            self.wait_for_equal_states()
            for node in self.cluster.nodes:
                self.assertEqual(self.values(self.client(2, node)), expected)
                self.assertEqual(self.values(self.client(3, node)), self.filled(3, 100))

    def test_all_databases_flushed_after_an_exchange(self):
        for database in range(4):
            self.fill(database, MANY // 4)
        self.filled_all()
        self.client()("SWAPDB", 0, 3)
        self.assertEqual(self.client()("FLUSHALL", "ASYNC"), b"OK")
        self.assertEqual([self.client(database)("DBSIZE") for database in range(4)], [0] * 4)
        self.fill(3, 10, "new")
        self.client()("SWAPDB", 3, 0)
        self.flushed()
        self.kill_and_restart_all()
        self.assert_keyspace_everywhere({0: 10})
        self.wait_for_equal_states()
        for node in self.cluster.nodes:
            self.assertEqual(self.values(self.client(0, node)), self.filled(3, 10, "new"))
            for database in range(1, 4):
                self.assertEqual(self.values(self.client(database, node)), {})


SELDOM = ("--checkpoint-interval", "60000")
OFTEN = ("--checkpoint-interval", "20")


class ManyKeysInTheLog(ManyKeys, ClusterTestCase):
    """The writes and the flush are replayed."""

    flags = SELDOM

    def filled_all(self):
        self._filled = self.index(self.leader, "raft_commit_index")

    def flushed(self):
        for node in self.cluster.nodes:
            self.assertLess(self.index(node, "checkpoint_index"), self._filled)


class ManyKeysInTheCheckpoint(ManyKeys, ClusterTestCase):
    """The keys have rows on disk before the flush, and the flush comes there, too."""

    flags = OFTEN

    def filled_all(self):
        self.wait_for_checkpoints()

    def flushed(self):
        self.wait_for_checkpoints()

    def test_killed_in_the_middle_of_clearing_up_again_and_again(self):
        choices = random.Random(2)
        for round_number in range(4):
            # More than one checkpoint clears up.
            self.fill(2, value="v" * 2500)
            self.wait_for_checkpoints()
            self.client(2)("FLUSHDB")
            expected = f"new-{round_number}"
            self.fill(2, 50, expected)
            # Wherever it just happens to be.
            time.sleep(choices.uniform(0, 0.3))
            self.kill_and_restart_all()
            self.assert_keyspace_everywhere({2: 50})
            for node in self.cluster.nodes:
                self.assertEqual(self.values(self.client(2, node)), self.filled(2, 50, expected))
        self.wait_for_equal_states()

    def test_the_room_of_what_was_flushed_is_used_again(self):
        def fill_and_flush():
            """How much of the disk the fullest node has taken."""
            self.fill(2, value="v" * 500)
            self.wait_for_checkpoints()
            filled = max(self.index(node, "state_disk_bytes") for node in self.cluster.nodes)
            self.client(2)("FLUSHDB")
            # Clearing up takes some checkpoints.
            for i in range(5):
                self.client()("SET", "key", i)
                self.wait_for_checkpoints()
            return filled

        first = fill_and_flush()
        self.assertGreater(first, MANY * 500)
        for _ in range(6):
            self.assertLess(fill_and_flush(), 2 * first)


class ManyKeysInTheCheckpointAndTheirFlushInTheLog(ManyKeys, ClusterTestCase):
    """The keys have rows on disk, and the flush is replayed."""

    flags = OFTEN

    def setUp(self):
        self._restart_with(OFTEN)
        super().setUp()

    def _restart_with(self, flags):
        self.cluster.flags = list(flags)
        self.kill_and_restart_all()

    def filled_all(self):
        self.wait_for_checkpoints()
        self._restart_with(SELDOM)
        self._filled = self.index(self.leader, "raft_commit_index")

    def flushed(self):
        for node in self.cluster.nodes:
            self.assertLessEqual(self.index(node, "checkpoint_index"), self._filled)


class Snapshots(ClusterTestCase):
    """A log that is cut at once."""

    flags = ("--repl-backlog-size", "64kb", "--repl-backlog-entries", "50",
             "--checkpoint-interval", "20")

    def test_a_follower_that_was_away_gets_all_databases(self):
        for database in (0, 1, 2, 3):
            self.fill(database, 2000)
        away = self.follower
        self.cluster.wait_until_all_serve()
        had = self.index(away, "raft_last_log_index")
        self.cluster.kill9(away)

        # It still has keys that are gone, exchanged and moved meanwhile.
        self.client(1)("FLUSHDB")
        self.fill(1, 10, "new")
        self.client()("SWAPDB", 2, 3)
        self.client()("SWAPDB", 3, 15)
        for i in range(5):
            self.assertEqual(self.client()("MOVE", f"key-{i}", 7), 1)
        self.client()("DEL", "key-5")
        filler = self.client(9)

        def gone():
            filler("SET", "filler", "v" * 20_000)
            return self.index(self.leader, "raft_first_log_index") > had + 1

        eventually(gone, "the log begins behind what the follower has")

        self.cluster.start(away)
        self.cluster.wait_until_all_serve()
        self.assertGreater(self.index(away, "raft_first_log_index"), had + 1, "it got no snapshot")
        zero = {i: value for i, value in self.filled(0, 2000).items() if i > 5}
        for _ in range(2):
            self.wait_for_equal_states()
            self.assert_keyspace_everywhere({0: 1994, 1: 10, 2: 2000, 7: 5, 9: 1, 15: 2000})
            for database, expected in ((0, zero), (1, self.filled(1, 10, "new")),
                                       (2, self.filled(3, 2000)), (3, {}),
                                       (7, self.filled(0, 5)), (15, self.filled(2, 2000))):
                self.assertEqual(self.values(self.client(database, away), 2000), expected,
                                 f"database {database}")
            # It comes back from its own folder with the same.
            self.cluster.kill9(away)
            self.cluster.heal()

        # And goes on with them, as one of a majority of two.
        self.new_leader()
        self.cluster.kill9(next(node for node in self.cluster.nodes if node != away))
        self.new_leader()
        self.assertEqual(self.client(15)("DBSIZE"), 2000)
        self.client()("SWAPDB", 15, 1)
        self.client(15)("FLUSHDB")
        self.cluster.heal()
        self.assert_keyspace_everywhere({0: 1994, 1: 2000, 2: 2000, 7: 5, 9: 1})
        self.wait_for_equal_states()


class Backups(ClusterTestCase):

    def backup(self, node):
        """The path of a copy where no node has its data."""
        self.assertEqual(self.client(0, node)("SAVE"), b"OK")
        path = f"{self.cluster.folder}/backup"
        shutil.copyfile(f"{self.cluster.data_folder(node)}/dump.quorate", path)
        return path

    def test_a_backup_holds_all_databases_and_begins_clusters_with_them(self):
        for database in (0, 1, 2, 3):
            self.fill(database, 2000)
        self.client(1)("FLUSHDB")
        self.fill(1, 10, "new")
        self.client()("SWAPDB", 2, 3)
        self.client()("SWAPDB", 3, 15)
        self.client()("MOVE", "key-0", 7)
        expected = {0: 1999, 1: 10, 2: 2000, 7: 1, 15: 2000}
        self.assert_keyspace_everywhere(expected)
        backup = self.backup(self.follower)
        # Of no effect on what is in it.
        self.client()("FLUSHALL")

        check = subprocess.run([SERVER, "--check-backup", backup], stdout=subprocess.PIPE,
                               text=True, check=False)
        self.assertEqual(check.returncode, 0)
        self.assertTrue(check.stdout.startswith(f"{backup}: intact, {sum(expected.values())} keys"),
                        check.stdout)

        for size in (1, 3):
            cluster = Cluster(size, ["--restore-from", backup])
            intact = False
            try:
                for restart in (False, True):
                    if restart:
                        cluster.kill9_all()
                        cluster.heal()
                    for node in cluster.nodes:
                        self.assertEqual(self.keyspace(node, cluster), expected)
                        for database, values in ((1, self.filled(1, 10, "new")),
                                                 (2, self.filled(3, 2000)), (3, {}),
                                                 (7, self.filled(0, 1)),
                                                 (15, self.filled(2, 2000))):
                            client = self.client_of(cluster, database, node)
                            self.assertEqual(self.values(client, 2000), values)
                # Databases that were never used in the cluster before are as good as any.
                client = self.client_of(cluster, 12, cluster.wait_for_leader())
                client("SET", "key", "12")
                client("SWAPDB", 12, 15)
                self.assertEqual(client("DBSIZE"), 2000)
                client("FLUSHDB")
                self.assertEqual(client("DBSIZE"), 0)
                client("SELECT", 15)
                self.assertEqual(client("GET", "key"), b"12")
                intact = True
            finally:
                ends = cluster.end(keep_folder=not intact)
            self.assertEqual(ends, [0] * size)


if len(sys.argv) != 2:
    sys.exit(f"usage: {sys.argv[0]} PATH_OF_quorate-server")
SERVER = os.path.abspath(sys.argv[1])

if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "--verbose"])
