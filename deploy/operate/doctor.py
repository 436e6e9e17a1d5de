"""Look for what would make a bake or a deploy fail: account, machine, network. Reads AWS only.

The checks of a deploy's preflight are part of it: one implementation of each.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from bake.base_image import resolve_base_image
from bake.build_types import check_build_types
from bake.source_lock import locked, read_lock
from bake.subnet import resolve_subnet
from common.account_roles import is_session_of, role_arn
from common.clients import Clients
from common.environment import Environment
from common.errors import PipelineError, Refused
from common.image_settings import ImageSettings
from common.instance_types import type_facts
from deploy.account.account_setup import (
    find_account_stack,
    is_current,
    missing_linked_roles,
    needed_linked_roles,
)
from deploy.account.desired_account import stack_name
from deploy.foundation.stack import Foundation, find_foundation
from deploy.operate.diagnosis import Diagnosis, Look, State, examine, of_findings
from deploy.operate.doctor_machine import disk, endpoint, packer, session_tools, ssh, stable_name
from deploy.plan.account_preflight import account_findings
from deploy.plan.offers import offer_findings
from deploy.plan.preflight import (
    check_credentials,
    image_findings,
    launch_facts,
    settings_findings,
)
from deploy.plan.quotas import quota_findings
from deploy.plan.road_preflight import road_findings
from deploy.release.choice import NoImage, requested_release, unbaked_release
from deploy.release.config_bucket import current_release
from deploy.release.groups import type_names
from deploy.release.release import Release

# What bake and deploy call from here; the rest, as Lambda and ElastiCache, CloudFormation calls.
SERVICES = (
    *("sts", "ec2", "autoscaling", "elbv2", "cloudformation", "iam", "s3", "dynamodb", "ssm"),
    *("cloudwatch", "logs", "sns", "sqs", "route53", "service-quotas", "kms"),
)
FILE_SYSTEMS = "efs"
AT_ONCE = 8  # endpoints
AWS_TOLERATES = 300.0  # seconds between a request's time and AWS's: SigV4's troubleshooting page


def diagnose(
    clients: Clients,
    environment: Environment,
    *,
    cache: Path,
    sessions: bool = True,
    bakes_here: bool = True,
) -> Iterator[Diagnosis]:
    """Yield what each look finds; changes nothing. An environment that bakes nothing needs less.

    ``cache`` is where bakes keep what they download; ``sessions``: look for Session Manager's
    tools too; ``bakes_here``: look for a bake's tools, where the environment bakes.
    """
    bakes = environment.promotion is None
    to_bake: list[tuple[str, Look]] = [("Packer", partial(packer, environment)), ("ssh", ssh)]
    here: list[tuple[str, Look]] = [
        *(to_bake if bakes and bakes_here else []),
        ("disk", partial(disk, cache)),
        *([("session tools", session_tools)] if sessions else []),
        ("endpoints", partial(_endpoints, clients, environment)),
    ]
    yield from examine(here)
    try:
        caller = check_credentials(clients, environment)
    except PipelineError as error:
        if clients.ahead:
            yield _clock(clients)
        yield Diagnosis("credentials", "fail", error.message, error.hint)
        return
    yield Diagnosis("credentials", "pass", caller)
    clock = _clock(clients)
    yield clock
    if clock.state == "fail":  # STS tolerates more than what would be asked next
        return
    of_account: list[tuple[str, Look]] = [
        ("roles", partial(_roles, clients, environment)),
        ("boundary", partial(_boundary, clients, environment)),
        ("service-linked roles", partial(_linked_roles, clients, environment)),
    ]
    of_bake: list[tuple[str, Look]] = [
        ("base image", partial(_base_images, clients, environment)),
        ("build subnet", partial(_build_subnets, clients, environment)),
        ("build instance", partial(_build_types, clients, environment)),
    ]
    of_deploy: list[tuple[str, Look]] = [
        ("quotas", partial(_quotas, clients, environment)),
        ("instance types", partial(_offers, clients, environment)),
        ("deploy", partial(_deploy, clients, environment)),
        ("DNS", partial(stable_name, environment)),
    ]
    deployers = _others(environment, caller, "deploy")
    yield from examine(of_account, others=deployers)
    if bakes:
        yield from examine(of_bake, others=_others(environment, caller, "bake"))
    yield from examine(of_deploy, others=deployers)


def _others(environment: Environment, caller: str, kind: str) -> str:
    """Say who else may make the looks of a kind of role; empty: the caller is that role."""
    if is_session_of(caller, environment, kind):
        return ""
    name = role_arn(environment, kind).rpartition("/")[2]
    return f"the role {name} may; whoever does without that role needs this permission"


def _endpoints(clients: Clients, environment: Environment) -> Iterator[Diagnosis]:
    made = {service: clients(service) for service in called_services(environment)}
    with ThreadPoolExecutor(AT_ONCE) as pool:  # one that is blocked takes until its timeout
        yield from pool.map(endpoint, made.keys(), made.values())


def called_services(environment: Environment) -> tuple[str, ...]:
    """Return the services that this machine must reach to bake and deploy."""
    nodes = (environment.nodes, environment.head, *environment.workers.values())
    return (*SERVICES, FILE_SYSTEMS) if any(one.efs for one in nodes) else SERVICES


def _clock(clients: Clients) -> Diagnosis:
    """Judge the clock by the Date of AWS's last answer, which may have been a refusal."""
    off = abs(clients.ahead)
    if off == 0:
        return Diagnosis("clock", "pass", "agrees with AWS's")
    state: State = "fail" if off >= AWS_TOLERATES else "warning"
    hint = "set it by NTP: AWS refuses requests that are five minutes off"
    return Diagnosis("clock", state, f"{off:.0f} s off AWS's", hint)


