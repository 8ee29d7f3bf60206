"""Incidents (同一件事): open hand-offs of one event, for the desk; nobody is merged away."""
