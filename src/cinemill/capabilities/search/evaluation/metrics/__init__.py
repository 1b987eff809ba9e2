"""Figures of retrieval, abstention and citations, with intervals over videos."""
