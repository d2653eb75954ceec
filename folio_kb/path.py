"""Where the packages of this installation are found."""

import sys
from pathlib import Path


def put_first() -> None:
    """Import `app` and `ingest` of this installation, and no others of their names."""
    here = Path(__file__).resolve().parent
    # In a checkout they are beside this folder. The parsing process gets the same path.
    sys.path.insert(0, str(here if (here / "app").is_dir() else here.parent))


def import_packages() -> None:
    """Import them now, before somebody else's path comes first."""
    put_first()
    import app
    import ingest

    assert app.__file__
    assert ingest.__file__
