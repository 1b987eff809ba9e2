"""Pictures of the faces that a verdict rests on, and maps of what their scores depend on."""
