"""Copy what another account or region serves to where it is promoted to. Reads and changes AWS.

At the target: EC2, KMS, S3, STS. At the source, as its role ``share``: EC2, KMS, S3. The target's
key signs of which image each copy is; what was attested of that counts for the copy then.

It can be stopped anywhere and run again: a copy is found by its tag, and the source is shared for
no longer than there is something to copy.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from securesystemslib.signer import Key  # type: ignore[attr-defined] # its own name

from bake.attestations import Trust, copied_from, trusted, trusted_keys
from bake.catalog import Image, image_by_id, images, mark_copied
from bake.image_copies import (
    PENDING,
    Copy,
    Origin,
    Wanted,
    complete_copy,
    find_copies,
    remove_failed,
    start_copy,
    wait_for_copies,
)
from bake.image_files import Kept, carry_files, uncarried
from bake.image_sharing import read_originals, share, stop_sharing, unshareable
from bake.statements import attest_copy
from bake.wanted import WantedImage
from common.account_roles import role_arn
from common.aws_rules import partition_of
from common.clients import Clients, translated
from common.environment import Environment
from common.errors import Denied, PipelineError, Refused
from common.progress import Lines
from common.waiting import Clock, Seen, wait_for

SESSION = "raykiln"
# "usually less than five minutes": docs.aws.amazon.com/kms/latest/developerguide/grants.html
GRANT_SECONDS = 300.0


@dataclass(frozen=True)
class Copying:
    """What is copied from one environment to another, and what there is of it.

    ``originals`` and ``wanted`` have each image as it is at the source, ``copies`` all that were
    begun of them, ``here`` the images at the target by their ids. ``incomplete``: those that are
    not here with all that is known of them.
    """

    source: Environment
    target: Environment
    at_source: Clients
    originals: Mapping[WantedImage, Image]
    wanted: Mapping[WantedImage, Wanted]
    copies: tuple[Copy, ...]
    here: Mapping[str, Image]
    incomplete: frozenset[WantedImage] = frozenset()

    @property
    def is_done(self) -> bool:
        """Every image is here, with all that is known of it, and nothing is shared any more."""
        return not (self.incomplete or any(map(self.is_shared, self.wanted)))

    @property
    def crosses_accounts(self) -> bool:
        """The source is another account, which has to share what is copied."""
        return self.source.account_id != self.target.account_id

    def copy_of(self, image: WantedImage) -> Copy | None:
        """Return the copy that there is of an image, or that is under way."""
        wanted = self.wanted[image]
        return next((copy for copy in self.copies if wanted.is_met_by(copy)), None)

    def image(self, image: WantedImage) -> Image:
        """Return an image as it is at the target, or, before it is copied, at the source."""
        copy = self.copy_of(image)
        return self.here.get(copy.ami_id if copy else "", self.originals[image])

    def obstacles(self) -> Iterator[str]:
        """Yield what keeps another account from copying the images that are not here yet."""
        if not self.crosses_accounts:
            return
        for one, wanted in self.wanted.items():
            if _is_missing(self.copy_of(one)):
                for words in unshareable(self.at_source, wanted.original):
                    yield f"{one}: {words}: set nodes.kms_key in {self.source.name}.toml, and bake"

    def is_shared(self, image: WantedImage) -> bool:
        """Say whether the source shares an image with the target's account."""
        account = self.target.account_id
        return self.crosses_accounts and account in self.wanted[image].original.shared_with

    def words(self, image: WantedImage) -> str:
        """Return what is copied, and how far that is."""
        origin, copy = self.wanted[image].origin, self.copy_of(image)
        what = f"copied from {origin.ami_id} in {origin.account} {origin.region}"
        if copy is None:
            return what
        if image in self.incomplete:
            return f"{what}, which began as {copy.ami_id}"
        return f"{what} as {copy.ami_id}" + (", still shared" if self.is_shared(image) else "")


