"""What stands where something was deleted."""

REMOVED = "已删除"
"""Stands for a number or for words; it is nobody's number, so no caller is taken for another."""
