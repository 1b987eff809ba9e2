"""Words of questions and passages: terms, numbers and names, by rules without a model."""
