"""The keys that recordings are sealed with: of a file, or of a KMS (key management service)."""
