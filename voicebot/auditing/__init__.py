"""The audit (审计) as a chain of hashes, so that no row is altered or removed unseen."""
