"""Several processes as one installation: what they tell each other, and who has which call."""
