"""Servers and load generators as child processes, each ended by its process id."""

import os
import shlex
import signal
import socket
import subprocess
import time
from pathlib import Path

from errors import BenchmarkError

STOP_TIMEOUT_SECONDS = 20
LOG_TAIL_LINES = 15


def child_environment():
    """The caller's environment, without what would configure the measured programs unseen."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ETCD", "REDISCLI_", "GO"))
    }


def require_free_ports(ports):
    """Raises BenchmarkError when something listens on one of `ports` of 127.0.0.1."""
    taken = []
    for port in ports:
        with socket.socket() as probe:
            # Only a listener is in the way; connections that linger from an earlier run are not.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                taken.append(str(port))
    if taken:
        raise BenchmarkError(
            f"ports in use: {', '.join(taken)}; stop what listens there (ss -ltnp shows it)"
        )


class Server:
    """A server process; its output goes to `log` in its own folder."""

    def __init__(self, title, arguments, folder):
        self.title = title
        self.command = shlex.join(arguments)
        self.folder = folder
        self._arguments = arguments
        self._log_path = folder / "log"
        self.start()

    def start(self):
        """For the first time, or again when it has been stopped."""
        with open(self._log_path, "ab") as log:
            # A session of its own, so that Ctrl-C reaches us alone and we end the servers in order.
            # setpriv becomes the server (exec) and has the kernel end it should we be killed.
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *self._arguments],
                cwd=self.folder,
                env=child_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def require_alive(self):
        status = self._process.poll()
        if status is not None:
            raise BenchmarkError(f"{self.title} ended with status {status}:\n{self.log_tail()}")

    @property
    def pid(self):
        return self._process.pid

    def processor_seconds(self):
        """What all its threads that still live have used so far."""
        tasks = Path(f"/proc/{self.pid}/task")
        return sum(int(path.read_text().split()[0]) for path in tasks.glob("*/schedstat")) / 1e9

    def log_tail(self):
        lines = self._log_path.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        return "\n".join(f"  {line}" for line in lines)

    def kill(self):
        """With signal 9; returns when it is gone."""
        self._process.kill()
        self._process.wait()

    def ask_to_stop(self):
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def wait_until_stopped(self, deadline):
        try:
            self._process.wait(max(0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def stop_servers(servers):
    """Ends all of `servers`, at once rather than one by one: a cluster stops faster that way."""
    for server in servers:
        server.ask_to_stop()
    deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
    for server in servers:
        server.wait_until_stopped(deadline)


class Generator:
    """A program that prints a line now and then."""

    def __init__(self, arguments):
        self._process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *arguments],
            env=child_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def lines(self):
        """Its lines as they come; BenchmarkError when it fails."""
        try:
            yield from self._process.stdout
            status = self._process.wait()
            if status != 0:
                reason = self._process.stderr.read().strip()[-1000:]
                raise BenchmarkError(f"the load generator ended with status {status}: {reason}")
        finally:
            self.kill()

    def kill(self):
        """Nothing where it has ended."""
        self._process.kill()
        self._process.wait()


def run_to_end(arguments, timeout_seconds, extra_environment=None):
    """Runs a program and returns its standard output; BenchmarkError when it fails or hangs."""
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", "--", *arguments],
        env={**child_environment(), **(extra_environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    program = os.path.basename(arguments[0])
    try:
        output, errors = process.communicate(timeout=timeout_seconds)
    except subprocess.TimeoutExpired:
        raise BenchmarkError(f"{program} did not finish in {timeout_seconds} s") from None
    finally:
        # Also on Ctrl-C: nothing that we started outlives us.
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode != 0:
        reason = (errors.strip() or output.strip())[-1000:]
        raise BenchmarkError(f"{program} ended with status {process.returncode}: {reason}")
    return output


def wait_for(condition, servers, timeout_seconds, what):
    """Polls until `condition()` is true and returns what it returned."""
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        for server in servers:
            server.require_alive()
        result = condition()
        if result:
            return result
        time.sleep(0.1)
    logs = "\n".join(f"{server.title}:\n{server.log_tail()}" for server in servers)
    raise BenchmarkError(f"no {what} after {timeout_seconds} s\n{logs}")
