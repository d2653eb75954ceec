"""What a command does not use, it does not import: torch, transformers and mcp take seconds."""

import subprocess
import sys


def test_service_that_embeds_nothing_imports_none_of_what_takes_seconds() -> None:
    slow = {"torch", "transformers", "scipy", "mcp"}
    program = f"import sys, app.main; print(sorted({slow} & set(sys.modules)))"
    loaded = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=120
    )
    assert loaded.stdout.strip() == "[]"
