"""Find whether a deploy from this machine will reach the cluster. Looks at this machine; no AWS."""

from common.environment import Environment
from deploy.foundation.stack import Foundation
from deploy.plan.finding import Finding
from deploy.reach.plugin import NotReached
from deploy.reach.road import can_reach
from node.contract import DASHBOARD_PORT


def road_findings(environment: Environment, foundation: Foundation | None) -> tuple[Finding, ...]:
    """Return what keeps this machine from the cluster; see ``way_findings``."""
    creates = foundation is None and not environment.network.vpc_id
    return way_findings(environment.head_dns, DASHBOARD_PORT, creates)


def way_findings(host: str, port: int, creates_vpc: bool) -> tuple[Finding, ...]:
    """Return what keeps this machine from a host of the VPC.

    No machine is in a VPC that is still to be created. In one that exists, the host may be reached
    from here as soon as it serves, so that is only a warning.
    """
    try:
        can_reach(host, port)
    except NotReached as error:
        return (Finding(error.message, error.hint, fatal=creates_vpc),)
    return ()
