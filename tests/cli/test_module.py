"""`python -m app.cli` is `folio`: the benchmarks start it so."""

import subprocess
import sys


def test_module_is_the_command() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "app.cli", "--help"], capture_output=True, text=True, check=True
    )
    assert "doctor" in ran.stdout
