"""The software bill of materials of an image, as CycloneDX and as SPDX. No AWS.

Made of the inventory: Debian packages, the distributions of each Python environment, and the files
of no package with their hashes. CycloneDX 1.6 (https://cyclonedx.org/docs/1.6/json/) and SPDX 2.3
(https://spdx.github.io/spdx-spec/v2.3/), both as JSON.
"""

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import NAMESPACE_URL, UUID, uuid5

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from spdx_tools.spdx.model.actor import Actor, ActorType
from spdx_tools.spdx.model.checksum import Checksum, ChecksumAlgorithm
from spdx_tools.spdx.model.document import CreationInfo, Document
from spdx_tools.spdx.model.file import File
from spdx_tools.spdx.model.package import ExternalPackageRef, ExternalPackageRefCategory
from spdx_tools.spdx.model.package import Package as SpdxPackage
from spdx_tools.spdx.model.relationship import Relationship, RelationshipType
from spdx_tools.spdx.model.spdx_no_assertion import SpdxNoAssertion
from spdx_tools.spdx.writer.json.json_writer import write_document_to_stream

from bake.image_files import CYCLONEDX, INVENTORY, SPDX
from bake.inventory import Inventory
from bake.spec import BuildSpec
from common.errors import PipelineError

DOCUMENT, IMAGE = "SPDXRef-DOCUMENT", "SPDXRef-image"


@dataclass(frozen=True)
class Subject:
    """The image that a bill is of. ``name`` is that of its role, ``built`` ISO 8601."""

    name: str
    digest: str
    built: str

    @property
    def uuid(self) -> UUID:
        """An id that no other image has."""
        return uuid5(NAMESPACE_URL, f"{self.name} {self.digest} {self.built}")


@dataclass(frozen=True)
class Item:
    """A package; ``place`` is the folder of its Python environment, empty for one of Debian's."""

    name: str
    version: str
    url: PackageURL
    place: str


def write_bills(spec: BuildSpec) -> None:
    """Write both bills into the image's folder.

    Raises PipelineError when the build instance's inventory is none.
    """
    path = spec.folder / INVENTORY
    try:
        inventory = Inventory.parse(path.read_text())
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise PipelineError(
            f"the build instance did not say what is in the image: {error}",
            hint=f"look at {path}, and at what ami-provisioners/84-report.sh says in packer.log",
        ) from error
    subject = Subject(f"ray-{spec.image.slug}", spec.digest, spec.built)
    (spec.folder / CYCLONEDX).write_text(cyclonedx(subject, inventory))
    (spec.folder / SPDX).write_text(spdx(subject, inventory))


def items(inventory: Inventory) -> Iterator[Item]:
    """Yield every package, with its address (https://github.com/package-url/purl-spec)."""
    distribution = inventory.system["id"]
    release = f"{distribution}-{inventory.system['version_id']}"
    for name, package in inventory.debian.items():
        bare = name.partition(":")[0]
        qualifiers = {"arch": package.architecture, "distro": release, "upstream": package.source}
        url = PackageURL("deb", distribution, bare, package.version, qualifiers)
        yield Item(name, package.version, url, "")
    for folder, found in inventory.python.items():
        for name, version in found.items():
            bare = re.sub(r"[-_.]+", "-", name).lower()
            yield Item(name, version, PackageURL("pypi", None, bare, version), folder)


def cyclonedx(subject: Subject, inventory: Inventory) -> str:
    """Return the bill as CycloneDX."""
    image = Component(
        name=subject.name,
        version=subject.digest,
        type=ComponentType.OPERATING_SYSTEM,
        bom_ref="image",
        description=inventory.system["pretty_name"],
        properties=[Property(name="raykiln:kernel", value=one) for one in inventory.kernels],
    )
    packages = [_component(item) for item in items(inventory)]
    files = [
        Component(
            name=path,
            type=ComponentType.FILE,
            bom_ref=f"file:{path}",
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=hashes["sha256"])],
        )
        for path, hashes in inventory.files.items()
    ]
    bom = Bom(
        serial_number=subject.uuid,
        components=[*packages, *files],
        metadata=BomMetaData(timestamp=datetime.fromisoformat(subject.built), component=image),
    )
    bom.register_dependency(image, packages)
    return str(JsonV1Dot6(bom).output_as_string(indent=1))


def _component(item: Item) -> Component:
    places = [Property(name="raykiln:environment", value=item.place)] if item.place else []
    return Component(
        name=item.name,
        version=item.version,
        purl=item.url,
        bom_ref=f"{item.url} {item.place}".rstrip(),
        properties=places,
    )


def spdx(subject: Subject, inventory: Inventory) -> str:
    """Return the bill as SPDX."""
    image = SpdxPackage(
        IMAGE, subject.name, SpdxNoAssertion(), version=subject.digest, files_analyzed=False
    )
    packages = [_spdx_package(number, item) for number, item in enumerate(items(inventory))]
    files = [
        _spdx_file(number, path, hashes)
        for number, (path, hashes) in enumerate(inventory.files.items())
    ]
    # Below a package stand only files that were analysed for it (SPDX 2.3, 7.8), so the document
    # describes the files itself.
    described = [image.spdx_id, *(one.spdx_id for one in files)]
    contained = [one.spdx_id for one in packages]
    document = Document(
        CreationInfo(
            spdx_version="SPDX-2.3",
            spdx_id=DOCUMENT,
            name=f"{subject.name} {subject.digest}",
            document_namespace=subject.uuid.urn,
            creators=[Actor(ActorType.TOOL, "raykiln")],
            created=datetime.fromisoformat(subject.built),
        ),
        packages=[image, *packages],
        files=files,
        relationships=[
            *(Relationship(DOCUMENT, RelationshipType.DESCRIBES, each) for each in described),
            *(Relationship(IMAGE, RelationshipType.CONTAINS, each) for each in contained),
        ],
    )
    stream = io.StringIO()
    write_document_to_stream(document, stream, validate=False)
    return stream.getvalue()


def _spdx_package(number: int, item: Item) -> SpdxPackage:
    reference = ExternalPackageRef(
        ExternalPackageRefCategory.PACKAGE_MANAGER, "purl", str(item.url)
    )
    return SpdxPackage(
        f"SPDXRef-package-{number}",
        item.name,
        SpdxNoAssertion(),
        version=item.version,
        files_analyzed=False,
        external_references=[reference],
        comment=f"in {item.place}" if item.place else None,
    )


def _spdx_file(number: int, path: str, hashes: Mapping[str, str]) -> File:
    return File(
        f".{path}",
        f"SPDXRef-file-{number}",
        [
            Checksum(ChecksumAlgorithm.SHA1, hashes["sha1"]),
            Checksum(ChecksumAlgorithm.SHA256, hashes["sha256"]),
        ],
    )
