"""Find whether a deploy from this machine will reach the cluster. Looks at this machine; no AWS."""

from common.environment import Environment
from deploy.foundation.stack import Foundation
from deploy.plan.finding import Finding
from deploy.reach.plugin import NotReached
from deploy.reach.road import can_reach
from node.contract import DASHBOARD_PORT


def road_findings(environment: Environment, foundation: Foundation | None) -> tuple[Finding, ...]:
    """Return what keeps this machine from the cluster.

    No machine is in a VPC that is still to be created. In one that exists, the stable name may be
    reached from here as soon as a head serves, so that is only a warning.
    """
    try:
        can_reach(environment.head_dns, DASHBOARD_PORT)
    except NotReached as error:
        creates = foundation is None and not environment.network.vpc_id
        return (Finding(error.message, error.hint, fatal=creates),)
    return ()