def _roles(clients: Clients, environment: Environment) -> Iterator[Diagnosis]:
    name, setup = stack_name(environment), f"invoke account.setup --env {environment.name}"
    stack = find_account_stack(clients, environment)
    if stack is None:
        seen = f"there is no stack {name}: whoever bakes or deploys needs permissions of their own"
        yield Diagnosis("roles", "warning", seen, f"an administrator runs {setup}")
    elif not stack.is_usable:
        yield Diagnosis("roles", "fail", f"the stack {name} is {stack.status}", setup)
    elif not is_current(clients, environment, stack):
        seen = f"the stack {name} is not as {environment.name}.toml and this version have it"
        yield Diagnosis("roles", "warning", seen, f"an administrator runs {setup}")
    else:
        yield Diagnosis("roles", "pass", f"the stack {name} is {stack.status}")


def _boundary(clients: Clients, environment: Environment) -> Iterator[Diagnosis]:
    given = environment.nodes.permissions_boundary or "none is needed by who runs this"
    return of_findings("boundary", account_findings(clients, environment), given)


def _linked_roles(clients: Clients, environment: Environment) -> Iterator[Diagnosis]:
    missing = missing_linked_roles(clients, environment)
    for service, name in needed_linked_roles(environment).items():
        if service in missing:
            hint = f"aws iam create-service-linked-role --aws-service-name {service}"
            yield Diagnosis("service-linked role", "warning", f"{name} does not exist", hint)
        else:
            yield Diagnosis("service-linked role", "pass", name)


def _base_images(clients: Clients, environment: Environment) -> Iterator[Diagnosis]:
    lock = read_lock(environment)
    for place, settings in _images(environment):
        entry = locked(lock, settings, environment.name)
        found = resolve_base_image(clients, settings, place, entry)
        words = f"[{place}] {found.ami_id} {found.name}".rstrip()
        if found.is_deprecated(datetime.now(UTC)):
            why = f"{words}: its owner has deprecated it, on {found.deprecated[:10]}"
            hint = f"invoke lock --env {environment.name}, or another base_id; then bake"
            yield Diagnosis("base image", "warning", why, hint)
        else:
            yield Diagnosis("base image", "pass", words + (", locked" if entry else ""))


def _build_subnets(clients: Clients, environment: Environment) -> Iterator[Diagnosis]:
    for place, settings in _images(environment):
        found = resolve_subnet(clients, settings, place)
        yield Diagnosis("build subnet", "pass", f"[{place}] {found.subnet_id}")


def _build_types(clients: Clients, environment: Environment) -> Iterator[Diagnosis]:
    images = _images(environment)
    check_build_types(clients, images)
    for place, settings in images:
        words = f"[{place}] {settings.build_instance_type}, {settings.architecture}"
        yield Diagnosis("build instance", "pass", words)


def _images(environment: Environment) -> list[tuple[str, ImageSettings]]:
    """Return the settings of each image that nodes are launched from, with their table."""
    used = {name for _, name in environment.wanted_images}
    return [
        (f"images.{name}" if name else "image", environment.image_named(name))
        for name in sorted(used)
    ]


def _quotas(clients: Clients, environment: Environment) -> Iterator[Diagnosis]:
    facts = type_facts(clients, type_names(environment))
    found = quota_findings(clients, environment, facts)
    return of_findings("quotas", found, "suffice for the largest cluster")


def _offers(clients: Clients, environment: Environment) -> Iterator[Diagnosis]:
    found = offer_findings(clients, environment, find_foundation(clients, environment))
    return of_findings("instance types", found, "are offered in every zone")


def _deploy(clients: Clients, environment: Environment) -> Iterator[Diagnosis]:
    """Run the preflight of a deploy; without images, all of it that needs none."""
    foundation = find_foundation(clients, environment)
    yield from of_findings(
        "road", road_findings(environment, foundation), "the cluster is in reach"
    )
    try:
        release = requested_release(clients, environment)
    except Refused as error:
        state: State = "warning" if isinstance(error, NoImage) else "fail"
        yield Diagnosis("images", state, error.message, error.hint)
        release = unbaked_release(clients, environment)
    else:
        yield from _release_images(clients, environment, foundation, release)
    found = settings_findings(clients, environment, foundation, release)
    yield from of_findings("deploy", found, "nothing else is in the way")


def _release_images(
    clients: Clients, environment: Environment, foundation: Foundation | None, release: Release
) -> Iterator[Diagnosis]:
    served = (
        current_release(clients, foundation.bucket_name, environment.name) if foundation else None
    )
    facts = launch_facts(clients, environment, release)
    found = image_findings(clients, environment, release, served, facts)
    return of_findings("images", found, f"those of release {release.id}")
