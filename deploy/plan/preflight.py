"""Find what would make a deploy fail later, before anything changes. Reads AWS only."""

from collections.abc import Mapping
from dataclasses import dataclass

from common.clients import Clients, translated
from common.environment import Environment
from common.errors import Refused
from common.instance_types import TypeFacts, type_facts
from deploy.cluster.release_images import FoundImage, find_images, missing_images
from deploy.foundation.stack import Foundation
from deploy.plan.access_preflight import access_findings
from deploy.plan.account_preflight import account_findings
from deploy.plan.file_system_preflight import file_system_findings
from deploy.plan.finding import Finding, refuse_fatal
from deploy.plan.key_preflight import key_findings
from deploy.plan.offers import launch_zones, offer_findings
from deploy.plan.quotas import quota_findings
from deploy.plan.reservation_preflight import reservation_findings
from deploy.plan.spot_preflight import spot_findings
from deploy.plan.state_preflight import state_findings
from deploy.plan.vpc_preflight import vpc_findings
from deploy.release.groups import type_names
from deploy.release.release import Release
from deploy.release.settings import NodeImage, Volume


@dataclass(frozen=True)
class _Launch:
    """What a release launches; ``place`` is its key in the environment's file."""

    place: str
    instance_types: tuple[str, ...]
    image: NodeImage
    volume: Volume


def check_credentials(clients: Clients, environment: Environment) -> str:
    """Return the ARN of the caller; raises Refused without credentials or for another account."""
    with translated("reading the caller's identity"):
        found = clients("sts").get_caller_identity()
    if found["Account"] != environment.account_id:
        raise Refused(
            f"these credentials belong to account {found['Account']}, "
            f"but {environment.name} is in {environment.account_id}",
            hint="choose another AWS_PROFILE, or correct account_id",
        )
    return str(found["Arn"])


def preflight(
    clients: Clients,
    environment: Environment,
    foundation: Foundation | None,
    release: Release,
    previous: Release | None = None,
    others: tuple[Finding, ...] = (),
) -> tuple[Finding, ...]:
    """Return the findings; raises Refused with all that would make the deploy fail.

    ``previous`` is the release that is served now, to which a failed deploy is rolled back;
    ``others`` are findings of the caller's own.
    """
    facts = launch_facts(clients, environment, release)
    findings = (
        *settings_findings(clients, environment, foundation, release),
        *account_findings(clients, environment),
        *image_findings(clients, environment, release, previous, facts),
        *offer_findings(clients, environment, foundation),
        *quota_findings(clients, environment, facts),
        *others,
    )
    refuse_fatal(environment.name, findings)
    return findings


def launch_facts(
    clients: Clients, environment: Environment, release: Release
) -> Mapping[str, TypeFacts]:
    """Return the facts of every instance type that the environment or the release names."""
    launched = {kind for launch in _launches(release) for kind in launch.instance_types}
    return type_facts(clients, type_names(environment) | launched)


def settings_findings(
    clients: Clients, environment: Environment, foundation: Foundation | None, release: Release
) -> tuple[Finding, ...]:
    """Return what is in the way of a release's settings, whatever its images are.

    Raises Refused when the VPC, or something in it that is named, is not there.
    """
    return (
        *vpc_findings(clients, environment, foundation),
        *spot_findings(clients, release),
        *reservation_findings(clients, release),
        *access_findings(clients, environment, foundation, release),
        *file_system_findings(
            clients,
            environment,
            foundation,
            release,
            lambda: launch_zones(clients, environment, foundation),
        ),
        *key_findings(clients, environment, release),
    )


def image_findings(
    clients: Clients,
    environment: Environment,
    release: Release,
    previous: Release | None,
    facts: Mapping[str, TypeFacts],
) -> tuple[Finding, ...]:
    """Find images that are gone, and those that do not fit what is launched from them."""
    found = find_images(clients, [release, *([previous] if previous else [])])
    gone = [
        Finding(
            words,
            "bake and deploy, enable it in EC2, or choose a release whose images exist",
            fatal=True,
        )
        for words in missing_images(release, found)
    ]
    lost = missing_images(previous, found) if previous and previous.id != release.id else ()
    if previous and lost:
        words = f"{'; '.join(lost)}: this deploy cannot be rolled back to {previous.id}"
        gone.append(Finding(words, "keep the images of the releases that you may go back to"))
    return (
        *gone,
        *_architectures(release, found, facts),
        *_volumes(release, found),
        *state_findings(clients, environment, release, found),
    )


def _architectures(
    release: Release, images: Mapping[str, FoundImage], facts: Mapping[str, TypeFacts]
) -> tuple[Finding, ...]:
    """EC2 launches no instance whose type lacks the architecture of its image.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/resize-limitations.html
    """
    return tuple(
        Finding(
            f"{launch.place}: {kind} runs {', '.join(facts[kind].architectures)}, "
            f"but the image {image.ami_id} is for {image.architecture}",
            "choose an instance type of that architecture, or bake an image for this one",
            fatal=True,
        )
        for launch in _launches(release)
        for kind in launch.instance_types
        if (image := images.get(launch.image.ami_id))
        and image.architecture not in facts[kind].architectures
    )


def _volumes(release: Release, images: Mapping[str, FoundImage]) -> tuple[Finding, ...]:
    """A root volume is at least as large as the snapshot that it is created from.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_EbsBlockDevice.html
    """
    return tuple(
        Finding(
            f"{launch.place}: a volume of {launch.volume.gib} GiB is smaller than the "
            f"{image.root_gib} GiB of the image {image.ami_id}",
            f"set volume = {{ gib = {image.root_gib} }} there, or more",
            fatal=True,
        )
        for launch in _launches(release)
        if (image := images.get(launch.image.ami_id)) and launch.volume.gib < image.root_gib
    )


def _launches(release: Release) -> tuple[_Launch, ...]:
    settings = release.settings
    return (
        _Launch("head", (settings.head_type,), release.head, settings.head_volume),
        *(
            _Launch(f"workers.{group.name}", group.instance_types, group.image, group.volume)
            for group in settings.groups
        ),
    )
