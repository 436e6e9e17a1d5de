"""The document pipeline's application on Ray: documents in, answers with their sources out."""
