"""redis-py's cluster client, as Debian packages it."""

import logging
import threading

import redis
from redis.cluster import RedisCluster
from redis.exceptions import RedisClusterException

from test_cluster import (DEADLINE_S, EVERY_BYTE, MEBIBYTE, ClusterTestCase, Stranger, keep_trying,
                          main)

# What an application has to expect while there is no leader. Anything else, such as a TypeError from
# a reply that the library does not understand, is a failure. The IndexError is a fault of Debian's
# redis-py 4.3: when a node that it knew as a replica is the master, it finds no master, once.
FAILOVER_ERRORS = (redis.RedisError, RedisClusterException, IndexError)


class RedisPyCluster(ClusterTestCase):

    def client(self, port=None, **options):
        """A cluster client that knows this node alone; the leader unless another is named."""
        client = RedisCluster(host="127.0.0.1", port=port or self.cluster.leader_port, **options)
        self.addCleanup(client.close)
        return client

    def test_set_get_delete(self):
        client = self.client()
        self.assertIs(client.set(self.key("a"), "1"), True)
        self.assertEqual(client.get(self.key("a")), b"1")
        self.assertIsNone(client.set(self.key("a"), "2", nx=True))
        self.assertEqual(client.set(self.key("a"), "2", get=True), b"1")
        self.assertEqual(client.exists(self.key("a")), 1)
        self.assertEqual(client.delete(self.key("a")), 1)
        self.assertIsNone(client.get(self.key("a")))

    def test_binary_and_mebibyte_values(self):
        client = self.client()
        for value in (b"", EVERY_BYTE, MEBIBYTE):
            client.set(EVERY_BYTE, value)
            self.assertEqual(client.get(EVERY_BYTE), value)

    def test_pipeline_of_a_thousand(self):
        pipeline = self.client().pipeline()
        expected = []
        for i in range(1000):
            pipeline.set(self.key(i), i)
            pipeline.get(self.key(i))
            expected += [True, str(i).encode()]
        self.assertEqual(pipeline.execute(), expected)

    def test_every_node_is_a_starting_point(self):
        for port in self.cluster.ports:
            client = self.client(port)
            self.assertTrue(client.set(self.key("a"), port))
            self.assertEqual(client.get(self.key("a")), str(port).encode())
            self.assertEqual(sorted(node.port for node in client.get_nodes()),
                             sorted(self.cluster.ports))
            self.assertEqual([node.port for node in client.get_primaries()],
                             [self.cluster.leader_port])

    def test_reading_from_replicas_is_never_old(self):
        client = self.client(read_from_replicas=True)
        for i in range(300):
            client.set(self.key("a"), i)
            # Each read goes to the next node.
            self.assertEqual(client.get(self.key("a")), str(i).encode())

    def test_a_node_with_data_of_its_own_is_never_read(self):
        keys = [self.key(i) for i in range(60)]
        client = self.client()
        for key in keys:
            client.set(key, "ours")
        stranger = Stranger(self.cluster.server_program)
        self.addCleanup(stranger.quit)
        alone = redis.Redis(port=stranger.port)
        self.addCleanup(alone.close)
        for key in keys:
            keep_trying(lambda: alone.set(key, "another's"), redis.RedisError)
        # With the cluster and with the stranger as who is asked.
        for port, met in ((self.cluster.leader_port, stranger.port),
                          (self.cluster.follower_port, stranger.port),
                          (stranger.port, self.cluster.leader_port)):
            with redis.Redis(port=port) as node, self.assertRaises(redis.ResponseError):
                node.execute_command("CLUSTER MEET", "127.0.0.1", met)
        for port in self.cluster.ports:
            reader = self.client(port, read_from_replicas=True)
            self.assertEqual(sorted(node.port for node in reader.get_nodes()),
                             sorted(self.cluster.ports))
            self.assertEqual([reader.get(key) for key in keys], [b"ours"] * len(keys))

    def test_a_replica_that_is_dead_is_not_read(self):
        self.client().set(self.key("a"), "1")
        dead = self.cluster.leader_port
        self.cluster.kill_leader()
        self.cluster.refresh()
        alive = sorted(port for port in self.cluster.ports if port != dead)

        def read_everywhere(port):
            reader = self.client(port, read_from_replicas=True)
            self.assertEqual(sorted(node.port for node in reader.get_nodes()), alive)
            return [reader.get(self.key("a")) for _ in range(30)]

        for port in alive:
            # Once it is known to be dead, for good.
            errors = (AssertionError, *FAILOVER_ERRORS)
            self.assertEqual(keep_trying(lambda: read_everywhere(port), errors), [b"1"] * 30)
            self.assertEqual(read_everywhere(port), [b"1"] * 30)

    def test_questions_about_the_cluster(self):
        client = self.client()
        self.assertTrue(client.ping(target_nodes=RedisCluster.ALL_NODES))
        self.assertEqual(client.cluster_info()["cluster_state"], "ok")
        self.assertEqual(len(client.cluster_nodes()), 3)
        self.assertEqual(len(client.cluster_shards()[0]["nodes"]), 3)
        self.assertEqual(client.cluster_keyslot("a"), 15495)
        self.assertIsInstance(client.dbsize(), int)

    def test_going_on_after_the_leader_was_killed(self):
        for round_number in range(2):
            # dynamic_startup_nodes, and a client for each round: after a failure Debian's redis-py
            # can ask a node for the cluster's shape only if it has done so when the client was made;
            # any other gives "cannot pickle '_thread.lock' object".
            client = self.client(self.cluster.follower_port, dynamic_startup_nodes=False)
            for i in range(100):
                client.set(self.key(i), f"{round_number}:{i}")
            self.cluster.kill_leader()
            keep_trying(lambda: client.set(self.key("a"), round_number), FAILOVER_ERRORS)
            self.assertEqual(client.get(self.key("a")), str(round_number).encode())
            for i in range(100):
                self.assertEqual(client.get(self.key(i)), f"{round_number}:{i}".encode())
            pipeline = client.pipeline()
            for i in range(1000):
                pipeline.set(self.key(i), i)
            self.assertEqual(pipeline.execute(), [True] * 1000)
            self.cluster.heal()

    def test_an_application_notices_nothing_of_a_leader_that_is_stopped(self):
        for round_number in range(4):
            stopping = threading.Event()
            # As above: for each round, clients that know a node which is not stopped in it.
            writers = [Writer(self.client(self.cluster.follower_port, dynamic_startup_nodes=False),
                              self.key(f"{round_number}:{i}"), stopping) for i in range(4)]
            for writer in writers:
                writer.start()
            for writer in writers:
                writer.wait_for_more(20)
            self.cluster.stop_leader()
            for writer in writers:
                writer.wait_for_more(20)
            self.cluster.heal()
            stopping.set()
            client = self.client()
            for writer in writers:
                writer.join()
                self.assertIsNone(writer.error)
                for number in range(writer.written):
                    self.assertEqual(client.get(writer.key_of(number)), str(number).encode())


class Writer(threading.Thread):
    """An application that has not heard of failovers: any error is its end.

    But for the library's own fault named above, which it has when it was not busy for so long that
    the stopped node has closed its connection."""

    def __init__(self, client, prefix, stopping):
        super().__init__(daemon=True)
        self.written = 0
        self.error = None
        self._client = client
        self._prefix = prefix
        self._stopping = stopping
        self._changed = threading.Condition()

    def key_of(self, number):
        return f"{self._prefix}:{number}"

    def run(self):
        try:
            while not self._stopping.is_set():
                try:
                    assert self._client.set(self.key_of(self.written), self.written) is True
                    value = self._client.get(self.key_of(self.written))
                except IndexError:
                    continue
                assert value == str(self.written).encode(), value
                with self._changed:
                    self.written += 1
                    self._changed.notify_all()
        except Exception as error:
            with self._changed:
                self.error = error
                self._changed.notify_all()

    def wait_for_more(self, count):
        with self._changed:
            goal = self.written + count
            self._changed.wait_for(lambda: self.written >= goal or self.error, DEADLINE_S)
            assert self.written >= goal, repr(self.error)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    main()
