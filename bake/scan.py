"""Look up an image's known vulnerabilities, of what its bake found. Reads AWS (S3) and OSV."""

from collections.abc import Iterator

from bake.catalog import Image
from bake.findings import Finding, findings
from bake.image_files import read_inventory
from bake.osv import Osv
from common.clients import Clients
from common.environment import Environment
from common.errors import Refused


def scan(
    clients: Clients, environment: Environment, image: Image, bucket: str = ""
) -> tuple[Finding, ...]:
    """Return what is known, the most severe first; by default of the environment's own bucket.

    Raises Refused for an image whose bake kept no inventory there, and PipelineError when the
    database does not answer.
    """
    bucket = bucket or environment.images_bucket
    inventory = read_inventory(clients, bucket, image)
    if inventory is None:
        raise Refused(
            f"{image.ami_id} cannot be scanned: s3://{bucket} does not say what is in it",
            hint=f"invoke bake --env {environment.name} --force bakes one that it says it of",
        )
    return findings(Osv(environment.images_osv), inventory)


def vulnerable(
    clients: Clients, environment: Environment, image: Image, bucket: str = ""
) -> Iterator[str]:
    """Yield the findings for which ``[images] scan`` refuses an image."""
    for finding in scan(clients, environment, image, bucket):
        if finding.refuses(environment.images_scan):
            yield f"{image.ami_id}: {finding.words}"
