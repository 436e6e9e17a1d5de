"""The desired state of a cluster, derived from its environment and its release. Pure: no AWS.

Each piece needs what comes before it: the autoscaler's YAML names the worker templates' versions,
the group names the YAML and the head template's version.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from common.environment import Environment
from common.errors import Refused
from deploy.cluster.head_group import GroupSettings, Hook, most_heads
from deploy.cluster.instances import Instance
from deploy.cluster.launch_template import TemplateVersion
from deploy.foundation.stack import Foundation
from deploy.release.autoscaler_override import node_types
from deploy.release.autoscaler_yaml import Source, autoscaler_yaml
from deploy.release.config_bucket import Document, autoscaler_document, release_document
from deploy.release.release import Release
from deploy.release.settings import Group, NodeImage, Role, Volume
from deploy.release.template_content import TemplateContent, network_interfaces
from deploy.release.user_data import head_user_data, worker_user_data
from node.contract import AUTOSCALER_TAG, ENVIRONMENT_TAG, GROUP_TAG, ROLE_TAG


@dataclass(frozen=True)
class DesiredState:
    """A release in an environment."""

    environment: Environment
    release: Release

    def tags(self, role: Role | None = None, group: str = "") -> dict[str, str]:
        """Return the tags of our resources; instances also get a role, a name, and their group."""
        settings = self.release.settings
        tags = dict(settings.tags) | {ENVIRONMENT_TAG: self.environment.name}
        if role is not None:
            tags[ROLE_TAG] = role
            tags["Name"] = f"ray-{role}-{self.environment.name}"
        if group and not settings.before_groups:
            tags[GROUP_TAG] = group
        return tags

    @property
    def groups(self) -> tuple[Group, ...]:
        """The release's groups of workers."""
        return self.release.settings.groups

    @property
    def head_count(self) -> int:
        """The leader and its standbys."""
        return 1 + self.environment.head.standby

    def redis(self, foundation: Foundation) -> str:
        """Return the Redis that keeps Ray's state, ``[rediss://]host:port``; empty for none."""
        head = self.environment.head
        return "" if head.state == "none" else head.redis or foundation.state_address

    def lacks_redis(self, foundation: Foundation) -> bool:
        """Say whether the Redis that should keep Ray's state does not exist yet."""
        return self.environment.head.state == "redis" and not self.redis(foundation)

    def worker_content(self, foundation: Foundation, group: Group) -> TemplateContent:
        """Return what the workers of a group are launched with."""
        # The autoscaler names the type at each launch, where it chooses among several.
        before = self.release.settings.before_groups
        return _content(
            group.image,
            group.volume,
            instance_type=group.instance_types[0] if before else "",
            profile_arn=foundation.worker_profile(group),
            security_group_ids=foundation.worker_security_groups(group),
            text=worker_user_data(self.environment, group, self.redis(foundation)),
            tags=self.tags("worker", group.name),
            ends_on_shutdown=True,
            kms_key=self.release.settings.kms_key,
            placement_group=foundation.placement_group(group),
            efa_interfaces=group.efa_interfaces,
            capacity_reservation_id=group.capacity_reservation_id,
        )

    @property
    def has_zones(self) -> bool:
        """A group is launched in some zones alone, so the subnets' zones must be known."""
        return any(group.zones for group in self.groups)

    def subnets(self, foundation: Foundation, group: Group) -> tuple[str, ...]:
        """Return the subnets that a group's workers are launched in: those of its zones.

        Raises Refused if there is none.
        """
        everywhere = tuple(sorted(foundation.private_subnet_ids))
        if not group.zones:
            return everywhere
        zones = dict(foundation.subnet_zones)
        if found := tuple(name for name in everywhere if zones.get(name) in group.zones):
            return found
        raise Refused(
            f"workers.{group.name}.zones: no private subnet is in {' or '.join(group.zones)}; "
            f"they are in {', '.join(sorted(set(zones.values())))}",
            hint="correct zones, or add a subnet there",
        )

    def autoscaler(
        self,
        foundation: Foundation,
        workers: Mapping[str, TemplateVersion],
        removed: Collection[str] = (),
    ) -> Document:
        """Return the autoscaler's YAML; ``workers`` has the template version of each group.

        ``removed`` groups are not the release's, but may have workers still.
        """
        sources = {
            group.name: Source(
                workers[group.name].template_id,
                workers[group.name].number,
                self.subnets(foundation, group),
                tuple(network_interfaces(workers[group.name].content)),
            )
            for group in self.groups
        }
        body = autoscaler_yaml(self.environment, self.release.settings, sources, removed)
        return autoscaler_document(self.environment.name, body)

    def head_content(self, foundation: Foundation) -> TemplateContent:
        """Return what heads are launched with."""
        settings = self.release.settings
        return _content(
            self.release.head,
            settings.head_volume,
            instance_type=settings.head_type,
            profile_arn=foundation.head_instance_profile_arn,
            security_group_ids=foundation.head_security_groups(settings),
            text=head_user_data(self.environment, self.redis(foundation), settings.head_access),
            tags=self.tags("head"),
            ends_on_shutdown=False,
            kms_key=settings.kms_key,
        )

    def group(
        self, foundation: Foundation, head: TemplateVersion, autoscaler: Document
    ) -> GroupSettings:
        """Return the heads' group, with room for twice as many heads during a rollout.

        The autoscaler's configuration is a tag, so that it can change on a head in service.
        """
        environment = self.environment
        tags = self.tags("head") | {AUTOSCALER_TAG: autoscaler.uri(foundation.bucket_name)}
        return GroupSettings(
            template_id=head.template_id,
            template_version=head.number,
            min_size=self.head_count,
            desired=self.head_count,
            max_size=most_heads(self.head_count),
            subnet_ids=tuple(sorted(foundation.private_subnet_ids)),
            target_group_arns=tuple(sorted(foundation.target_group_arns)),
            # Each head completes its lifecycle hook when it is ready, so no grace period is needed.
            grace_seconds=0,
            tags=tuple(sorted(tags.items())),
            former_tag_keys=tuple(key for key in foundation.tag_keys if key not in tags),
            hook=Hook(environment.names.lifecycle_hook, environment.limits.head_ready_seconds),
        )

    def release_document(self) -> Document:
        """Return the release as a document named by its id."""
        return release_document(self.environment.name, self.release)

    def is_current(self, worker: Instance, contents: Mapping[str, str]) -> bool:
        """Say whether a worker is as one launched now.

        ``contents`` has the digest of what each group's workers are launched with.
        """
        settings = self.release.settings
        group = settings.group_named(worker.group)
        if group is None:
            own = worker.group in node_types(settings)
            return own and worker.content in contents.values()
        allowed = settings.before_groups or group.has(worker.type, worker.market)
        there = not group.zones or worker.zone in group.zones
        return allowed and there and worker.content == contents.get(group.name)


def _content(
    image: NodeImage,
    volume: Volume,
    *,
    instance_type: str,
    profile_arn: str,
    security_group_ids: tuple[str, ...],
    text: str,
    tags: Mapping[str, str],
    ends_on_shutdown: bool,
    kms_key: str,
    placement_group: str = "",
    efa_interfaces: int = 0,
    capacity_reservation_id: str = "",
) -> TemplateContent:
    return TemplateContent(
        ami_id=image.ami_id,
        instance_type=instance_type,
        profile_arn=profile_arn,
        security_group_ids=security_group_ids,
        user_data=text,
        root_device=image.root_device,
        volume_gib=volume.gib,
        volume_iops=volume.iops,
        volume_throughput=volume.throughput,
        volume_initialization_rate=volume.initialization_rate,
        tags=tuple(sorted(tags.items())),
        ends_on_shutdown=ends_on_shutdown,
        kms_key=kms_key,
        placement_group=placement_group,
        efa_interfaces=efa_interfaces,
        capacity_reservation_id=capacity_reservation_id,
    ).named()
