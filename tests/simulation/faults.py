"""Faults that a test sets, before or after machines boot. Pure data."""

from dataclasses import dataclass, field


@dataclass
class Faults:
    """Images are AMI ids. Faults of machines (crash, cut_off, occupy, …) are in ``Cloud``."""

    # Heads whose Ray cannot be imported: their guards are never standby, and give up.
    unready_images: set[str] = field(default_factory=set)
    # Heads whose Ray never becomes healthy, which shows only once they hold the lease.
    broken_images: set[str] = field(default_factory=set)
    # Heads whose GCS dies so many seconds after it came up, each time.
    dying_images: dict[str, float] = field(default_factory=dict)
    # Heads that no worker can join, whatever its image.
    lonely_images: set[str] = field(default_factory=set)
    # Workers, by image or by instance id, that cannot join any head from now on.
    stranded: set[str] = field(default_factory=set)
    # Clusters whose autoscaler fails in each round, as with a YAML that Ray refuses.
    broken_autoscalers: set[str] = field(default_factory=set)
    # Clusters for whose autoscaler EC2 has no capacity; for groups see Cloud.no_capacity.
    short_of_workers: set[str] = field(default_factory=set)
