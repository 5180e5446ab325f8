"""Runs the commands of docs/operations.md, in order and as they stand, but for the ports: free ones
take the place of 7001 to 7009. What stands below a command is its output; "..." at the end of a line
stands for anything. A command is repeated until it gives that output, since many things take a
moment.

Usage: operations_test.py DOCUMENT QUORATE_SERVER
"""

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

DEADLINE_S = 60
PEER_PORT_OFFSET = 10000


def free_first_port():
    """A port behind which nine are free, and those of their peers."""
    for first in range(20000, 30000, 10):
        sockets = []
        try:
            for port in range(first + 1, first + 10):
                for number in (port, port + PEER_PORT_OFFSET):
                    sockets.append(socket.socket())
                    sockets[-1].bind(("127.0.0.1", number))
            return first
        except OSError:
            pass
        finally:
            for one in sockets:
                one.close()
    raise SystemExit("there are no free ports")


def read_commands(document, first_port):
    """(line number, command, lines of its output) of all console blocks."""
    commands = []
    in_block = False
    for number, line in enumerate(document.splitlines(), 1):
        if line.startswith("```"):
            in_block = line == "```console"
            continue
        if not in_block:
            continue
        line = re.sub(r"\b700(?=[1-9]\b)", str(first_port // 10), line)
        # The number of a node is what its port has behind these digits.
        line = line.replace("#700}", "#%d}" % (first_port // 10))
        if line.startswith("$ "):
            commands.append((number, line[2:], []))
        else:
            commands[-1][2].append(line)
    return commands


class Shell:
    """One bash, which runs one command after the other."""

    def __init__(self, server, folder):
        path = os.path.dirname(server) + os.pathsep + os.environ["PATH"]
        self.bash = subprocess.Popen(
            ["bash", "--norc"], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, bufsize=1, env=dict(os.environ, PATH=path),
            start_new_session=True)

    def run(self, command):
        """The lines of its output."""
        end = "end-" + secrets.token_hex(8)
        self.bash.stdin.write("%s\necho %s\n" % (command, end))
        lines = []
        for line in self.bash.stdout:
            line = line.rstrip("\n")
            if line.endswith(end):
                return lines + ([line[:-len(end)]] if line != end else [])
            if not re.match(r"\S+: line \d+: +\d+ Killed ", line):  # of a job, when it likes to
                lines.append(line)
        raise SystemExit("bash has ended at: " + command)

    def kill(self):
        """Whatever was started in it, too."""
        os.killpg(self.bash.pid, signal.SIGKILL)
        self.bash.wait()


def is_as_expected(lines, expected):
    if len(lines) != len(expected):
        return False
    return all(line.startswith(pattern[:-3]) if pattern.endswith("...") else line == pattern
               for line, pattern in zip(lines, expected))


def main():
    document, server = sys.argv[1:]
    with open(document, encoding="utf-8") as file:
        commands = read_commands(file.read(), free_first_port())
    assert commands
    folder = tempfile.mkdtemp(prefix="quorate-operations-")
    shell = Shell(os.path.abspath(server), folder)
    try:
        for number, command, expected in commands:
            print("%4d  $ %s" % (number, command), flush=True)
            deadline = time.monotonic() + DEADLINE_S
            lines = shell.run(command)
            while expected and not is_as_expected(lines, expected) and time.monotonic() < deadline:
                time.sleep(0.1)
                lines = shell.run(command)
            if not is_as_expected(lines, expected):
                print("should give %s\nand gives   %s\nThe logs are in %s"
                      % (expected, lines, folder))
                return 1
    finally:
        shell.kill()
    shutil.rmtree(folder)
    print("%d commands have done what is written of them" % len(commands))
    return 0


if __name__ == "__main__":
    sys.exit(main())
