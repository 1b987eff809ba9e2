"""Cards of the models that analyse videos: text, objects, kinds of sound, names of classes."""
