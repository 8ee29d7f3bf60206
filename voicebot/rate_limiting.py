"""How often a client may ask: token buckets, of bounded number; what counts as one address.

Pure; time is an argument.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Rate:
    """`per_minute` in the long run, `burst` at once."""

    per_minute: float
    burst: int


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of asking for a token."""

    wait_s: float = 0.0
    """Until there is one; 0: it was taken."""
    begins: bool = False
    """The first refusal of a burst: the bucket has been full since the last one."""


@dataclass(slots=True)
class _Bucket:
    level: float
    at: float
    refusing: bool = False


class Buckets(Generic[K]):
    """A token bucket for each key; a new one is full.

    Parameters:
        rate: of every bucket.
        most: buckets that are kept; the one longest untouched is forgotten first.
    """

    def __init__(self, rate: Rate, most: int) -> None:
        self._rate, self._most = rate, most
        self._per_s = rate.per_minute / 60
        self._buckets: OrderedDict[K, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: K, now: float) -> Taken:
        """One token. `now`: seconds of a clock that never goes back."""
        bucket = self._filled(key, now)
        if bucket.level >= 1.0:
            bucket.level -= 1.0
            return Taken()
        begins, bucket.refusing = not bucket.refusing, True
        return Taken((1.0 - bucket.level) / self._per_s, begins)

    def give_back(self, key: K) -> None:
        """A token that was taken is not needed after all."""
        bucket = self._buckets.get(key)
        if bucket is not None:
            bucket.level = min(bucket.level + 1.0, self._rate.burst)

    def _filled(self, key: K, now: float) -> _Bucket:
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(self._rate.burst, now)
            while len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(key)
        bucket.level = min(bucket.level + (now - bucket.at) * self._per_s, self._rate.burst)
        bucket.at = now
        if bucket.level >= self._rate.burst:
            bucket.refusing = False
        return bucket


def network(address: str) -> str:
    """What counts as one address: IPv6 gives each customer 2⁶⁴ of them."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.IPv6Network((int(parsed) >> 64 << 64, 64)))
    return str(parsed)
