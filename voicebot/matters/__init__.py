"""Matters from Internet channels (R4): written words through the triage and exchange of calls."""
