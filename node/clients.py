"""Make the AWS clients of a node: explicit region, and timeouts that fit into a lease of ten
seconds.
"""

import time
from functools import cache
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.loaders import Loader

from node.log import WARNING, EventLog

# The lease counts on a reply within a second of being sent (lease.py): no retry hidden in the
# client, since a retry of a conditional write that did take effect reports that it did not.
LEASE = Config(connect_timeout=1, read_timeout=1, retries={"total_max_attempts": 1})
OTHERS = Config(
    connect_timeout=2,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 2},
    user_agent_extra="raykiln-node",
)


PAUSE = 0.5  # seconds between attempts to find credentials
# What a node calls.
SERVICES = ["autoscaling", "cloudwatch", "dynamodb", "ec2", "logs", "s3", "ssm"]


class OwnServices(Loader):  # type: ignore[misc]
    """Botocore's loader of the models of services, which knows those that a node calls.

    For a first client Botocore lists the versions of all its services, some 400, to know whether
    there is the one (botocore/loaders.py, load_service_model): a thousand folders, each of which is
    a read of a disk that has just been made from a snapshot.
    """

    def list_available_services(self, type_name: str) -> list[str]:
        return SERVICES


@cache
def _session(region: str) -> Any:
    """Return the one session of a region: each further one would load the endpoint data again.

    A client that is created without credentials never gets any (botocore/session.py,
    create_client). So this waits until the metadata service has the role's, which it may not have
    yet when an instance boots.
    """
    session = botocore.session.get_session()
    session.set_config_variable("region", region)
    session.register_component("data_loader", OwnServices())
    if session.get_credentials() is None:
        EventLog()("no credentials yet", level=WARNING, source="metadata service")
    while session.get_credentials() is None:
        time.sleep(PAUSE)
    return session


def find_credentials(region: str) -> Any:
    """Return botocore's credentials of the instance's role, which renew themselves.

    Blocks until there are some.
    """
    return _session(region).get_credentials()


def make_client(service: str, region: str, config: Config = OTHERS) -> Any:
    """Return a client; credentials come from the instance's role through the metadata service.

    Blocks until there are some.
    """
    return _session(region).create_client(service, config=config)


def error_code(error: ClientError) -> str:
    """Return AWS's code of an error, for example ``AccessDeniedException``."""
    return str(error.response.get("Error", {}).get("Code", ""))
