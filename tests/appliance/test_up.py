"""`manage.py up` as a newcomer meets it: reaches ready, restarts what dies, stops cleanly, recovers, refuses clearly."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests import cluster
from tests.conftest import free_port

CLEAN = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "CLOISON_GUARD_KEY", "CLOISON_DATA_DIR", "DJANGO_SETTINGS_MODULE")


def environment() -> dict[str, str]:
    """Nothing of the suite's own servers: the appliance makes its own."""
    return {name: value for name, value in os.environ.items() if name not in CLEAN}


class Appliance:
    """A running `manage.py up`, with what it printed."""

    def __init__(self, data: Path, port: int, *options: str) -> None:
        self.data, self.port = data, port
        self.output = data.parent / f"{data.name}.out"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(cluster.ROOT / "manage.py"), "up", "--data-dir", str(data), "--port", str(port), *options],
                stdout=output,
                stderr=output,
                env=environment(),
                start_new_session=True,
            )

    @property
    def printed(self) -> str:
        return self.output.read_text()

    def wait_ready(self, seconds: float = 90) -> Appliance:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if re.search(r"^ready$", self.printed, re.MULTILINE):
                return self
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise AssertionError(f"not ready:\n{self.printed}")

    def children(self) -> dict[str, psutil.Process]:
        """Its processes by what they are."""
        found: dict[str, psutil.Process] = {}
        for child in psutil.Process(self.process.pid).children():
            line = " ".join(child.cmdline())
            for name in ("serve", "worker", "beat", "redis-server", "bin/postgres"):
                if f"manage.py {name}" in line or (name in line and "manage.py" not in line):
                    found[name.removeprefix("bin/")] = child
        return found

    def stop(self) -> float:
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        return time.monotonic() - begun


