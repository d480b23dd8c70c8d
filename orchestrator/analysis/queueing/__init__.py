"""Queueing."""
