"""Kinds of step of an ingestion. Each capability has handlers for its own."""

from __future__ import annotations

DETECT_SHOTS = "detect_shot_boundaries"
EXTRACT_KEYFRAMES = "extract_keyframes"
CLASSIFY_SOUND = "classify_sound"
CHUNK_VIDEO = "chunk_video"
ANALYZE_CHUNK = "analyze_chunk"
MERGE_CHUNKS = "merge_chunks"
TRANSCRIBE_SPEECH = "transcribe_speech"
WRITE_PASSAGES = "write_passages"
EMBED_TEXT = "generate_text_embeddings"
EMBED_PICTURES = "generate_visual_embeddings"
FUSE_EMBEDDINGS = "generate_multimodal_embeddings"
INDEX_EMBEDDINGS = "index_embeddings"
EXTRACT_ENTITIES = "extract_entities"
EXTRACT_RELATIONS = "extract_relationships"
BUILD_SCENES = "build_scene_graph"
