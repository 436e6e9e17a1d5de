"""What a person adds to an image, read and checked before anything is made. No AWS.

All of it is read once, as files by their paths: digest, build and tests use the same content. The
paths: ``packages.txt``, ``requirements.lock``, ``image.env``, and those below ``provisioners/``,
``units/`` and ``tests/``.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bake.documents import application_of, requirements_of
from bake.files import LOCK
from bake.ray_lock import Pin, Target, pins_for
from bake.requirements import added_pins, lock_mistakes
from bake.units import unit_mistakes
from bake.wanted import WantedImage
from common.checkout import REPOSITORY
from common.environment import Environment
from common.errors import Refused
from common.image_environment import environment_file
from common.image_settings import ImageSettings

PACKAGES, REQUIREMENTS, ENV = "packages.txt", "requirements.lock", "image.env"
FOLDERS = ("provisioners", "units", "tests")
TESTS = "tests/"
# Two digits, which decide the order.
SCRIPT_NAME = re.compile(r"\d\d-[A-Za-z0-9][\w.-]*")
# Of one image's folders together: they are read into memory, and uploaded to each build instance.
MOST_BYTES = 64 * 1024**2


@dataclass(frozen=True)
class Additions:
    """The content of what is added, by path."""

    files: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 over everything that shapes the image: names, order and content."""
        return self._sha256(path for path in self.files if not path.startswith(TESTS))

    @property
    def tests_digest(self) -> str:
        """SHA-256 over the tests; empty without."""
        tests = [path for path in self.files if path.startswith(TESTS)]
        return self._sha256(tests) if tests else ""

    @property
    def scripts(self) -> tuple[str, ...]:
        """The provisioners, in the order in which they run."""
        names = self.below("provisioners/")
        return tuple(sorted(name for name in names if SCRIPT_NAME.fullmatch(name)))

    def below(self, folder: str) -> dict[str, bytes]:
        """Return the files below a folder, by their paths in it."""
        return {
            path.removeprefix(folder): content
            for path, content in self.files.items()
            if path.startswith(folder)
        }

    def lock(self) -> str:
        """Return the lock of Python packages; empty without."""
        return self.files.get(REQUIREMENTS, b"").decode()

    def pins(self, target: Target, rays: Iterable[Pin]) -> tuple[Pin, ...]:
        """Return the Python packages that are added to Ray's own."""
        return added_pins(self.lock(), target, rays)

    def write(self, into: Path) -> Path:
        """Write all files below a folder, and return it; its subfolders exist in any case."""
        for folder in FOLDERS:
            (into / folder).mkdir(parents=True, exist_ok=True)
        for name, content in self.files.items():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            (into / name).write_bytes(content)
        return into

    def _sha256(self, paths: Iterable[str]) -> str:
        content = hashlib.sha256()
        for path in sorted(paths):
            data = self.files[path]
            content.update(f"\0{path}\0{len(data)}\0".encode() + data)
        return content.hexdigest()


def read_additions(
    environment: Environment,
    images: Iterable[WantedImage],
    repository: Path = REPOSITORY,
    model: Path | None = None,
) -> dict[WantedImage, Additions]:
    """Return what is added to each image; raises Refused with all mistakes, each with its key.

    ``model`` is the folder of the embedding model, for the images that hold the documents'
    application.
    """
    lock = (repository / LOCK).read_text()
    found: dict[WantedImage, Additions] = {}
    mistakes: list[str] = []
    for image in images:
        settings = environment.image_named(image.name)
        place = f"  {environment.name}.toml: {image.place}"
        try:
            files = dict(_files(settings, repository))
            if settings.documents:
                files |= dict(_of_documents(image, repository, model))
            found[image] = Additions(files)
            words = _mistakes(settings, found[image], lock, repository)
            mistakes += [f"{place}.{each}" for each in words]
        except OSError as error:
            mistakes.append(f"{place}: {error.filename}: {error.strerror}")
    if mistakes:
        raise Refused(
            "what is added to the images is not right:\n" + "\n".join(dict.fromkeys(mistakes)),
            hint="correct these files; nothing was baked",
        )
    return found


def _of_documents(
    image: WantedImage, repository: Path, model: Path | None
) -> Iterator[tuple[str, bytes]]:
    """Yield what an image has of the documents' application: on heads only its packages.

    Serve's controller, which is always on the head, needs them; the application does not change
    them, and so no head is replaced for a change of it.
    """
    yield REQUIREMENTS, requirements_of(repository)
    if image.role == "worker":
        yield from application_of(repository, model)


def _files(settings: ImageSettings, repository: Path) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of all that is there."""
    yield PACKAGES, "".join(f"{name}\n" for name in settings.packages).encode()
    yield ENV, environment_file(settings.env).encode()
    if settings.requirements and (repository / settings.requirements).is_file():
        yield REQUIREMENTS, (repository / settings.requirements).read_bytes()
    for kind in FOLDERS:
        given = getattr(settings, kind)
        if given and _size(repository / given) <= MOST_BYTES:
            for path in _inside(repository / given):
                yield f"{kind}/{path.relative_to(repository / given)}", path.read_bytes()


def _inside(folder: Path) -> list[Path]:
    every = sorted(folder.rglob("*"))
    return [path for path in every if path.is_file() and "__pycache__" not in path.parts]


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in _inside(folder))


def _mistakes(
    settings: ImageSettings, additions: Additions, lock: str, repository: Path
) -> Iterator[str]:
    yield from _requirements(settings, additions, lock, repository)
    checks = {
        "provisioners": _script_mistakes,
        "units": unit_mistakes,
        "tests": _test_mistakes,
    }
    for kind, check in checks.items():
        if given := getattr(settings, kind):
            if wrong := _folder_mistake(repository / given):
                yield f"{kind}: {given} {wrong}"
            else:
                files = additions.below(f"{kind}/")
                yield from (f"{kind}: {given}: {words}" for words in check(files))


def _folder_mistake(folder: Path) -> str:
    if not folder.is_dir():
        return "is no folder of the repository"
    if _size(folder) > MOST_BYTES:
        return f"holds more than {MOST_BYTES // 1024**2} MiB: keep large files in S3"
    return "" if _inside(folder) else "is empty"


def _requirements(
    settings: ImageSettings, additions: Additions, lock: str, repository: Path
) -> Iterator[str]:
    if not settings.requirements:
        return
    start = f"requirements: {settings.requirements}"
    if not (repository / settings.requirements).is_file():
        yield f"{start} is no file of the repository"
        return
    target = Target(settings.python, settings.architecture)
    try:
        theirs = additions.lock()
    except UnicodeDecodeError:
        yield f"{start} is not UTF-8"
        return
    rays = pins_for(lock, target)
    yield from (f"{start}: {words}" for words in lock_mistakes(theirs, target, rays))


def _script_mistakes(files: Mapping[str, bytes]) -> Iterator[str]:
    """Numbered scripts are at the top; folders beside them may hold what the scripts need."""
    top = {name: content for name, content in files.items() if "/" not in name}
    for name, content in top.items():
        if not SCRIPT_NAME.fullmatch(name):
            yield f"{name} has no number that says when it runs, such as 10-{name}"
        elif not content.startswith(b"#!"):
            yield f"{name} does not begin with #!, which says what runs it"
    if not top:
        yield "it has folders, but no script"


def _test_mistakes(files: Mapping[str, bytes]) -> Iterator[str]:
    names = [name.rpartition("/")[2] for name in files]
    if not any(name.startswith("test_") and name.endswith(".py") for name in names):
        yield "it has no test_….py"
