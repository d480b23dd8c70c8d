"""Flower's configuration, for every Flower of ours: `FLOWER_CONF` names this file, and Flower runs it.

Names below that are Flower's options set them, over the environment. The rest amends some of its pages.
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

# Flower shows these to anybody, its metrics with the names of workers and tasks. They are for those who have
# the password, as everything is but the health check.
for _page in (Metrics, LogoutHandler, NotFoundErrorHandler):
    _page.get = authenticated(_page.get)
NotFoundErrorHandler.post = authenticated(NotFoundErrorHandler.post)


class _Files(BaseHandler, StaticFileHandler):  # type: ignore[misc]  # neither has types
    """Scripts and style sheets, which tell Flower's version."""

    get = authenticated(StaticFileHandler.get)  # type: ignore[assignment]  # the same, for whom it lets in
    head = authenticated(StaticFileHandler.head)  # type: ignore[assignment]


settings["static_handler_class"] = _Files

_show_queues = BrokerView.get


@authenticated
async def _ask_for_queues_and_show_them(handler: Any) -> None:
    """Flower shows the queues that its workers served when it last asked them: a run's own is younger."""
    await handler.application.update_workers()
    await _show_queues(handler)


BrokerView.get = _ask_for_queues_and_show_them
