"""Delete vectors that serve no more, and their text. Touches the control table, the index, S3."""

from common.errors import PipelineError
from documents.control.vector_sets import VectorSets
from documents.errors import Unavailable
from documents.identity import vector_key
from documents.providers.interfaces import Index
from documents.texts import Texts

AT_ONCE = 500


def delete_vectors(sets: VectorSets, index: Index, texts: Texts, name: str) -> bool:
    """Delete the vectors of a set, its text and its record; one that serves is left alone.

    Return False when a service did not do its part; the sweep then tries again.
    """
    try:
        sets.give_up(name)
        reserved = sets.reserved(name)
        for start in range(0, reserved, AT_ONCE):
            numbers = range(start, min(start + AT_ONCE, reserved))
            index.delete([vector_key(name, number) for number in numbers])
        if reserved:  # else nothing was written, or it serves
            texts.delete(name)
        sets.forget(name)
    except (Unavailable, PipelineError):
        return False
    return True
