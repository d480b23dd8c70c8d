"""Pure functions from a `Run` to findings: no clock, no I/O, no English."""
