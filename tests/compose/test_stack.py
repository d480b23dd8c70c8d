"""The stack of docker-compose.yml in real containers, from `up` to `down`. The tests go on from one another."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image

from tests.compose.conftest import USER
from tests.compose.stack import SMALL, Stack, docker

pytestmark = [pytest.mark.compose, pytest.mark.timeout(900)]


def results(stack: Stack) -> list[Path]:
    return sorted((stack.folder / "results").glob("*.json"))


def workers_of(doctor: str) -> list[str]:
    return [line for line in doctor.splitlines() if line.startswith("ok      worker ")]


class TestUp:
    def test_ends_with_a_verified_result_a_report_and_exit_code_0(self, stack: Stack) -> None:
        assert stack.ended("orchestrator") == 0
        (file,) = results(stack)
        result = json.loads(file.read_text(encoding="utf-8"))
        assert (result["complete"], result["plan"]["slots"]) == (True, 3)
        assert {cell["strategy"] for cell in result["cells"]} == {
            "serial",
            "threads",
            "processes",
            "vectorized",
            "celery",
        }
        assert all(cell["verified"] for cell in result["cells"])
        assert file.with_suffix(".html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")

    def test_the_log_shows_the_answer_and_where_the_result_is(self, stack: Stack) -> None:
        log = stack.compose("logs", "--no-log-prefix", "orchestrator")
        assert "and on 3 workers" in log
        assert "Celery adds about" in log
        assert f"result: results/{results(stack)[0].name}" in log

    def test_everything_else_stays_up(self, stack: Stack) -> None:
        for service, number in {"redis": 1, "origin": 1, "flower": 1, "worker": 3}.items():
            stack.healthy(service, number)

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
    def test_the_user_can_delete_what_it_wrote(self, stack: Stack) -> None:
        assert stack.ended("orchestrator") == 0
        extra = stack.orchestrator(
            "report", f"results/{results(stack)[0].name}", "--format", "csv", "--output", "results/x.csv"
        )
        assert extra.returncode == 0, extra.stderr
        rm = shutil.which("rm") or "rm"
        subprocess.run([rm, "results/x.csv"], cwd=stack.folder, user=USER, group=USER, check=True)
        assert not (stack.folder / "results" / "x.csv").exists()

    def test_report_needs_no_other_service(self, stack: Stack) -> None:
        alone = Stack(stack.folder, f"{stack.name}-alone", stack.settings)
        image = docker("image", "inspect", f"{stack.name}-orchestrator", "--format", "{{.Id}}").strip()
        docker("tag", image, f"{alone.name}-orchestrator")
        try:
            done = alone.run(
                "run", "--rm", "report", f"results/{results(stack)[0].name}", "--format", "markdown"
            )
            assert (done.returncode, "grayscale" in done.stdout) == (0, True), done.stderr
            assert alone.containers() == []
        finally:
            docker("image", "rm", f"{alone.name}-orchestrator")

    def test_workers_have_the_limits_of_the_settings(self, stack: Stack) -> None:
        limits = {container["HostConfig"]["Memory"] for container in stack.containers("worker")}
        redis = docker("inspect", stack.containers("redis")[0]["Id"], "--format", "{{.Config.Cmd}}")
        assert (limits, "--maxmemory 1gb" in redis) == ({2 << 30}, True)

    def test_no_container_has_more_rights_than_it_needs(self, stack: Stack) -> None:
        for container in stack.containers():
            service = container["Config"]["Labels"]["com.docker.compose.service"]
            host = container["HostConfig"]
            root = container["Config"]["User"] in ("", "0", "root", "0:0")
            assert root == (service == "setup"), service
            assert host["CapDrop"] == ["ALL"], service
            added = [capability.removeprefix("CAP_") for capability in host["CapAdd"] or []]
            assert added == (["CHOWN"] if service == "setup" else []), service
            assert host["ReadonlyRootfs"], service
            assert "no-new-privileges:true" in host["SecurityOpt"], service
            assert not host["Privileged"], service
            assert container["HostConfig"]["NetworkMode"] == "none" or service != "setup"

    def test_nothing_is_kept_in_volumes_without_a_name(self, stack: Stack) -> None:
        """They would outlive the containers that Compose makes anew."""
        names = {
            mount["Name"]
            for container in stack.containers()
            for mount in container["Mounts"]
            if mount["Type"] == "volume"
        }
        assert names == {
            f"{stack.name}_{volume}" for volume in ("secrets", "flower", "payloads", "pictures", "jobs")
        }

    def test_no_process_is_root(self, stack: Stack) -> None:
        users = {
            line.split()[0]
            for container in stack.containers()
            if container["State"]["Running"]
            for line in docker("top", container["Id"], "-o", "uid,pid,args").splitlines()[1:]
        }
        assert "0" not in users
        assert "root" not in users

    def test_redis_asks_for_its_password(self, stack: Stack) -> None:
        said = stack.compose("exec", "--no-TTY", "redis", "redis-cli", "info")
        assert "NOAUTH" in said


class TestCommands:
    def test_doctor_finds_everything(self, stack: Stack) -> None:
        done = stack.orchestrator("doctor")
        assert done.returncode == 0, done.stdout
        assert len(workers_of(done.stdout)) == 3
        assert "flower: up at" in done.stdout

    def test_scale_uses_as_many_slots_as_it_says(self, stack: Stack) -> None:
        options = (
            "--stage",
            "grayscale",
            "--strategy",
            "celery",
            "--images",
            "8",
            "--rounds",
            "2",
            "--json",
            "-",
        )
        done = stack.orchestrator("scale", "--slots", "1,3", *options)
        assert done.returncode == 0, done.stderr
        assert {cell["slots"] for cell in json.loads(done.stdout)["cells"]} == {1, 3}

    def test_all_transports_and_stages_work_between_containers(self, stack: Stack) -> None:
        transports = ("--transport", "redis", "--transport", "inline", "--transport", "files")
        data = ("--data", "local", "--data", "resident")
        pace = ("--images", "4", "--size", "64x48", "--latency-ms", "5", "--bandwidth-mbit", "50")
        strategies = ("--strategy", "celery", "--strategy", "serial")
        done = stack.orchestrator(
            "run", *strategies, *transports, *data, *pace, "--rounds", "1", "--json", "-"
        )
        assert done.returncode == 0, done.stderr
        cells = json.loads(done.stdout)["cells"]
        assert {cell["transport"] for cell in cells} == {None, "redis", "inline", "files"}
        assert {cell["stage"] for cell in cells} == {"download", "decode", "grayscale", "pipeline"}
        (serial,) = (
            cell
            for cell in cells
            if (cell["stage"], cell["kernel"], cell["strategy"]) == ("download", "session", "serial")
        )
        assert serial["samples"][0]["makespan_s"] > 4 * 0.005

    def test_an_embedded_fleet_works_in_a_container_too(self, stack: Stack) -> None:
        done = stack.orchestrator("doctor", "--broker", "embedded")
        assert (done.returncode, "embedded, never evicts" in done.stdout) == (0, True), done.stdout

    def test_a_folder_of_pictures_is_served_by_the_origin(self, stack: Stack) -> None:
        pictures = stack.folder / "pictures"
        pictures.mkdir(mode=0o755)
        for number in range(3):
            Image.new("RGB", (40 + number, 30), (number, 2, 3)).save(pictures / f"no. {number}.png")
        stack.compose("up", "--detach", "origin", PICTURES="./pictures")
        options = (
            "--source",
            "/pictures",
            "--stage",
            "pipeline",
            "--strategy",
            "celery",
            "--strategy",
            "serial",
        )
        result = json.loads(
            stack.orchestrator("run", *options, "--rounds", "1", "--json", "-", PICTURES="./pictures").stdout
        )
        assert [sample["tasks"] for cell in result["cells"] for sample in cell["samples"]] == [3] * len(
            result["cells"]
        )
        assert all(cell["verified"] for cell in result["cells"])


class TestScale:
    @pytest.mark.parametrize("number", [5, 1])
    def test_up_and_down_while_the_stack_is_up(self, stack: Stack, number: int) -> None:
        stack.compose("up", "--detach", "--no-recreate", "--scale", f"worker={number}", "worker")
        doctor = stack.orchestrator("doctor")
        assert (doctor.returncode, len(workers_of(doctor.stdout))) == (0, number), doctor.stdout
        result = stack.compared("--strategy", "celery", "--images", "40", "--chunk", "1")
        assert result["plan"]["slots"] == number
        assert len(result["environment"]["workers"]) == number

    def test_more_slots_than_there_are_is_said_before_anything_is_measured(self, stack: Stack) -> None:
        done = stack.orchestrator("scale", "--slots", "1,2")
        assert (done.returncode, "--slots 2 is more than the 1 slot of this fleet" in done.stderr) == (
            2,
            True,
        )

    def test_a_worker_under_a_quota_is_a_small_host(self, stack: Stack) -> None:
        stack.compose(
            "up", "--detach", "--scale", "worker=1", "worker", WORKER_CPUS="0.25", WORKER_CONCURRENCY="2"
        )
        (container,) = stack.containers("worker")
        quota = "from worker.cgroup import cpu_quota; print(cpu_quota())"
        seen = stack.compose("exec", "--no-TTY", "worker", "python", "-c", quota)
        doctor = stack.orchestrator("doctor").stdout
        assert (container["HostConfig"]["NanoCpus"], float(seen)) == (250_000_000, 0.25)
        assert "slots1-2@" in doctor
        assert "2 slots, 0.25 processors" in doctor
        done = stack.orchestrator("run", *SMALL, "--stage", "decode")
        assert done.returncode == 0, done.stderr
        said = " ".join(done.stdout.split())
        assert "and on 1 worker of 0.25 processors (2 slots)" in said
        assert "the sides are unlike: a worker's slot has 0.12 of a processor" in said
        stack.compose("up", "--detach", "--scale", "worker=2", "worker")


class TestLife:
    def test_sigterm_ends_a_worker_that_is_just_starting(self, stack: Stack) -> None:
        stack.compose("restart", "--no-deps", "--timeout", "100", "worker")
        stack.compose("stop", "--timeout", "100", "worker")
        assert {container["State"]["ExitCode"] for container in stack.containers("worker")} <= {0, 143}
        stack.compose("up", "--detach", "--no-recreate", "--scale", "worker=2", "worker")

    @pytest.mark.parametrize("service", ["redis", "origin", "worker", "flower", "orchestrator"])
    def test_a_run_works_after_a_restart_of(self, stack: Stack, service: str) -> None:
        stack.compose("restart", service)
        if service == "orchestrator":
            assert stack.ended(service) == 0
        result: dict[str, Any] = stack.compared("--strategy", "celery", "--strategy", "serial")
        assert all(cell["verified"] for cell in result["cells"])

    def test_flower_knows_after_a_restart_what_it_knew(self, stack: Stack) -> None:
        password = stack.compose("exec", "--no-TTY", "flower", "cat", "/flower/password")

        def tasks() -> set[str]:
            url = f"{stack.flower_url}/api/tasks?limit=10000"
            return set(requests.get(url, auth=("breakeven", password), timeout=10).json())

        before = tasks()
        stack.compose("restart", "flower")
        assert before
        assert before <= tasks()

    def test_a_password_of_ones_own_is_taken_and_a_bad_one_refused(self, stack: Stack) -> None:
        refused = stack.run("run", "--rm", "--no-deps", "setup", FLOWER_PASSWORD="a,b,c,d,e,f")  # noqa: S106 - refused
        assert (refused.returncode, "FLOWER_PASSWORD may have letters" in refused.stderr) == (2, True)
        stack.compose("up", "--detach", "--force-recreate", "flower", FLOWER_PASSWORD="my-own-password")  # noqa: S106 - made up
        url = f"{stack.flower_url}/workers"
        assert requests.get(url, auth=("breakeven", "my-own-password"), timeout=10).status_code == 200

    def test_down_leaves_nothing(self, stack: Stack) -> None:
        stack.compose("down", "--volumes")
        for what in ("container", "network", "volume"):
            every = ["--all"] if what == "container" else []
            left = docker(
                what, "ls", *every, "--quiet", "--filter", f"label=com.docker.compose.project={stack.name}"
            )
            assert left == "", what


class TestContinuousIntegration:
    """`up --detach` and `wait`, as a pipeline does it, in a project of its own."""

    @pytest.fixture
    def own(self, stack: Stack) -> Iterator[Stack]:
        own = Stack(stack.folder, f"{stack.name}-ci", {**stack.settings, "WORKERS": "2"})
        yield own
        own.remove()

    def test_wait_gives_the_exit_code_of_the_comparison(self, own: Stack) -> None:
        own.compose("up", "--detach", timeout_s=600)
        waited = own.run("wait", "orchestrator")
        assert waited.returncode == 0, own.compose("logs", "orchestrator")
        assert len(own.containers("worker")) == 2
        own.compose("up", "--detach")
        assert len(own.containers("worker")) == 2

    def test_wait_gives_the_exit_code_of_a_comparison_that_makes_no_sense(self, own: Stack) -> None:
        own.compose("up", "--detach", RUN_OPTIONS="--stage nonsense", timeout_s=600)
        assert own.run("wait", "orchestrator", RUN_OPTIONS="--stage nonsense").returncode == 2
