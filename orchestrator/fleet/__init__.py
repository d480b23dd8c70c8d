"""A run's Celery workers: child processes of its own, or those on a broker that somebody else runs."""
