"""A Redis connection, as much of it as the benchmark needs: fill, DBSIZE, INFO."""

import socket

from errors import BenchmarkError

FILL_BATCH = 500
TIMEOUT_SECONDS = 30


class RespClient:
    """A blocking RESP2 connection to 127.0.0.1, to be used in a `with` statement.

    OSError means that the server is not there; BenchmarkError that it answered with an error.
    """

    def __init__(self, port):
        self._socket = socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS)
        self._replies = self._socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._replies.close()
        self._socket.close()

    def command(self, *arguments):
        """Sends one command and returns its reply: a str, an int, or None."""
        self._socket.sendall(_encode(arguments))
        return self._read_reply()

    def fill(self, prefix, keys, value, batch=FILL_BATCH):
        """Sets the keys `<prefix>000000000000` and up, `keys` in all, in pipelined batches."""
        for first in range(0, keys, batch):
            numbers = range(first, min(first + batch, keys))
            self._socket.sendall(
                b"".join(_encode(("SET", f"{prefix}{number:012}", value)) for number in numbers)
            )
            for _ in numbers:
                self._read_reply()

    def _read_reply(self):
        line = self._replies.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("connection closed by the server")
        kind, text = line[:1], line[1:-2].decode()
        if kind == b"+":
            return text
        if kind == b":":
            return int(text)
        if kind == b"$":
            size = int(text)
            return None if size < 0 else self._replies.read(size + 2)[:-2].decode()
        raise BenchmarkError(f"error reply: {text}")


def _encode(arguments):
    parts = [f"*{len(arguments)}\r\n"]
    parts += [f"${len(argument)}\r\n{argument}\r\n" for argument in arguments]
    return "".join(parts).encode()


def info(port, section):
    """The fields of one INFO section; an empty dict when the server does not answer."""
    try:
        with RespClient(port) as client:
            text = client.command("INFO", section) or ""
    except (OSError, BenchmarkError):
        return {}
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
