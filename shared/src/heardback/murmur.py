"""Where Kafka's clients put a key: the 32-bit MurmurHash2 of Apache Kafka's default partitioner.

The client library has it too; written for speed it takes a third of the time, and each event of
each customer passes here. A test compares the two.
"""

from struct import unpack_from
from typing import Final

_SEED: Final = 0x9747B28C
_M: Final = 0x5BD1E995
_WORD: Final = 0xFFFFFFFF


def partition_of(key: bytes, partitions: int) -> int:
    """Return the number of the partition, from 0, that `key` belongs to."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """Return the hash of `data`, an unsigned number of 32 bits."""
    whole, rest = divmod(len(data), 4)
    h = _SEED ^ len(data)
    for word in unpack_from(f"<{whole}I", data):
        k = word * _M & _WORD
        h = h * _M & _WORD ^ ((k ^ k >> 24) * _M & _WORD)
    if rest:
        h = (h ^ int.from_bytes(data[-rest:], "little")) * _M & _WORD
    h = (h ^ h >> 13) * _M & _WORD
    return h ^ h >> 15
