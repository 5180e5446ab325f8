"""The loads that are measured, and the key ranges that they use."""

from dataclasses import dataclass

KEYS = 100_000  # size of each key range; keys are drawn from it uniformly


@dataclass(frozen=True)
class KeyRange:
    """KEYS keys `<prefix>000000000000` and up, as redis-benchmark -r writes them."""

    prefix: str
    value_bytes: int


SMALL = KeyRange(prefix="key:", value_bytes=64)
# A range of its own, so that the GET loads find nothing but values of one size.
LARGE = KeyRange(prefix="big:", value_bytes=1024)


@dataclass(frozen=True)
class Load:
    """One row of the result: `clients` connections, each with `pipeline` requests in flight."""

    name: str
    title: str
    operation: str  # "set" or "get"
    clients: int
    pipeline: int
    key_range: KeyRange


LOADS = (
    Load("set-50", "SET 50 clients", "set", 50, 1, SMALL),
    Load("set-50-p16", "SET 50 clients -P 16", "set", 50, 16, SMALL),
    Load("set-200-1k", "SET 200 clients 1 KiB", "set", 200, 1, LARGE),
    Load("set-1", "SET 1 client", "set", 1, 1, SMALL),
    Load("get-50", "GET 50 clients", "get", 50, 1, SMALL),
    Load("get-50-p16", "GET 50 clients -P 16", "get", 50, 16, SMALL),
    Load("get-1", "GET 1 client", "get", 1, 1, SMALL),
)
