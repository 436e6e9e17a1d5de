"""A head that can renew its lease no more, and must end its Ray in time. Touches the instance."""

from drills.kit.scene import Scene

FENCED = 10.0  # seconds: the length of the lease


def await_fenced(scene: Scene) -> None:
    """Wait until no GCS runs on the head; expect that its lease could not be taken before."""
    began = scene.clock.now()
    scene.wait("Ray ended on the head", lambda: not _runs_ray(scene), 60)
    took = scene.clock.now() - began
    scene.figures["fenced"] = took
    scene.expect(took < FENCED + 1.0, f"Ray ran for {took:.1f} s without a lease")


def _runs_ray(scene: Scene) -> bool:
    return scene.on(scene.leader, "pgrep -xc gcs_server || true").stdout.strip() != "0"
