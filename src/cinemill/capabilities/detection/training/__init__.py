"""Training of heads: self-blended images, augmentation, stored features and the fit."""
