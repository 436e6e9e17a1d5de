"""How long things take in the simulation, and how Ray 2.60 behaves there. Pure data."""

from dataclasses import dataclass

from localcloud.behaviour import Behaviour

# AWS's services report their metrics each minute; all else is as idealized as by default.
BEHAVIOUR = Behaviour(service_metrics=60.0)


@dataclass(frozen=True)
class Settings:
    """Seconds, unless a field says otherwise. Ray's were measured with real Ray on Debian 12."""

    # The control plane and the machines.
    tick: float = 1.0  # between two steps of the control plane
    boot: float = 12.0  # from the launch until systemd runs
    cloud_init: float = 4.0  # from then on until the node's units start
    power_off: float = 2.0
    command: float = 1.0  # until a command sent to a machine has run

    # Ray's processes.
    import_ray: float = 1.5
    gcs_opens: float = 1.5  # after `ray start --head`
    head_joins: float = 6.0  # after `ray start --head`: its own raylet is alive
    worker_joins: float = 3.0  # after a worker's `ray start`, which checks every 2 s
    join_timeout: float = 16.0  # until a worker's `ray start` gives up
    self_check: float = 1.0  # a raylet checks whether its GCS still knows it
    new_gcs_noticed: float = 2.8  # it meets a GCS of another cluster, and ends
    reconnect: float = 20.0  # from its GCS's last answer until it ends
    process_death_noticed: float = 1.0  # by the GCS, when a raylet's process ends
    drained: float = 1.0  # until a draining raylet without work has ended
    silence_noticed: float = 30.0  # by the GCS, when a raylet is silent

    # Ray's autoscaler v2 (ray/autoscaler/_private/constants.py).
    autoscaler_every: float = 5.0
    launches_at_once: int = 10  # AUTOSCALER_MAX_CONCURRENT_LAUNCHES
    launch_batch: int = 5  # AUTOSCALER_MAX_LAUNCH_BATCH
    upscaling_speed: float = 1.0

    behaviour: Behaviour = BEHAVIOUR  # of the control plane
    seed: int = 1  # of every random choice


DEFAULTS = Settings()
