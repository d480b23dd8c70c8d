"""Statistics that know nothing of what was measured: intervals, exact tests, the bootstrap."""
