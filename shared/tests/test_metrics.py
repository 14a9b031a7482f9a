"""Counters that are read when somebody asks."""

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, Sum

from heardback.metrics import Tally


def test_tally_says_how_often_each_thing_was_counted_when_it_is_read() -> None:
    reader = InMemoryMetricReader()
    meter = MeterProvider([reader]).get_meter("toy")
    tally = Tally(meter, "toy.sends", unit="{message}", description="Messages sent.")
    tally.add(1, {"outcome": "sent", "channel": "sms"})
    tally.add(2, {"channel": "sms", "outcome": "sent"})
    tally.add(1)
    assert read(reader) == {(("channel", "sms"), ("outcome", "sent")): 3, (): 1}
    tally.add(4)
    assert read(reader) == {(("channel", "sms"), ("outcome", "sent")): 3, (): 5}


def read(reader: InMemoryMetricReader) -> dict[tuple[tuple[str, object], ...], float]:
    metrics = reader.get_metrics_data()
    assert metrics is not None
    (metric,) = metrics.resource_metrics[0].scope_metrics[0].metrics
    assert isinstance(metric.data, Sum)
    assert metric.data.is_monotonic
    return {
        tuple(sorted((point.attributes or {}).items())): point.value
        for point in metric.data.data_points
    }
