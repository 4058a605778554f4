"""The house itself: names, folders and settings that must agree."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

from django.apps import apps
from django.conf import settings

from tests.cluster import ROOT


def test_the_standard_librarys_platform_is_not_hidden() -> None:
    assert not (ROOT / "platform" / "__init__.py").exists()
    assert Path(platform.__file__).parent != ROOT / "platform"
    assert platform.system()


def test_no_package_under_platform_hides_another() -> None:
    names = {path.name for path in (ROOT / "platform").iterdir() if path.is_dir() and path.name != "__pycache__"}

    assert not names & sys.stdlib_module_names


def test_the_folder_says_the_schema() -> None:
    for config in apps.get_app_configs():
        path = Path(config.path)
        if not path.is_relative_to(ROOT) or not list(config.get_models()):
            continue
        top = path.relative_to(ROOT).parts[0]
        if top == "tenants":
            assert config.name in settings.SHARED_APPS
            assert config.name not in settings.TENANT_APPS
        elif top in {"documents", "assistants"}:
            assert config.name in settings.TENANT_APPS
            assert config.name not in settings.SHARED_APPS


def test_the_web_process_loads_no_heavy_library_at_its_start() -> None:
    code = (
        "import sys; sys.path[:0] = ['.', 'platform']\n"
        "import django; django.setup()\n"
        "import config.server, config.asgi, assistants.conversations.host\n"
        "heavy = {'litellm', 'onnxruntime', 'onnx', 'unstructured', 'numpy', 'tokenizers', 'pandas', 'torch', 'spacy', 'openai'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_the_tables_in_the_docs_are_what_the_code_is() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "reference", "--check"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
