"""Groups that are late, on request: with the launch hook's wait, or with the tags that they give.

AWS promises no order between an instance's boot and what its group does meanwhile: an instance goes
from Pending to Pending:Wait some time after it runs
(https://docs.aws.amazon.com/autoscaling/ec2/userguide/lifecycle-hooks-overview.html), and a tag is
in the metadata once it is on the instance
(https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/work-with-tags-in-IMDS.html). Another process
writes ``hooks`` or ``tags``, and seconds since the launch, to a file (``follow``).
"""

from localcloud import world
from localcloud.declarations import Declarations
from localcloud.patches.autoscaling.records import Member

HOOKS, TAGS = "hooks", "tags"
GROUP_NAME = "aws:autoscaling:groupName"

_declared = Declarations()
follow = _declared.follow  # per line what is late, and seconds


def is_late(member: Member, what: str) -> bool:
    """Say whether this part of the member's launch is still to come."""
    seconds = float(dict(_declared.pairs()).get(what, "0"))
    return bool(seconds) and world.now() < _launched(member) + seconds


def late_tags(member: Member) -> frozenset[str]:
    """Return the keys of the tags that the group has not given its member yet."""
    if not is_late(member, TAGS):
        return frozenset()
    return frozenset({GROUP_NAME, *(tag["Key"] for tag in member.auto_scaling_group.tags)})


def _launched(member: Member) -> float:
    return member.activity.start_time.timestamp() if member.activity else 0.0
