"""How the indexes follow the log of changes."""

from sqlalchemy.orm import Session

from app.runtime.index_follower import Indexes
from app.runtime.resources import Resources
from tests.conftest import Ingest, article


def test_a_transaction_of_before_takes_no_index_back(resources: Resources, ingest: Ingest) -> None:
    ingest(article("a", "Tea."))
    live = resources.generations.live()
    live.catch_up()

    def follow(session: Session) -> tuple[Indexes, object]:
        row = live.find_row(session)
        assert row is not None
        indexes, state, _ = live.follower.follow(session, row)
        return indexes, state

    with resources.database.read() as early:
        _, before = follow(early)
        ingest(article("b", "Coffee."))
        with resources.database.read() as late:
            indexes, after = follow(late)
        assert len(indexes.terms) == 2
        # What it looks up is neither of the one state nor of the other.
        assert (follow(early)[1], before is after) == (None, False)
    with resources.database.read() as session:
        # Nothing is read again.
        assert follow(session)[1] is after