def clients_at(clients: Clients, source: Environment, target: Environment) -> Clients:
    """Return clients that read, and share, at the source.

    Raises Refused unless the target's file says where that is, and the source's account lets the
    target's act there.
    """
    place = source.account_id, source.region
    if place == (target.account_id, target.region):
        return clients
    _check_place(source, target)
    arn = role_arn(source, "share")
    try:
        return clients.as_role(arn, source.region, SESSION)
    except Denied as error:
        raise Refused(
            f"{source.name} in {' '.join(place)} shares no images with the account "
            f"{target.account_id}: {error.message}",
            hint=f"below [account] of {source.name}.toml: "
            f'copies_to = ["{target.account_id}"]; then, as administrators: invoke account.setup '
            f"--env {source.name}, and --env {target.name}; promote as {role_arn(target, 'bake')}",
        ) from error


def _check_place(source: Environment, target: Environment) -> None:
    place = source.account_id, source.region
    if target.source_place != place or not target.promotion:
        raise Refused(
            f"{source.name} is in {' '.join(place)}, but {target.name}.toml says "
            f"{' '.join(target.source_place)}",
            hint=f'below [promotion] of {target.name}.toml: account_id = "{place[0]}" and '
            f'region = "{place[1]}"; then invoke account.setup --env {target.name}',
        )
    ours, theirs = partition_of(target.region), partition_of(source.region)
    if ours != theirs:
        raise Refused(
            f"{source.name} is in {theirs}, {target.name} in {ours}: EC2 copies no images from one "
            "partition to another",
            hint=f"bake for {target.name} itself: remove [promotion] from its file",
        )


def plan_copies(
    clients: Clients,
    at_source: Clients,
    source: Environment,
    target: Environment,
    chosen: Mapping[WantedImage, Image],
) -> Copying:
    """Return what there is to copy of images of the source. Reads only."""
    found = read_originals(at_source, (image.ami_id for image in chosen.values()))
    wanted = {
        one: Wanted(
            found[image.ami_id],
            Origin(source.account_id, source.region, image.ami_id),
            target.image_named(one.name).encrypted,
            target.nodes.kms_key if target.image_named(one.name).encrypted else "",
        )
        for one, image in chosen.items()
    }
    copies = find_copies(clients, (one.origin for one in wanted.values()))
    here = {image.ami_id: image for image in images(clients, disabled=True)}
    plan = Copying(source, target, at_source, chosen, wanted, copies, here)
    whole = {one for one in wanted if _is_whole(clients, plan, one)}
    return replace(plan, incomplete=frozenset(wanted.keys() - whole))


def _is_whole(clients: Clients, plan: Copying, one: WantedImage) -> bool:
    """Say whether an image was copied, with all that is known of it."""
    copy = plan.copy_of(one)
    if copy is None or copy.ami_id not in plan.here or not copy.verified:
        return False
    kept = Kept(clients, plan.target.images_bucket, plan.here[copy.ami_id])
    return _is_attested(clients, plan, one, kept) and not uncarried(_kept_there(plan, one), kept)


def _kept_there(plan: Copying, one: WantedImage) -> Kept:
    return Kept(plan.at_source, plan.source.images_bucket, plan.originals[one])


def copied(
    clients: Clients, plan: Copying, now: datetime, *, clock: Clock, lines: Lines
) -> dict[WantedImage, Image]:
    """Copy what is not here, with all that is known of it; return the images that are here then.

    There is a line for each image. What was shared is shared no more afterwards, also when a copy
    has failed, or none could begin. Raises PipelineError, with all that failed, and TimedOut while
    EC2 still copies.
    """
    ids = _begun(clients, plan, clock, lines)
    lines_of = {ids[one]: str(one) for one in plan.incomplete}
    failed = wait_for_copies(clients, lines_of, clock=clock, lines=lines) if lines_of else ()
    _stop_sharing(plan)
    if failed:
        words = "\n".join(f"  {words}" for words in failed)
        raise PipelineError(
            f"EC2 could not copy every image\n{words}", hint="promote again: it copies those anew"
        )
    here = {image.ami_id: image for image in images(clients, disabled=True)}
    for one in plan.incomplete:
        _complete(clients, plan, one, here[ids[one]], now)
    remove_failed(clients, plan.copies)
    return {
        one: image_by_id(clients, ami_id) if one in plan.incomplete else here[ami_id]
        for one, ami_id in ids.items()
    }


