"""Wait for a leader that cannot renew its lease to stop Ray in time. Touches the instance."""

from drills.kit.cluster import ClusterUnderTest

LEASE_SECONDS = 10.0


def await_fencing(cluster: ClusterUnderTest) -> None:
    """Wait until the head runs no GCS; raises DrillFailed if the lease could lapse before."""
    began = cluster.clock.now()
    cluster.wait("Ray stopped on the head", lambda: not _runs_ray(cluster), 60)
    took = cluster.clock.now() - began
    cluster.figures["fenced"] = took
    cluster.expect(took < LEASE_SECONDS + 1.0, f"Ray ran for {took:.1f} s without a lease")


def _runs_ray(cluster: ClusterUnderTest) -> bool:
    return cluster.on(cluster.leader, "pgrep -xc gcs_server || true").stdout.strip() != "0"
