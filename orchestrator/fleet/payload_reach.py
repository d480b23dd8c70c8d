"""Do workers find what the orchestrator puts into the payload store? Each side has a setting of its own for it."""

from __future__ import annotations

from orchestrator.fleet import workers
from orchestrator.fleet.fleet import Fleet
from worker.payloads.redis import connect

LOOK_S = 10.0
"""How long workers may take to look for the payload."""

EXPIRY_S = 60
"""Where this side is gone before it deletes the payload, that is gone after this long."""


def payloads_out_of_reach(fleet: Fleet) -> dict[str, str]:
    """The workers that do not find a payload of ours, each with the reason.

    Raises:
        redis.RedisError: this side cannot put one.
    """
    key = f"{fleet.run_id}:reach"
    with connect(fleet.settings.payload_store_url, tls=fleet.settings.tls) as client:
        client.set(key, b"", ex=EXPIRY_S)
        names = [member.name for member in fleet.workers]
        answers = workers.ask(fleet.app, "breakeven_payload", names, LOOK_S, key=key)
        client.unlink(key)
    reasons = {name: _reason(answers.get(name)) for name in names}
    return {name: reason for name, reason in reasons.items() if reason is not None}


def _reason(answer: dict[str, object] | None) -> str | None:
    if answer is None:
        return f"did not say within {LOOK_S:.0f} s whether it finds payloads"
    if answer.get("found"):
        return None
    why = answer.get("error")
    return "looks for payloads in another store" if why is None else f"cannot use its payload store: {why}"
