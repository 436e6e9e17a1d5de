"""Delete vectors that serve no more. Touches the control table and the index."""

from common.errors import PipelineError
from documents.control.vector_sets import VectorSets
from documents.errors import Unavailable
from documents.identity import vector_key
from documents.providers.interfaces import Index

AT_ONCE = 500


def delete_vectors(sets: VectorSets, index: Index, name: str) -> bool:
    """Delete the vectors of a set and its record; one that serves is left alone.

    Return False when a service did not do its part; the sweep then tries again.
    """
    try:
        sets.give_up(name)
        reserved = sets.reserved(name)
        for start in range(0, reserved, AT_ONCE):
            numbers = range(start, min(start + AT_ONCE, reserved))
            index.delete([vector_key(name, number) for number in numbers])
        sets.forget(name)
    except (Unavailable, PipelineError):
        return False
    return True
