"""Keys go where the client library would put them."""

from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from heardback.murmur import partition_of


@given(key=st.binary(max_size=80), partitions=st.integers(1, 60))
def test_partition_is_that_of_the_client_library_when_a_key_is_hashed(
    key: bytes, partitions: int
) -> None:
    places = list(range(partitions))
    assert partition_of(key, partitions) == DefaultPartitioner()(key, places, places)
