"""What a run tells: pure functions from a `Run` to findings. No clock, no I/O, no Celery."""
