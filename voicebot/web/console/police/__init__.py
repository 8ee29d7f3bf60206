"""The 110 view: a hand-off, for whoever holds its signed link."""