def opened(folder: Path) -> Path:
    """A folder that the servers' own user may pass through."""
    for each in (folder, *folder.parents):
        if each.owner() == Path("~").expanduser().owner() and str(each).startswith("/tmp/pytest"):
            each.chmod(0o755)
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return opened(tmp_path) / "var"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Appliance]:
    """One that several tests look at. Its environment holds a password that is not the web's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_BACKUP_PASSWORD", "for-nobody-who-serves")
        appliance = Appliance(opened(tmp_path_factory.mktemp("running")) / "var", free_port(), "--no-demo")
    try:
        yield appliance.wait_ready()
    finally:
        appliance.stop()


def live(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def wait_live(port: int, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not live(port):
        assert time.monotonic() < deadline, "the web process did not come back"
        time.sleep(0.1)


def test_up_reaches_ready_restarts_the_dead_and_stops_cleanly(data: Path) -> None:
    appliance = Appliance(data, free_port(), "--no-demo").wait_ready()
    try:
        assert live(appliance.port)
        children = appliance.children()
        assert set(children) == {"serve", "worker", "beat", "redis-server", "postgres"}
        for name in ("secrets.json", "provision.json"):
            assert (data / name).stat().st_mode & 0o777 == 0o600
        for path in Path(re.findall(r"host=(\S+?)&", (data / "secrets.json").read_text())[0]).glob("*"):
            assert path.stat().st_mode & 0o077 == 0 or path.suffix == ".lock"

        children["serve"].kill()
        children["worker"].kill()
        time.sleep(0.5)
        wait_live(appliance.port)
        assert {"serve", "worker"} <= set(appliance.children())
        assert appliance.children()["serve"].pid != children["serve"].pid
        told = httpx.get(f"http://127.0.0.1:{appliance.port}/metrics", headers={"Host": "localhost"}, timeout=5).text
        assert "http_requests_total{" in told
        assert "rate_limiter_degraded 0.0" in told  # The killed process' gauge does not count on.
        everything = [*psutil.Process(appliance.process.pid).children(recursive=True)]
    finally:
        seconds = appliance.stop()

    assert seconds < 10.5
    assert "stopped" in appliance.printed
    assert not [child for child in everything if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


def test_it_recovers_after_the_whole_group_was_killed(data: Path) -> None:
    first = Appliance(data, free_port(), "--no-demo").wait_ready()
    everything = [psutil.Process(first.process.pid), *psutil.Process(first.process.pid).children(recursive=True)]
    for process in everything:
        with contextlib.suppress(psutil.NoSuchProcess):  # One whose parent went first may have followed by itself.
            process.kill()
    first.process.wait(10)

    begun = time.monotonic()
    second = Appliance(data, free_port(), "--no-demo").wait_ready()
    try:
        assert live(second.port)
        print(f"second start after kill -9: {time.monotonic() - begun:.1f} s")
    finally:
        second.stop()


def test_a_second_copy_on_the_same_data_is_refused_and_another_is_undisturbed(running: Appliance, data: Path) -> None:
    other = Appliance(data, free_port(), "--no-demo").wait_ready()
    try:
        again = Appliance(running.data, free_port(), "--no-demo")
        assert again.process.wait(30) != 0
        assert "Another `manage.py up` already runs" in again.printed
        assert live(running.port)
        assert live(other.port)
        secrets = [(folder / "secrets.json").read_text() for folder in (running.data, data)]
        assert secrets[0] != secrets[1]
    finally:
        other.stop()


def test_a_port_in_use_says_what_to_do(data: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        appliance = Appliance(data, taken.getsockname()[1], "--no-demo")

        assert appliance.process.wait(30) != 0

    assert "cannot be used" in appliance.printed
    assert "--port" in appliance.printed
    assert "Traceback" not in appliance.printed
    assert not data.exists() or not list(data.glob("servers"))


def test_a_folder_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    appliance = Appliance(blocked, free_port(), "--no-demo")

    assert appliance.process.wait(30) != 0
    assert "cannot be written" in appliance.printed
    assert "--data-dir" in appliance.printed
    assert "Traceback" not in appliance.printed


def seed_operator(data: Path) -> None:
    subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; sys.path[:0] = ['.', 'platform']\nimport django; django.setup()\n"
            "from accounts.demo import seed_operator\n"
            "seed_operator(email='operator@cloison.test', password='correct-horse-battery')",
        ],
        env={**environment(), "DJANGO_SETTINGS_MODULE": "config.settings.local", "CLOISON_DATA_DIR": str(data)},
        cwd=cluster.ROOT,
        check=True,
    )


def test_an_organisation_asked_for_in_the_console_answers_soon(running: Appliance) -> None:
    seed_operator(running.data)
    with httpx.Client(base_url=f"http://127.0.0.1:{running.port}", headers={"Host": "localhost"}, timeout=20) as client:

        def post(path: str, **fields: str) -> httpx.Response:
            client.get(path)
            return client.post(path, data={**fields, "csrfmiddlewaretoken": client.cookies["csrftoken"]})

        post("/admin/login/", username="operator@cloison.test", password="correct-horse-battery", next="/admin/")
        begun = time.monotonic()
        asked = post(
            "/admin/tenants/tenantjob/add/",
            name="Initech",
            domain="initech.localhost",
            admin_email="boss@initech.test",
            language="en",
            colour="#224466",
            colour_ink="#ffffff",
        )
        assert asked.status_code == 302, asked.text
        seen: dict[str, float] = {}
        while "data-more" in (page := client.get(f"{asked.headers['location']}?part").text):
            for step in re.findall(r'aria-current="step">([^<]+)<', page):
                seen.setdefault(step, round(time.monotonic() - begun, 1))
            assert time.monotonic() - begun < 30, page
            time.sleep(0.05)
        print(f"ready after {time.monotonic() - begun:.1f} s; steps seen at {seen}")
        assert "http://initech.localhost" in page
        assert client.get("/login/", headers={"Host": "initech.localhost"}).status_code == 200
    # The web process never holds what the job was done with, even where it came by environment.
    migrator = json.loads((running.data / "provision.json").read_text())["DATABASE_MIGRATOR_PASSWORD"]
    web = running.children()["serve"]
    assert migrator not in str(web.environ())
    assert "DATABASE_BACKUP_PASSWORD" not in web.environ()
