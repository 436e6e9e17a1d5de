"""What a rollout builds on: foundation, secrets, documents and launch templates. Touches AWS.

Each link of the chain foundation → worker templates → autoscaler YAML, and head template, is found,
or created, when it is first asked for.
"""

from functools import cached_property

from common.errors import PipelineError
from deploy.cluster.launch_template import (
    TemplateVersion,
    ensure_version,
    make_default,
    remove_template,
)
from deploy.cluster.secret import PASSWORD, ensure_secret
from deploy.foundation.changes import apply_foundation
from deploy.foundation.node_needs import Needs, needs_of
from deploy.foundation.nodes_stack import narrow_nodes, widen_nodes
from deploy.foundation.stack import Foundation, find_foundation, with_zones
from deploy.foundation.stack_plan import StackPlan
from deploy.plan.desired_state import DesiredState
from deploy.release.config_bucket import Document, current_release, point_to_release, store_document
from deploy.release.release import Release
from deploy.release.settings import Group, Role
from deploy.rollout.cluster_access import ClusterAccess


class Resources:
    """The resources of the desired state; each method returns its outcome in words.

    ``removed`` groups are not the release's, but are in the autoscaler's YAML until
    ``forget_removed``.
    """

    def __init__(
        self, access: ClusterAccess, desired: DesiredState, removed: tuple[str, ...] = ()
    ) -> None:
        self._access, self._desired, self._removed = access, desired, removed
        self._clients, self._environment = access.clients, access.environment
        self._workers: dict[str, TemplateVersion] = {}

    @cached_property
    def foundation(self) -> Foundation:
        """The outputs of the stack; raises PipelineError if it does not exist."""
        found = find_foundation(self._clients, self._environment)
        if found is None:
            raise PipelineError(
                f"the stack {self._environment.stack} does not exist", hint="deploy again"
            )
        return with_zones(self._clients, found) if self._desired.has_zones else found

    @property
    def workers(self) -> dict[str, TemplateVersion]:
        """The version that each group's workers are launched from."""
        return {group.name: self._worker(group) for group in self._desired.groups}

    def _worker(self, group: Group) -> TemplateVersion:
        if group.name not in self._workers:
            self._workers[group.name] = ensure_version(
                self._clients,
                self._environment.worker_template_of(group.name),
                self._desired.worker_content(self.foundation, group),
                self._desired.tags("worker", group.name),
                clock=self._access.clock,
            )
        return self._workers[group.name]

    @property
    def autoscaler(self) -> Document:
        """The autoscaler's YAML."""
        return self._desired.autoscaler(self.foundation, self.workers, self._removed)

    def forget_removed(self) -> None:
        """From now on the autoscaler's YAML is without the removed groups."""
        self._removed = ()

    @cached_property
    def head(self) -> TemplateVersion:
        """The version that heads are launched from."""
        return ensure_version(
            self._clients,
            self._environment.head_template,
            self._desired.head_content(self.foundation),
            self._desired.tags("head"),
            clock=self._access.clock,
        )

    @property
    def autoscaler_uri(self) -> str:
        """Where the autoscaler's YAML is stored."""
        return self.autoscaler.uri(self.foundation.bucket_name)

    def change_foundation(self, plan: StackPlan) -> str:
        """Apply the stack."""
        apply_foundation(
            self._clients,
            self._environment,
            plan,
            clock=self._access.clock,
            progress=self._access.progress.say,
            policy_arns=self._desired.release.settings.head_access.policy_arns,
        )
        return f"{self.foundation.load_balancer_dns_name} behind {self.foundation.head_name}"

    def widen_nodes(self) -> str:
        """Add what nodes need besides the foundation; what the served release's have stays."""
        served = self.current_release()
        self.foundation = widen_nodes(
            self._clients,
            self._environment,
            self.foundation,
            needs_of(served.settings) if served else Needs(),
            needs_of(self._desired.release.settings),
            clock=self._access.clock,
            progress=self._access.progress.say,
        )
        return "done"

    def narrow_nodes(self) -> str:
        """Remove what the release's nodes do not need besides the foundation."""
        self.foundation = narrow_nodes(
            self._clients,
            self._environment,
            self.foundation,
            needs_of(self._desired.release.settings),
            clock=self._access.clock,
            progress=self._access.progress.say,
        )
        return "done"

    def create_secret(self) -> str:
        """Create the secret unless it exists."""
        secret = ensure_secret(self._clients, self._environment.secret, self._desired.tags())
        return f"version {secret.version}"

    def create_state_secret(self, source: str) -> str:
        """Create the Redis's password unless it exists; ``source`` is where it is until now."""
        name, tags = self._environment.state_secret, self._desired.tags()
        secret = ensure_secret(self._clients, name, tags, PASSWORD, source)
        return f"version {secret.version}"

    def ensure_template(self, role: Role, group: str) -> str:
        """Find or create the version of the launch template of heads, or of a group of workers."""
        version = self.workers[group] if role == "worker" else self.head
        return f"{version.template_id} version {version.number}"

    def store_release(self) -> str:
        """Store the release."""
        return self._store(self._desired.release_document())

    def store_autoscaler(self) -> str:
        """Store the autoscaler's YAML."""
        return self._store(self.autoscaler)

    def set_default_versions(self) -> str:
        """Make the versions in use their templates' defaults."""
        workers = self.workers
        for version in (*workers.values(), self.head):
            make_default(self._clients, version)
        names = (f"{name} {version.number}" for name, version in workers.items())
        return ", ".join((f"head {self.head.number}", *names))

    def delete_template(self, name: str) -> str:
        """Delete a launch template that no group has."""
        remove_template(self._clients, name)
        return "deleted"

    def current_release(self) -> Release | None:
        """Return the release that is recorded as served, if any."""
        return current_release(self._clients, self.foundation.bucket_name, self._environment.name)

    def record_release(self) -> str:
        """Record the desired release as the one that the cluster serves."""
        bucket, release = self.foundation.bucket_name, self._desired.release
        point_to_release(self._clients, bucket, self._environment.name, release)
        return release.id

    def _store(self, document: Document) -> str:
        bucket = self.foundation.bucket_name
        store_document(self._clients, bucket, document)
        return document.uri(bucket)
