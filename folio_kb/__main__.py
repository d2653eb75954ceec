"""The program `folio`, in whatever folder and environment it is started."""

from folio_kb.path import put_first


def main() -> None:
    """Run the command line with the packages of this installation, and no others of their names."""
    put_first()
    from app.runtime.memory import collect_seldom

    # Before what is imported next, which takes a tenth longer otherwise.
    collect_seldom()
    from app.cli import app

    app()


if __name__ == "__main__":
    main()
