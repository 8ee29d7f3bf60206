"""The hand-off to 110: the dossier and the worker that delivers it."""
