"""The numbers as Prometheus reads them."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from tiflis.metrics import CATALOGUE, PREFIX, Kind, Numbers, Values
from tiflis.metrics import Metric as Described


class _Numbers(Collector):
    """Numbers read before, in the shape that prometheus_client writes out."""

    def __init__(self, values: Values) -> None:
        self._values = values

    def collect(self) -> Iterator[Metric]:
        for metric in CATALOGUE.values():
            rows = self._values.get(metric.name, {})
            yield _family(metric, {tuple(key.split(",")) if key else (): row for key, row in rows.items()})


def _family(metric: Described, rows: dict[tuple[str, ...], Numbers]) -> Metric:
    name, labels = PREFIX + metric.name, tuple(metric.labels)
    if metric.kind is Kind.HISTOGRAM:
        histogram = HistogramMetricFamily(name, metric.about, labels=labels)
        for values, numbers in rows.items():
            histogram.add_metric(values, _buckets(metric, numbers), numbers[-1])
        return histogram
    kind = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    family = kind(name, metric.about, labels=labels)
    for values, numbers in rows.items():
        family.add_metric(values, numbers[0])
    return family


def _buckets(metric: Described, numbers: Numbers) -> list[tuple[str, float]]:
    """Return cumulative counts, as Prometheus reads them: how many are at most so long."""
    buckets, so_far = [], 0.0
    for bound, number in zip((*map(str, metric.bounds), "+Inf"), numbers, strict=False):
        so_far += number
        buckets.append((bound, so_far))
    return buckets


def expose(values: Values, accept: str = "") -> tuple[bytes, str]:
    """Return the text and its content type, as the reader's ``Accept`` header asks for it."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Numbers(values))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type
