"""Callers as such: numbers limited for nuisance, missed calls, evaluations of the service."""
