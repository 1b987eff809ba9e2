"""Faces in pictures: boxes and points, tracks through a shot, crops, quality and the face mesh."""
