"""What was done to one document, and by whom. Reads AWS."""

from dataclasses import dataclass

from common.clients import Clients
from common.environment import Environment
from common.errors import Refused
from deploy.documents.pipeline import find_pipeline, plainly
from deploy.operate.status_report import Section
from documents.control.records import shown
from documents.identity import INPUT, ObjectRef


@dataclass(frozen=True)
class History:
    """The entries of the audit about a document, oldest first."""

    name: str
    entries: tuple[dict[str, str], ...]

    @property
    def section(self) -> Section:
        """Return them as a table."""
        rows = tuple(tuple(entry.values()) for entry in self.entries)
        return Section(f"History of {self.name}", ("when", "who", "what", ""), rows)


def read_history(environment: Environment, clients: Clients, name: str) -> History:
    """Return the history of a document by its name; raises Refused when nothing is known of it."""
    pipeline = find_pipeline(clients, environment)
    ref = ObjectRef(pipeline.bucket, INPUT + name.removeprefix(INPUT))
    with plainly("reading the audit"):
        entries = tuple(map(shown, pipeline.access(clients).audit.entries(ref.id)))
    if not entries:
        raise Refused(
            f"nothing is known of a document {ref.name}",
            hint="its name is its key below input/, with the folders",
        )
    return History(ref.name, entries)
