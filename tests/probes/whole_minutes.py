"""Statistics of a minute are of a whole minute of the clock, whenever StartTime is.

A head's heartbeat is looked for minute by minute; a new one is returned after the seconds noted.
"""

from datetime import UTC, datetime, timedelta

from common.waiting import Seen
from tests.probes.kit.place import Place

SOURCE = "https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/publishingMetrics.html"
ASSUMED = "0: 2, 60: 1"
NAMESPACE = "RaykilnProbe"
SENT = (50.5, 59.5, 60.5)  # seconds after a whole minute


def probe(place: Place) -> str:
    cloudwatch, begun = place.clients("cloudwatch"), place.clock.now()
    minute = datetime.fromtimestamp(begun // 60 * 60 - 300, UTC)
    data = [
        {"MetricName": place.name, "Timestamp": minute + timedelta(seconds=one), "Value": 1.0}
        for one in SENT
    ]
    cloudwatch.put_metric_data(Namespace=NAMESPACE, MetricData=data)  # it expires by itself
    metric = {"Namespace": NAMESPACE, "MetricName": place.name}
    between = {"StartTime": minute + timedelta(seconds=20), "EndTime": minute + timedelta(hours=1)}

    def look() -> Seen[dict[int, int]]:
        found = cloudwatch.get_metric_statistics(
            **metric, **between, Period=60, Statistics=["SampleCount"]
        )["Datapoints"]
        by = {int((p["Timestamp"] - minute).total_seconds()): int(p["SampleCount"]) for p in found}
        return Seen(by if sum(by.values()) == len(SENT) else None, str(by))

    counted = place.until("the statistics of what was sent", look)
    place.notes.append(f"returned after {place.clock.now() - begun:.0f} s")
    return ", ".join(f"{seconds}: {counted[seconds]}" for seconds in sorted(counted))
