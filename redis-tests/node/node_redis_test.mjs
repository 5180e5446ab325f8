// node-redis's cluster client.

import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';

import {
  everyByte, keepTrying, libraryName, loadLibrary, mebibyte, TestCluster, withDeadline,
} from './test_cluster.mjs';

const { createCluster, RESP_TYPES } = await loadLibrary();

let cluster;
before(async () => { cluster = await TestCluster.start(); });
after(() => cluster.quit());
beforeEach(() => cluster.heal());

// Runs a test's body with a cluster client that is told of these nodes alone, and closes it then.
async function withClient(ports, options, body) {
  const rootNodes = ports.map((port) => ({ url: `redis://127.0.0.1:${port}` }));
  const client = createCluster({ rootNodes, ...options });
  client.on('error', () => {});  // What matters reaches the commands too.
  try {
    await withDeadline(async () => {
      await client.connect();
      await body(client);
    });
  } finally {
    client.destroy();
  }
}

for (const RESP of [2, 3]) {
  test(`RESP${RESP}: set, get and delete`, () =>
    withClient([cluster.leaderPort], { RESP }, async (client) => {
      assert.equal(await client.set('a', '1'), 'OK');
      assert.equal(await client.get('a'), '1');
      assert.equal(await client.set('a', '2', { NX: true }), null);
      assert.equal(await client.set('a', '2', { XX: true, GET: true }), '1');
      assert.equal(await client.exists('a'), 1);
      assert.equal(await client.del('a'), 1);
      assert.equal(await client.get('a'), null);
    }));

  test(`RESP${RESP}: binary and mebibyte values`, () =>
    withClient([cluster.leaderPort], { RESP }, async (client) => {
      const binary = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
      for (const value of [Buffer.alloc(0), everyByte, mebibyte]) {
        await client.set(everyByte, value);
        assert.ok(value.equals(await binary.get(everyByte)));
      }
    }));

  test(`RESP${RESP}: a pipeline of a thousand`, () =>
    withClient([cluster.leaderPort], { RESP }, async (client) => {
      const pipeline = client.multi();
      const expected = [];
      for (let i = 0; i < 1000; i++) {
        pipeline.set(`pipeline:${i}`, `${i}`).get(`pipeline:${i}`);
        expected.push('OK', `${i}`);
      }
      assert.deepEqual(await pipeline.execAsPipeline(), expected);
    }));
}

test('a thousand commands at once', () => withClient([cluster.leaderPort], {}, async (client) => {
  await Promise.all(Array.from({ length: 1000 }, (_, i) => client.set(`at-once:${i}`, `${i}`)));
  const values = await Promise.all(
    Array.from({ length: 1000 }, (_, i) => client.get(`at-once:${i}`)));
  assert.deepEqual(values, Array.from({ length: 1000 }, (_, i) => `${i}`));
}));

test('every node is a starting point', async () => {
  for (const start of cluster.ports) {
    await withClient([start], { useReplicas: true }, async (client) => {
      await client.set('start', `${start}`);
      assert.equal(await client.get('start'), `${start}`);
      assert.deepEqual(client.masters.map((node) => node.port), [cluster.leaderPort]);
      assert.equal(client.replicas.length, 2);
    });
  }
});

test('reading from replicas is never old', () =>
  withClient([cluster.leaderPort], { useReplicas: true }, async (client) => {
    for (let i = 0; i < 300; i++) {
      await client.set('replicas', `${i}`);
      assert.equal(await client.get('replicas'), `${i}`);
    }
  }));

test('going on after the leader was handed over', () =>
  withClient([cluster.leaderPort], { useReplicas: true }, async (client) => {
    await client.set('handed-over', '1');
    const replica = await client.nodeClient(client.replicas[0]);
    assert.equal(await replica.sendCommand(['CLUSTER', 'FAILOVER']), 'OK');
    assert.equal(await keepTrying(() => client.set('handed-over', '2')), 'OK');
    assert.equal(await client.get('handed-over'), '2');
  }));

test('going on after the leader was killed', () =>
  withClient(cluster.portsFollowersFirst, {}, async (client) => {
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 100; i++) {
        await client.set(`failover:${i}`, `${round}:${i}`);
      }
      const killed = await cluster.killLeader();
      const written = keepTrying(() => client.set('failover', `${round}`));
      if (libraryName === 'node-redis-5') {
        // This version asks for the cluster's new shape only when it is told MOVED, and waits for a
        // node that is gone to come back; then that node, now a follower, tells it.
        await cluster.restart(killed);
      }
      assert.equal(await written, 'OK');
      assert.equal(await client.get('failover'), `${round}`);
      for (let i = 0; i < 100; i++) {
        assert.equal(await client.get(`failover:${i}`), `${round}:${i}`);
      }
      await cluster.heal();
    }
  }));
