"""What an analysis finds in a video, and the model that found it."""
