"""Reconciliation (对账) of both ledgers of the exchange with 110: docs/reconciliation.md (R14)."""
