"""Cards of the models that analyze videos: text, objects, kinds of sound, names of classes."""
