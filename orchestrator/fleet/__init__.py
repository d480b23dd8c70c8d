"""Where Celery workers come from, and how a run has them: embedded child processes, or whoever is on a broker."""
