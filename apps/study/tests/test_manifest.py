"""What a job says of the machine that it ran on."""

from __future__ import annotations

from pathlib import Path

import pytest
from study.folder.manifest import cpu_model, device_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (
            "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel\t\t: 17\nmodel name\t: AMD EPYC 9354\n",
            "AMD EPYC 9354",
        ),
        ("processor\t: 0\nBogoMIPS\t: 243.75\nCPU part\t: 0xd40\n", ""),  # an ARM
        ("model name\t: A\n\nmodel name\t: B\n", "A"),
        ("", ""),
    ],
)
def test_a_cpu_is_called_by_its_model(text: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    assert cpu_model(tmp_path / "cpuinfo") == name


def test_without_one_it_is_called_by_its_kind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cpu_model(tmp_path / "nowhere") == ""
    monkeypatch.setattr("study.folder.manifest.cpu_model", lambda: "")
    monkeypatch.setattr("platform.processor", lambda: "")
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    device_name.cache_clear()
    assert device_name("cpu") == "riscv64"
    device_name.cache_clear()