def _begun(clients: Clients, plan: Copying, clock: Clock, lines: Lines) -> dict[WantedImage, str]:
    """Begin to copy what is not here; return the ids of all copies."""
    found = {one: plan.copy_of(one) for one in plan.wanted}
    ids = {one: copy.ami_id for one, copy in found.items() if copy}
    under_way = any(copy and copy.state == PENDING for copy in found.values())
    try:
        _share(clients, plan, clock, lines)
        for one in plan.wanted:
            if one not in ids:
                ids[one] = _begin(clients, plan, one)
                under_way = True
    except PipelineError:
        if not under_way:  # or EC2 could not complete it; the next promotion goes on from there
            _stop_sharing(plan)
        raise
    return ids


def _share(clients: Clients, plan: Copying, clock: Clock, lines: Lines) -> None:
    """Have the source share what is not here yet."""
    missing = [one for one in plan.wanted if _is_missing(plan.copy_of(one))]
    if not plan.crosses_accounts:
        return
    grantee = role_arn(plan.target, "bake")
    for one in missing:
        original = plan.wanted[one].original
        lines.say(str(one), f"sharing {original.ami_id} with {plan.target.account_id}")
        share(plan.at_source, original, plan.target.account_id, grantee)
    there = clients.in_region(plan.source.region)
    for key in sorted({key for one in missing for key in plan.wanted[one].original.keys}):
        _wait_for_grant(there, key, clock)


def _is_missing(copy: Copy | None) -> bool:
    """EC2 still has to read the original."""
    return copy is None or copy.state == PENDING


def _wait_for_grant(there: Clients, key: str, clock: Clock) -> None:
    """Wait until the target may use a key of the source, as its grant says."""

    def look() -> Seen[bool]:
        try:
            with translated(f"reading the key {key}"):
                there("kms").describe_key(KeyId=key)
        except Denied as error:
            return Seen(None, error.message)
        return Seen(True, "granted")

    hint = "promote again; does a policy above the source's account deny it?"
    wait_for(f"the grant of {key}", look, clock=clock, seconds=GRANT_SECONDS, hint=hint)


def _begin(clients: Clients, plan: Copying, one: WantedImage) -> str:
    wanted = plan.wanted[one]
    return start_copy(clients, wanted, (c for c in plan.copies if c.origin == str(wanted.origin)))


def _stop_sharing(plan: Copying) -> None:
    """Have the source share no more what is here, and what could not be copied."""
    if plan.crosses_accounts:
        grantee = role_arn(plan.target, "bake")
        for one, wanted in plan.wanted.items():
            if plan.is_shared(one) or _is_missing(plan.copy_of(one)):
                stop_sharing(plan.at_source, wanted.original, plan.target.account_id, grantee)


def _complete(
    clients: Clients, plan: Copying, one: WantedImage, copy: Image, now: datetime
) -> None:
    """Give a copy all that is known of its original, and mark it as verified then."""
    original = plan.originals[one]
    complete_copy(clients, copy.ami_id, original.created, now)
    kept = Kept(clients, plan.target.images_bucket, copy)
    carry_files(_kept_there(plan, one), kept)
    ids, keys = _witnesses(plan, one)
    where = {"account": plan.source.account_id, "region": plan.source.region}
    originals = [(name, where if name == original.ami_id else {}) for name in ids]
    finished = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    attest_copy(clients, plan.target, copy, originals, keys, finished)
    mark_copied(clients, copy.ami_id, original.verified)


def _witnesses(plan: Copying, one: WantedImage) -> tuple[tuple[str, ...], tuple[Key, ...]]:
    """Return of which images statements count for a copy, and who may have signed them.

    The original may be a copy itself.
    """
    trust = trusted(plan.source, _kept_there(plan, one))
    return (
        tuple(dict.fromkeys(name for each in trust for name in each.ami_ids)),
        tuple({key.keyid: key for each in trust for key in each.keys}.values()),
    )


def _is_attested(clients: Clients, plan: Copying, one: WantedImage, kept: Kept) -> bool:
    """Say whether the target has signed of which images this is a copy."""
    own = Trust(tuple(trusted_keys(clients, plan.target)), (kept.image.ami_id,))
    signed = copied_from(kept, own)
    if signed is None:
        return False
    ids, keys = _witnesses(plan, one)
    return set(ids) <= set(signed.ami_ids) and {key.keyid for key in keys} <= {
        key.keyid for key in signed.keys
    }
