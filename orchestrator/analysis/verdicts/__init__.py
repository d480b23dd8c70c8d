"""What may be compared with what, and what the comparison means."""
