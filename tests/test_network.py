"""Nothing leaves the machine but what is configured. The live processes are watched all along (see `conftest.live`)."""

from __future__ import annotations

import subprocess
import sys

from tests import cluster


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=cluster.ROOT,
        env=cluster.environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_guard_itself_refuses_and_writes_down() -> None:
    done = run("import socket; socket.create_connection(('192.0.2.1', 9), 1)")

    assert "PermissionError" in done.stderr
    assert "192.0.2.1" in cluster.STRAY.read_text()
    cluster.STRAY.unlink()


def test_importing_everything_calls_nobody() -> None:
    done = run(
        "import django; django.setup()\n"
        "import importlib, pkgutil, pathlib\n"
        "for top in ('accounts', 'appliance', 'core', 'gateway', 'isolation', 'tenants', 'documents', 'assistants'):\n"
        "    package = importlib.import_module(top)\n"
        "    for found in pkgutil.walk_packages(package.__path__, top + '.'):\n"
        "        if not any(part in found.name for part in ('demo_files', 'migrations', 'sandbox', 'child')):\n"
        "            importlib.import_module(found.name)\n"
    )

    assert done.returncode == 0, done.stderr[-2000:]
    assert not cluster.STRAY.exists(), cluster.STRAY.read_text()


def test_libraries_that_report_home_are_told_not_to_before_they_load() -> None:
    done = run(
        "import os, sys; [os.environ.pop(name, None) for name in ('CI', 'ORT_DISABLE_TELEMETRY', 'DO_NOT_TRACK')]\n"
        "import django; django.setup()\n"
        "assert 'onnxruntime' not in sys.modules and 'unstructured' not in sys.modules\n"
        "print(os.environ['ORT_DISABLE_TELEMETRY'], os.environ['DO_NOT_TRACK'], os.environ['HF_HUB_OFFLINE'])"
    )

    assert done.stdout.split() == ["1", "1", "1"], done.stderr
