"""What the instances and the code that deploys them must agree on. Constants; no AWS.

This is the only module of node/ that other packages may import, so it needs nothing but the
standard library, and runs on the Python of an image (3.10) as well as on a deployer's.

The foundation's template, the remediation function, the units and the provisioners cannot import
it. tests/unit/node/test_contract.py states every value once more and fails when one side changes.
"""

# Grows with a change that a deploy relies on, so that it refuses images from before.
# 4: a Redis has its own password; 3: workers offer what drivers of jobs take; 2: heads launch
# by our provider.
VERSION = "4"
OWN_PASSWORD = 4  # from here on; before, heads take Ray's token for the password of their Redis

HEAD, WORKER = "head", "worker"  # the roles of images and instances
ROLES = (HEAD, WORKER)

# --- The head lease: one item of the lease table -------------------------------------------------

LEASE_KEY = "cluster"  # the table's partition key; its value is the environment's name
LEASE_HOLDER = "holder"  # instance id
LEASE_ADDRESS = "address"  # of the holder
LEASE_EPOCH = "epoch"  # grows by one each time the lease changes hands
LEASE_BEAT = "beat"  # grows by one with each renewal
LEASE_RELEASED = "released"
LEASE_SUCCESSOR = "successor"  # instance id; set and removed by deployers
LEASE_AUTOSCALER = "autoscaler"  # URI of the autoscaler's YAML that the holder uses
# URI of the YAML that the holder should use and cannot, a space, and why in one line; or empty.
LEASE_REFUSED = "autoscaler_refused"

# --- Tags of instances ---------------------------------------------------------------------------

ENVIRONMENT_TAG = "raykiln:environment"
ROLE_TAG = "raykiln:role"
GROUP_TAG = "raykiln:group"  # the group of a worker, and of its launch template
AUTOSCALER_TAG = "raykiln:autoscaler"  # URI of the YAML that a head should use
# Ray's own (ray/autoscaler/tags.py): a head moves its tags itself, Ray tags the workers.
CLUSTER_NAME_TAG = "ray-cluster-name"
NODE_KIND_TAG = "ray-node-type"  # head or worker
NODE_TYPE_TAG = "ray-user-node-type"  # the node type in the autoscaler's YAML

HEAD_NODE_TYPE = "head"  # what the autoscaler's YAML calls the head's node type
AUTOSCALER_DIGEST_CHARACTERS = 16  # of the SHA-256 in hex that names the YAML in S3

# --- How the autoscaler on a head launches workers: the keys of a node type's node_config ---------

PROVIDER = "node.ray.provider.GroupProvider"
PROVIDER_LAUNCHES = "launches_file"  # of the provider's own configuration
NODE_CONFIG_TYPES = "InstanceTypes"  # in order of preference
NODE_CONFIG_MARKETS = "Markets"  # the same
ON_DEMAND, SPOT = "on-demand", "spot"

# --- Where drivers of jobs run -------------------------------------------------------------------

DRIVER_RESOURCE = "driver"  # of Ray: each driver takes one, and only workers offer some
DRIVERS_PER_WORKER = 1000
# Ray's label of a node with its node type (RAY_NODE_GROUP_KEY, Ray 2.60).
NODE_GROUP_LABEL = "ray.io/node-group"

# --- Ports of a head -----------------------------------------------------------------------------

GCS_PORT = 6379
CLIENT_PORT = 10001  # Ray client
DASHBOARD_PORT = 8265  # dashboard and jobs API
RAY_PORTS = (GCS_PORT, CLIENT_PORT, DASHBOARD_PORT)  # the endpoint; a standby relays them
GUARD_PORT = 8479  # HTTP, by the guard
LEADER_PATH = "/leader"  # 200 while this head takes traffic, else 503
STATUS_PATH = "/status"  # JSON; keys that deployers read are below
# Ray's metrics on every node, for Prometheus; security groups admit heads alone.
METRICS_PORT = 8480
PROMETHEUS_PORT = 9090  # on a head, loopback alone
SIGNER_PORT = 9089  # on a head, loopback alone: signs what Prometheus sends to a workspace

# --- /status of a leader: what its guard knows of Ray's autoscaler -------------------------------

STATUS_AUTOSCALER = "autoscaler"  # null while this head does not lead; holds the keys below
STATUS_WORKING = "working"  # null until the first round, or until there should have been one
STATUS_ROUNDS = "rounds"  # new ones that the guard has seen
STATUS_SINCE_ROUND = "seconds_since_round"  # or since Ray came up
STATUS_REFUSED = "refused"  # newest launch that EC2 refused, by worker group; with the keys below
REFUSED_TYPE, REFUSED_MARKET = "instance_type", "market"
REFUSED_CODE, REFUSED_MESSAGE = "code", "message"  # EC2's
REFUSED_AGO = "seconds_ago"
REFUSED_NEXT = "next"  # the instance type and market that were tried next

# --- Files and commands on an instance -----------------------------------------------------------

NODE_YAML = "/etc/raykiln/node.yaml"  # from user data; its keys are below
IMAGE_JSON = "/etc/raykiln/image.json"  # written by the bake
RUN_FOLDER = "/run/ray"
TOKEN_FILE = f"{RUN_FOLDER}/token"
REDIS_PASSWORD_FILE = f"{RUN_FOLDER}/redis_password"  # on a head whose Redis keeps Ray's state
# In a folder of the autoscaler's user, on a head.
LAUNCHES_FILE = f"{RUN_FOLDER}/autoscaler/launches.json"  # what could not be launched, and why
BOOTSTRAP_LOGS = {role: f"/var/log/ray-{role}-bootstrap.log" for role in ROLES}
RAY_COMMAND = "/usr/local/bin/ray"
INSTANCE_STORE = "/mnt/instance-store"  # where the instance's own NVMe disks are mounted

