"""Words that an earlier version analysed by other rules."""

from sqlalchemy import select, update

from app.config import Settings
from app.db.models import TermsRow, Version
from app.domain import Mode
from app.runtime.reanalysis import reanalyse_some
from app.runtime.resources import open_resources
from app.services.articles.collections import create_collection
from ingest.sandbox import Sandbox
from tests.conftest import article
from tests.named import put_documents
from tests.services.knowledge import search, work

TEXTS = {
    "en": "The battery of the machine is charged in the night, and used in the day.",
    "de": "Die Garantien für alle Geräte gelten ab dem Tag der Lieferung für zwei Jahre.",
}


def test_words_are_analysed_anew_while_searches_are_answered(
    settings: Settings, sandbox: Sandbox
) -> None:
    with open_resources(settings) as resources:
        create_collection(resources.database, "help")
        put_documents(resources, "help", [article(key, text) for key, text in TEXTS.items()])
        work(resources, sandbox)
        with resources.database.write() as session:
            # As version 0.1 left them: other rules, and no language in the receipt.
            session.execute(update(TermsRow).values(analysis=1, data=b"", data_crc32=0))
            for version in session.scalars(select(Version)):
                receipt = version.receipt or {}
                version.receipt = {k: v for k, v in receipt.items() if k != "language"}
        # The index is read whole, as at the start of a process.
        resources.generations.live().follower.forget()
        assert search(resources, "garantie", mode=Mode.LEXICAL) == {}
        assert search(resources, "garantie", mode=Mode.DENSE).keys() == TEXTS.keys()
        assert reanalyse_some(resources.database, limit=1) == 1
        assert search(resources, "battery", mode=Mode.LEXICAL).keys() == {"en"}
        assert reanalyse_some(resources.database, limit=5) == 1
        assert search(resources, "garantie", mode=Mode.LEXICAL).keys() == {"de"}
        assert reanalyse_some(resources.database, limit=5) == 0
    with open_resources(settings) as resources:
        assert search(resources, "batteries", mode=Mode.LEXICAL).keys() == {"en"}
