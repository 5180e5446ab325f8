// A cluster of three real nodes for a test: quorate_test_cluster, driven through its stdin.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

if (process.argv.length !== 4) {
  console.error(`usage: ${process.argv[1]} PATH_OF_quorate_test_cluster NAME_OF_LIBRARY`);
  process.exit(1);
}
const [, , program, libraryName] = process.argv;

export { libraryName };

// The client library that the command line names, out of this folder's package.json.
export async function loadLibrary() {
  try {
    return await import(libraryName);
  } catch (error) {
    console.error(`The client library ${libraryName} is not installed. ` +
      `Install it with: npm ci --prefix redis-tests\n${error.message}`);
    process.exit(1);
  }
}

// Three nodes, from start() to quit(). They end with this process in any case.
export class TestCluster {
  static async start() {
    const cluster = new TestCluster();
    cluster.process = spawn(program, [], { stdio: ['pipe', 'pipe', 'inherit'] });
    cluster.exit = new Promise((resolve) => cluster.process.on('exit', resolve));
    cluster.lines = createInterface(cluster.process.stdout)[Symbol.asyncIterator]();
    cluster.readNodes(await cluster.read());
    return cluster;
  }

  async read() {
    const { value, done } = await this.lines.next();
    if (done) {
      throw new Error(`quorate_test_cluster ended with ${await this.exit}`);
    }
    return JSON.parse(value);
  }

  ask(command) {
    this.process.stdin.write(`${command}\n`);
    return this.read();
  }

  readNodes(answer) {
    this.ports = answer.nodes.map((node) => node.port);
    this.leaderPort = this.ports[answer.leader - 1];
    // All ports, the leader's last.
    this.portsFollowersFirst = [
      ...this.ports.filter((port) => port !== this.leaderPort), this.leaderPort,
    ];
  }

  // Resolves to the id of the node that was killed with signal 9.
  async killLeader() {
    return (await this.ask('kill-leader')).killed;
  }

  // SIGTERM; resolves when its process has ended.
  async stopLeader() {
    await this.ask('stop-leader');
  }

  restart(id) {
    return this.ask(`restart ${id}`);
  }

  // Starts what was killed, and waits until all nodes serve.
  async heal() {
    this.readNodes(await this.ask('heal'));
  }

  async quit() {
    await this.ask('quit');
    const code = await this.exit;
    if (code !== 0) {
      throw new Error(`quorate_test_cluster ended with ${code}`);
    }
  }
}

// Only bounds for failing; nothing here takes nearly as long.
const deadlineMs = 60_000;
const testDeadlineMs = 150_000;

// What body() resolves to, or an error when that takes longer than any test may: so that a client
// library which waits for ever leaves a failure behind and not a process that hangs.
export async function withDeadline(body) {
  const timer = new AbortController();
  const expiry = sleep(testDeadlineMs, undefined, { signal: timer.signal }).then(
    () => { throw new Error(`not done after ${testDeadlineMs} ms`); },
    () => {},  // Not needed any more.
  );
  try {
    return await Promise.race([body(), expiry]);
  } finally {
    timer.abort();
  }
}

// What action() resolves to, as soon as it is no error any more. A TypeError is the library's own:
// a reply that it did not understand, which no repetition makes right.
export async function keepTrying(action) {
  const deadline = Date.now() + deadlineMs;
  for (;;) {
    try {
      return await action();
    } catch (error) {
      if (error instanceof TypeError || Date.now() > deadline) {
        throw error;
      }
      await sleep(50);
    }
  }
}

export const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
export const mebibyte = Buffer.alloc(1 << 20, everyByte);
