// ioredis's cluster client.

import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import {
  everyByte, keepTrying, loadLibrary, mebibyte, TestCluster, withDeadline,
} from './test_cluster.mjs';

const { default: Redis } = await loadLibrary();

let cluster;
before(async () => { cluster = await TestCluster.start(); });
after(() => cluster.quit());
beforeEach(() => cluster.heal());

// Runs a test's body with a cluster client that is told of these nodes alone, and closes it then.
async function withClient(ports, options, body) {
  const nodes = ports.map((port) => ({ host: '127.0.0.1', port }));
  const client = new Redis.Cluster(nodes, options);
  client.on('error', () => {});  // What matters reaches the commands too.
  try {
    await withDeadline(() => body(client));
  } finally {
    client.disconnect();
  }
}

test('set, get and delete', () => withClient([cluster.leaderPort], {}, async (client) => {
  assert.equal(await client.set('a', '1'), 'OK');
  assert.equal(await client.get('a'), '1');
  assert.equal(await client.set('a', '2', 'NX'), null);
  assert.equal(await client.set('a', '2', 'XX', 'GET'), '1');
  assert.equal(await client.exists('a'), 1);
  assert.equal(await client.del('a'), 1);
  assert.equal(await client.get('a'), null);
}));

test('binary and mebibyte values', () => withClient([cluster.leaderPort], {}, async (client) => {
  for (const value of [Buffer.alloc(0), everyByte, mebibyte]) {
    assert.equal(await client.set(everyByte, value), 'OK');
    assert.ok(value.equals(await client.getBuffer(everyByte)));
  }
}));

test('a pipeline of a thousand', () => withClient([cluster.leaderPort], {}, async (client) => {
  const pipeline = client.pipeline();
  const expected = [];
  for (let i = 0; i < 1000; i++) {
    pipeline.set(`pipeline:${i}`, i).get(`pipeline:${i}`);
    expected.push([null, 'OK'], [null, `${i}`]);
  }
  assert.deepEqual(await pipeline.exec(), expected);
}));

test('a thousand commands at once', () => withClient([cluster.leaderPort], {}, async (client) => {
  await Promise.all(Array.from({ length: 1000 }, (_, i) => client.set(`at-once:${i}`, i)));
  const values = await Promise.all(
    Array.from({ length: 1000 }, (_, i) => client.get(`at-once:${i}`)));
  assert.deepEqual(values, Array.from({ length: 1000 }, (_, i) => `${i}`));
}));

test('every node is a starting point', async () => {
  for (const start of cluster.ports) {
    await withClient([start], {}, async (client) => {
      assert.equal(await client.set('start', start), 'OK');
      assert.equal(await client.get('start'), `${start}`);
      assert.deepEqual(client.nodes('all').map((node) => node.options.port).sort(),
        [...cluster.ports].sort());
      assert.deepEqual(client.nodes('master').map((node) => node.options.port),
        [cluster.leaderPort]);
    });
  }
});

test('reading from replicas is never old', () =>
  withClient([cluster.leaderPort], { scaleReads: 'slave' }, async (client) => {
    for (let i = 0; i < 300; i++) {
      await client.set('replicas', i);
      assert.equal(await client.get('replicas'), `${i}`);
    }
  }));

test('going on after the leader was killed', () =>
  withClient(cluster.portsFollowersFirst, {}, async (client) => {
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 100; i++) {
        await client.set(`failover:${i}`, `${round}:${i}`);
      }
      await cluster.killLeader();
      assert.equal(await keepTrying(() => client.set('failover', round)), 'OK');
      assert.equal(await client.get('failover'), `${round}`);
      for (let i = 0; i < 100; i++) {
        assert.equal(await client.get(`failover:${i}`), `${round}:${i}`);
      }
      await cluster.heal();
    }
  }));

// An application that has not heard of failovers: any error is its end.
test('an application notices nothing of a leader that is stopped', () =>
  withClient(cluster.portsFollowersFirst, {}, async (client) => {
    let stopping = false;
    const written = [0, 0, 0, 0];
    const errors = [];
    const writers = written.map(async (_, writer) => {
      try {
        for (; !stopping; written[writer]++) {
          const key = `stopped:${writer}:${written[writer]}`;
          assert.equal(await client.set(key, written[writer]), 'OK');
          assert.equal(await client.get(key), `${written[writer]}`);
        }
      } catch (error) {
        errors.push(error);
      }
    });
    const untilMoreAreWritten = async () => {
      const goals = written.map((count) => count + 20);
      while (errors.length === 0 && written.some((count, writer) => count < goals[writer])) {
        await sleep(5);
      }
      assert.deepEqual(errors, []);
    };
    for (let round = 0; round < 4; round++) {
      await untilMoreAreWritten();
      await cluster.stopLeader();
      await untilMoreAreWritten();
      await cluster.heal();
    }
    stopping = true;
    await Promise.all(writers);
    assert.deepEqual(errors, []);
    for (const [writer, count] of written.entries()) {
      for (let number = 0; number < count; number++) {
        assert.equal(await client.get(`stopped:${writer}:${number}`), `${number}`);
      }
    }
  }));
