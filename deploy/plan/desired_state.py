"""The desired state of a cluster, derived from its environment and its release. Pure: no AWS.

Each piece needs what comes before it: the autoscaler's YAML names the worker template's version,
the group names the YAML and the head template's version.
"""

from dataclasses import dataclass

from common.environment import Environment
from deploy.cluster.head_group import GroupSettings, Hook
from deploy.cluster.launch_template import TemplateVersion
from deploy.cluster.state import Instance
from deploy.foundation.stack import Foundation
from deploy.release.autoscaler_yaml import autoscaler_yaml
from deploy.release.config_bucket import Document, autoscaler_document, release_document
from deploy.release.release import Release
from deploy.release.settings import Role
from deploy.release.template_content import TemplateContent
from deploy.release.user_data import head_user_data, worker_user_data
from node.contract import AUTOSCALER_TAG, ENVIRONMENT_TAG, ROLE_TAG


@dataclass(frozen=True)
class DesiredState:
    """A release in an environment."""

    environment: Environment
    release: Release

    def tags(self, role: Role | None = None) -> dict[str, str]:
        """Return the tags of our resources; instances also get a role and a name."""
        tags = dict(self.release.settings.tags) | {ENVIRONMENT_TAG: self.environment.name}
        if role is not None:
            tags[ROLE_TAG] = role
            tags["Name"] = f"ray-{role}-{self.environment.name}"
        return tags

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

    def worker_content(self, foundation: Foundation) -> TemplateContent:
        """Return what workers are launched with."""
        return self._content(
            "worker",
            profile_arn=foundation.worker_instance_profile_arn,
            security_group_id=foundation.worker_security_group_id,
            text=worker_user_data(
                self.environment, self.release.settings.group, self.redis(foundation)
            ),
        )

    def autoscaler(self, foundation: Foundation, worker: TemplateVersion) -> Document:
        """Return the autoscaler's YAML."""
        body = autoscaler_yaml(
            self.environment,
            self.release.settings,
            worker.template_id,
            worker.number,
            tuple(sorted(foundation.private_subnet_ids)),
        )
        return autoscaler_document(self.environment.name, body)

    def head_content(self, foundation: Foundation) -> TemplateContent:
        """Return what heads are launched with."""
        return self._content(
            "head",
            profile_arn=foundation.head_instance_profile_arn,
            security_group_id=foundation.head_security_group_id,
            text=head_user_data(self.environment, self.redis(foundation)),
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
            max_size=2 * self.head_count,
            subnet_ids=tuple(sorted(foundation.private_subnet_ids)),
            target_group_arns=tuple(sorted(foundation.target_group_arns)),
            # Each head completes its lifecycle hook when it is ready, so no grace period is needed.
            grace_seconds=0,
            tags=tuple(sorted(tags.items())),
            hook=Hook(environment.names.lifecycle_hook, environment.limits.head_ready_seconds),
        )

    def release_document(self) -> Document:
        """Return the release as a document named by its id."""
        return release_document(self.environment.name, self.release)

    def is_current(self, worker: Instance, content: str) -> bool:
        """Say whether a worker is as one launched now; ``content`` is the template's digest."""
        settings = self.release.settings
        allowed = settings.before_groups or settings.group.has(worker.type, worker.market)
        return worker.content == content and allowed

    def _worker_type(self) -> str:
        """Return the template's type; empty where the autoscaler chooses among several."""
        settings = self.release.settings
        return settings.group.instance_types[0] if settings.before_groups else ""

    def _content(
        self, role: Role, *, profile_arn: str, security_group_id: str, text: str
    ) -> TemplateContent:
        settings = self.release.settings
        image = self.release.head if role == "head" else settings.group.image
        volume = settings.head_volume if role == "head" else settings.group.volume
        return TemplateContent(
            ami_id=image.ami_id,
            instance_type=settings.head_type if role == "head" else self._worker_type(),
            profile_arn=profile_arn,
            security_group_ids=(security_group_id,),
            user_data=text,
            root_device=image.root_device,
            volume_gib=volume.gib,
            tags=tuple(sorted(self.tags(role).items())),
            ends_on_shutdown=role == "worker",
        ).named()
