"""redis-py's plain client, as Debian packages it."""

import redis

from test_cluster import EVERY_BYTE, MEBIBYTE, ClusterTestCase, keep_trying, main


class RedisPyStandalone(ClusterTestCase):

    def client(self, port):
        client = redis.Redis(host="127.0.0.1", port=port)
        self.addCleanup(client.close)
        return client

    def leader(self):
        return self.client(self.cluster.leader_port)

    def test_set_get_delete(self):
        client = self.leader()
        self.assertTrue(client.ping())
        self.assertIs(client.set(self.key("a"), "1"), True)
        self.assertEqual(client.get(self.key("a")), b"1")
        self.assertIsNone(client.set(self.key("a"), "2", nx=True))
        self.assertEqual(client.set(self.key("a"), "2", get=True), b"1")
        self.assertEqual(client.exists(self.key("a")), 1)
        self.assertEqual(client.delete(self.key("a")), 1)
        self.assertIsNone(client.get(self.key("a")))

    def test_binary_and_mebibyte_values(self):
        client = self.leader()
        for value in (b"", EVERY_BYTE, MEBIBYTE):
            client.set(EVERY_BYTE, value)
            self.assertEqual(client.get(EVERY_BYTE), value)
            self.assertEqual(client.strlen(EVERY_BYTE), len(value))

    def test_pipeline_of_a_thousand(self):
        pipeline = self.leader().pipeline(transaction=False)
        for i in range(1000):
            pipeline.set(self.key(i), i)
            pipeline.get(self.key(i))
        expected = []
        for i in range(1000):
            expected += [True, str(i).encode()]
        self.assertEqual(pipeline.execute(), expected)

    def test_many_keys_at_once(self):
        client = self.leader()
        values = {self.key(i): str(i) for i in range(100)}
        self.assertTrue(client.mset(values))
        self.assertEqual(client.mget(list(values)), [value.encode() for value in values.values()])
        self.assertEqual(client.delete(*values), 100)

    def test_questions_about_the_server(self):
        client = self.leader()
        info = client.info()
        self.assertEqual(info["role"], "master")
        self.assertEqual(info["loading"], 0)
        self.assertEqual(info["slave0"]["state"], "online")
        self.assertEqual(info["cluster_enabled"], 1)
        self.assertTrue(client.client_setname("tester"))
        self.assertEqual(client.client_getname(), "tester")
        self.assertIn("tester", [other["name"] for other in client.client_list()])
        self.assertEqual(client.config_get("port")["port"], str(self.cluster.leader_port))
        self.assertEqual(client.command()["mget"]["step_count"], 1)
        self.assertEqual(len(client.execute_command("CLUSTER SLOTS")), 1)
        seconds, microseconds = client.time()
        self.assertGreater(seconds, 0)
        self.assertLess(microseconds, 1_000_000)

    def test_a_follower_says_where_the_leader_is(self):
        client = self.client(self.cluster.follower_port)
        with self.assertRaises(redis.ResponseError) as raised:
            client.set(self.key("a"), "1")
        address = str(raised.exception).split()[-1]
        self.assertEqual(address, f"127.0.0.1:{self.cluster.leader_port}")
        self.assertTrue(self.client(int(address.split(":")[1])).set(self.key("a"), "1"))

    def test_going_on_with_the_next_leader(self):
        old = self.leader()
        for i in range(100):
            old.set(self.key(i), i)
        self.cluster.kill_leader()
        with self.assertRaises(redis.ConnectionError):
            old.set(self.key("a"), "1")
        self.cluster.refresh()
        new = self.leader()
        for i in range(100):
            self.assertEqual(new.get(self.key(i)), str(i).encode())
        self.assertTrue(new.set(self.key("a"), "2"))
        self.cluster.heal()
        # The old client's node is a follower now, or leads again.
        try:
            value = keep_trying(lambda: old.get(self.key("a")), redis.ConnectionError)
            self.assertEqual(value, b"2")
        except redis.ResponseError as error:
            self.assertTrue(str(error).startswith("MOVED "), error)


if __name__ == "__main__":
    main()
