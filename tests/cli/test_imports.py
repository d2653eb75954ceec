"""What a command does not use, it does not import: torch and transformers take seconds."""

import subprocess
import sys


def test_service_that_embeds_nothing_imports_no_torch() -> None:
    program = "import sys, app.main; print(sorted({'torch', 'transformers'} & set(sys.modules)))"
    loaded = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=120
    )
    assert loaded.stdout.strip() == "[]"
