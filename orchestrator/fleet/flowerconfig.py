"""Flower's configuration: `FLOWER_CONF` names this file, and Flower executes it.

Names that are options of Flower set them, and override the environment. The rest changes some of its pages.
"""

from __future__ import annotations

from typing import Any

from flower.urls import settings
from flower.views import BaseHandler
from flower.views.auth import LogoutHandler
from flower.views.broker import BrokerView
from flower.views.error import NotFoundErrorHandler
from flower.views.monitor import Metrics
from tornado.web import StaticFileHandler, authenticated

tasks_columns = "name,args,state,worker,received,runtime,uuid"

# Flower shows these pages without a password, its metrics with the names of workers and tasks. Ask for the password
# everywhere but on the health check.
for _page in (Metrics, LogoutHandler, NotFoundErrorHandler):
    _page.get = authenticated(_page.get)
NotFoundErrorHandler.post = authenticated(NotFoundErrorHandler.post)


class _Files(BaseHandler, StaticFileHandler):  # type: ignore[misc]  # neither has types
    """Scripts and style sheets, which reveal Flower's version."""

    get = authenticated(StaticFileHandler.get)  # type: ignore[assignment]
    head = authenticated(StaticFileHandler.head)  # type: ignore[assignment]


settings["static_handler_class"] = _Files

_show_queues = BrokerView.get


@authenticated
async def _refresh_and_show_queues(handler: Any) -> None:
    """Ask the workers for their queues first: Flower's list may be older than the queue of a run."""
    await handler.application.update_workers()
    await _show_queues(handler)


BrokerView.get = _refresh_and_show_queues