# --- node.yaml: who an instance is ---------------------------------------------------------------

ENVIRONMENT_KEY = "environment"
ROLE_KEY = "role"
HEAD_NAME_KEY = "head_name"  # the stable name
LEASE_TABLE_KEY = "lease_table"
SECRET_KEY = "secret"  # noqa: S105 (the SSM parameter's name, not its value)
METRIC_NAMESPACE_KEY = "metric_namespace"
LIFECYCLE_HOOK_KEY = "lifecycle_hook"  # of the head group
REDIS_KEY = "redis"  # [rediss://]host:port
STATE_SECRET_KEY = "state_secret"  # noqa: S105 (of a head: the parameter with its password)
REJOIN_SECONDS_KEY = "rejoin_seconds"
GPUS_KEY = "gpus"  # of a worker
RESOURCES_KEY = "resources"  # Ray's custom resources of a worker, as JSON
LABELS_KEY = "labels"  # of a worker's node: key=value,key=value
# Seconds in which a spot worker finishes its work after a rebalance recommendation; none: ignored.
REBALANCE_SECONDS_KEY = "rebalance_seconds"
OBJECT_STORE_KEY = "object_store_bytes"  # of a worker's memory; without it, Ray's own share
# ray-storage.service looks for these two.
INSTANCE_STORE_KEY = "instance_store"
EFS_KEY = "efs"  # file systems and where they are mounted: fs-1:/shared,fs-2:/data
SPILL = "spill"  # the instance store holds Ray's sessions and spilled objects
GRAFANA_KEY = "grafana"  # of a head: the URL of a person's Grafana
GRAFANA_IN_BROWSER_KEY = "grafana_in_browser"  # its URL for browsers, where that is another one
REMOTE_WRITE_KEY = "remote_write"  # of a head: where Prometheus sends metrics, a workspace's URL
HEAD_ONLY_KEYS = frozenset({LIFECYCLE_HOOK_KEY})
OPTIONAL_KEYS = frozenset(
    {
        REDIS_KEY,
        STATE_SECRET_KEY,
        REJOIN_SECONDS_KEY,
        GPUS_KEY,
        RESOURCES_KEY,
        LABELS_KEY,
        REBALANCE_SECONDS_KEY,
        OBJECT_STORE_KEY,
        INSTANCE_STORE_KEY,
        EFS_KEY,
        GRAFANA_KEY,
        GRAFANA_IN_BROWSER_KEY,
        REMOTE_WRITE_KEY,
    }
)

# --- Units, without .service ---------------------------------------------------------------------

IDENTITY_UNIT = "ray-identity"
STORAGE_UNIT = "ray-storage"
METADATA_UNIT = "ray-metadata"  # of heads
LOGS_UNIT = "ray-logs"
LOG_LIMIT_UNIT = "ray-log-limit"
HEAD_UNIT = "ray-head"
WORKER_UNIT = "ray-worker"
WATCHDOG_UNIT = "ray-watchdog"
PROMETHEUS_UNIT = "ray-prometheus"  # of heads
REMOTE_WRITE_UNIT = "ray-remote-write"  # of heads
GIVE_UP_UNIT = "ray-give-up"
UNITS = (
    IDENTITY_UNIT,
    STORAGE_UNIT,
    METADATA_UNIT,
    LOGS_UNIT,
    LOG_LIMIT_UNIT,
    HEAD_UNIT,
    WORKER_UNIT,
    WATCHDOG_UNIT,
    PROMETHEUS_UNIT,
    REMOTE_WRITE_UNIT,
    GIVE_UP_UNIT,
)

# --- Events in a node's log that others look for -------------------------------------------------

GIVING_UP = "giving up"  # the first event of an instance that gives up
DRAINING = "draining"  # a worker's Ray drains its node
# The same as they stand in a line (node/log.py).
GIVING_UP_MARK = f'event="{GIVING_UP}"'
DRAINING_MARK = f"event={DRAINING}"

# --- CloudWatch Logs: a group for each role, a stream for each instance, named by its id ---------

LOG_GROUP = "/raykiln/{environment}/{role}"
# What jobs print: a stream for each job and instance, JOB/INSTANCE.
JOB_LOG_GROUP = "/raykiln/{environment}/jobs"
# Keys of a line, which is JSON; the last two are of a job's.
LINE_UNIT = "unit"
LINE_PRIORITY = "priority"
LINE_MESSAGE = "message"
JOB_FILE = "file"  # Ray's name, without its long ids
JOB_TASK = "task"  # or the actor, where Ray's file names it

# --- CloudWatch metrics, in the namespace that node.yaml names -----------------------------------

HEAD_READY = "HeadReady"  # 1 while Ray on the leader is healthy
HEAD_LEADER = "HeadLeader"  # 1 from every holder of the lease
# 1 from a head that stands by, 0 from the leader: together they say whether there is a standby.
HEAD_STANDING_BY = "HeadStandingBy"
AUTOSCALER_WORKING = "AutoscalerWorking"  # 1 while Ray's autoscaler completes its rounds
GAVE_UP = "GaveUp"  # an instance gave up; with the dimension Role too
ENVIRONMENT_DIMENSION = "Environment"
ROLE_DIMENSION = "Role"
