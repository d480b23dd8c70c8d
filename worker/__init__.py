"""The work, and the Celery application that serves it; imports nothing of the orchestrator."""
