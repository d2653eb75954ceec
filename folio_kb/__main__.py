"""The program `folio`, in whatever folder and environment it is started."""

import sys
from pathlib import Path


def main() -> None:
    """Run the command line with the packages of this installation, and no others of their names."""
    here = Path(__file__).resolve().parent
    # In a checkout they are beside this folder. The parsing process gets the same path.
    sys.path.insert(0, str(here if (here / "app").is_dir() else here.parent))
    from app.runtime.memory import collect_seldom

    # Before what is imported next, which takes a tenth longer otherwise.
    collect_seldom()
    from app.cli import app

    app()


if __name__ == "__main__":
    main()
