"""One call on a page: what was said and when, what was done and why, and its sound."""
