"""How good answers are: documents with known facts, questions about them, and a measure."""
