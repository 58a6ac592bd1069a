"""Fails while it is imported."""

print("importing")

raise ValueError("not today")
