"""Rows of the knowledge graph: entities, mentions, evidence of relations, merges and scenes."""
