"""Who uses which image: what must never be pruned nor disabled, with the reason. Reads AWS.

Instances, launch templates, launch configurations and channels are those of the whole account;
releases are those of one environment. Who else an image is shared with cannot be seen into.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from bake.channels import ROOT, Entry
from common.clients import Clients, translated
from common.environment import Environment
from common.errors import Refused
from deploy.release.config_bucket import current_release, find_release
from deploy.release.rollout_journal import Journal, previous_release_id, read_journals
from node.contract import ENVIRONMENT_TAG

LIVE = ["pending", "running", "stopping", "stopped"]
Use = tuple[str, str]  # an image, and what it is used for
Histories = Mapping[str, list[Entry]]  # of the channels' parameters, each newest first


@dataclass(frozen=True)
class Retention:
    """What stays though nothing uses it: the newest ``count``, and what left use lately.

    ``days``: what was baked, left its channel or was served within them is not touched.
    ``delete_days``: a verified image is deleted only then; see image_states.py for what comes
    before.
    """

    count: int
    days: int
    delete_days: int

    @property
    def age(self) -> timedelta:
        """The days as a length of time."""
        return timedelta(days=self.days)


def retention_of(count: int, days: int, delete_days: int) -> Retention:
    """Return a retention; raises Refused for one that would keep less than nothing."""
    if count < 1 or days < 1:
        raise Refused(
            f"--keep {count} and --days {days} would keep nothing to go back to",
            hint="give at least 1 for each",
        )
    if delete_days < days:
        raise Refused(
            f"--delete-days {delete_days} is less than --days {days}, in which nothing is touched",
            hint="give at least as many",
        )
    return Retention(count, days, delete_days)


def image_uses(
    clients: Clients,
    environment: Environment,
    retention: Retention,
    histories: Histories,
    now: datetime,
) -> dict[str, tuple[str, ...]]:
    """Return all that each image is used for."""
    found: dict[str, tuple[str, ...]] = {}
    with translated("looking for what uses the images"):
        for ami_id, words in _uses(clients, environment, retention, histories, now):
            found[ami_id] = (*found.get(ami_id, ()), words)
    return found


def last_of_channels(histories: Histories, retention: Retention) -> dict[str, tuple[str, ...]]:
    """Return which images channels named last, to go back to; what they name now is among them."""
    found: dict[str, tuple[str, ...]] = {}
    for name, entries in histories.items():
        words = f"one of the last {retention.count} of the channel {name.removeprefix(f'{ROOT}/')}"
        for ami_id in list(dict.fromkeys(entry.ami_id for entry in entries))[: retention.count]:
            found[ami_id] = (*found.get(ami_id, ()), words)
    return found


def left_channels(histories: Histories) -> dict[str, datetime]:
    """Return when the last channel that named an image began to name another."""
    found: dict[str, datetime] = {}
    for entries in histories.values():
        for later, earlier in pairwise(entries):
            left = datetime.fromisoformat(later.since)
            if later.ami_id != earlier.ami_id:
                found[earlier.ami_id] = max(left, found.get(earlier.ami_id, left))
    return found


def _uses(
    clients: Clients,
    environment: Environment,
    retention: Retention,
    histories: Histories,
    now: datetime,
) -> Iterator[Use]:
    yield from _instances(clients("ec2"))
    for name, entries in histories.items():
        yield entries[0].ami_id, f"in the channel {name.removeprefix(f'{ROOT}/')}"
    yield from _releases(clients, environment, retention, now)
    yield from _launch_templates(clients, retention)
    yield from _launch_configurations(clients("autoscaling"))
    for settings in (environment.image, *environment.images.values()):
        for ami_id in (settings.head_id, settings.worker_id):
            yield ami_id, f"named in the file of {environment.name}"


def _instances(ec2: Any) -> Iterator[Use]:
    states = [{"Name": "instance-state-name", "Values": LIVE}]
    for page in ec2.get_paginator("describe_instances").paginate(Filters=states):
        for reservation in page["Reservations"]:
            for instance in reservation["Instances"]:
                state = instance["State"]["Name"]
                yield instance["ImageId"], f"instance {instance['InstanceId']}, {state}"


def _launch_templates(clients: Clients, retention: Retention) -> Iterator[Use]:
    """Yield the images of the versions that may be launched from; of other people's, of every one.

    A deploy and a rollback find or write the version that their release needs, and make it the
    default, so that older ones of ours stand for nothing. Some stay for what other environments go
    back to, whose releases are not read: those of the newest images, one more than are kept.
    """
    ec2, named = clients("ec2"), set(versions_of_groups(clients("autoscaling")))
    versions = ec2.get_paginator("describe_launch_template_versions")
    for page in ec2.get_paginator("describe_launch_templates").paginate():
        for template in page["LaunchTemplates"]:
            name = template["LaunchTemplateName"]
            found = [
                (int(one["VersionNumber"]), str(one["LaunchTemplateData"].get("ImageId", "")))
                for versions_page in versions.paginate(LaunchTemplateName=name)
                for one in versions_page["LaunchTemplateVersions"]
            ]
            found.sort(reverse=True)
            stay = set(list(dict.fromkeys(ami_id for _, ami_id in found))[: retention.count + 1])
            for number, ami_id in found:
                known = {(key, str(number)) for key in (name, template["LaunchTemplateId"])}
                if (
                    not any(tag["Key"] == ENVIRONMENT_TAG for tag in template.get("Tags", ()))
                    or number == template["DefaultVersionNumber"]
                    or ami_id in stay
                    or known & named
                ):
                    yield ami_id, f"version {number} of the launch template {name}"


def versions_of_groups(autoscaling: Any) -> Iterator[tuple[str, str]]:
    """Yield the launch templates, by name or id, and the versions that groups launch from."""
    for page in autoscaling.get_paginator("describe_auto_scaling_groups").paginate():
        for group in page["AutoScalingGroups"]:
            mixed = group.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
            for one in (
                group.get("LaunchTemplate"),
                mixed.get("LaunchTemplateSpecification"),
                *(each.get("LaunchTemplateSpecification") for each in mixed.get("Overrides", ())),
            ):
                for key in ("LaunchTemplateId", "LaunchTemplateName"):
                    if one and key in one:
                        yield one[key], one.get("Version", "$Default")


def _launch_configurations(autoscaling: Any) -> Iterator[Use]:
    for page in autoscaling.get_paginator("describe_launch_configurations").paginate():
        for one in page["LaunchConfigurations"]:
            yield one["ImageId"], f"launch configuration {one['LaunchConfigurationName']}"


def _releases(
    clients: Clients, environment: Environment, retention: Retention, now: datetime
) -> Iterator[Use]:
    """Yield the images of the releases that a rollback may go to."""
    bucket, name = environment.bucket, environment.name
    current = current_release(clients, bucket, name)
    if current is None:
        return
    journals = read_journals(clients, bucket, name)
    previous = previous_release_id(journals, current.id)
    since = (now - retention.age).timestamp()
    for release_id in dict.fromkeys([current.id, previous, *_served_since(journals, since)]):
        release = find_release(clients, bucket, name, release_id) if release_id else None
        for _, image in release.images if release else ():
            yield image.ami_id, f"of the release {release_id} of {name}"


def _served_since(journals: Iterable[Journal], since: float) -> Iterator[str]:
    for journal in journals:
        if journal.began >= since:
            yield from (journal.to_release, journal.from_release)
