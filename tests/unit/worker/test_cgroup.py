"""CPU limits of the group that a process is in, wherever in the tree they are set."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker.cgroup import cpu_quota, throttled_s

V2, V1 = "0::/slice/job\n", "4:memory:/elsewhere\n3:cpu,cpuacct:/slice/job\n0::/\n"


def written(folder: Path, files: dict[str, str], membership: str) -> tuple[Path, Path]:
    """Write these files of a mounted tree; return it with the file that says which group this process is in."""
    for name, text in files.items():
        path = folder / "mounted" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")
    (folder / "mounted").mkdir(exist_ok=True)
    (folder / "membership").write_text(membership)
    return folder / "mounted", folder / "membership"


@pytest.mark.parametrize(
    ("files", "membership", "quota"),
    [
        ({}, V2, None),
        ({"cpu.max": "max 100000\n"}, "", None),
        ({"cpu.max": "25000 100000\n"}, "0::/\n", 0.25),
        ({"cpu.max": "25000 100000\n"}, V2, 0.25),
        ({"slice/job/cpu.max": "50000 100000\n", "slice/cpu.max": "max 100000\n"}, V2, 0.5),
        ({"slice/job/cpu.max": "200000 100000\n", "slice/cpu.max": "50000 100000\n"}, V2, 0.5),
        ({"job/cpu.max": "50000 100000\n"}, V2, 0.5),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, V1, None),
        ({"cpu/cpu.cfs_quota_us": "150000\n", "cpu/cpu.cfs_period_us": "100000\n"}, "", 1.5),
        (
            {"cpu/slice/job/cpu.cfs_quota_us": "50000\n", "cpu/slice/job/cpu.cfs_period_us": "100000\n"},
            V1,
            0.5,
        ),
        ({"cpu.max": "nonsense"}, V2, None),
    ],
)
def test_the_tightest_limit_counts_in_either_version(
    tmp_path: Path, files: dict[str, str], membership: str, quota: float | None
) -> None:
    assert cpu_quota(*written(tmp_path, files, membership)) == quota


@pytest.mark.parametrize(
    ("files", "membership", "seconds"),
    [
        ({}, V2, None),
        ({"slice/job/cpu.stat": "nr_throttled 3\nthrottled_usec 1500000\n"}, V2, 1.5),
        (
            {"cpu/slice/job/cpu.stat": "throttled_time 2500000000\n", "cpu/cpu.stat": "throttled_time 0\n"},
            V1,
            2.5,
        ),
    ],
)
def test_throttling_is_counted_where_the_limit_is(
    tmp_path: Path, files: dict[str, str], membership: str, seconds: float | None
) -> None:
    assert throttled_s(*written(tmp_path, files, membership)) == seconds


def test_a_system_without_control_groups_has_no_limit(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path / "none", tmp_path / "none") is None
