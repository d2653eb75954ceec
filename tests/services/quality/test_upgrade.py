"""A database of an older program: what it did not store yet is made when it is opened."""

import json
import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import select

from app.config import Settings
from app.db.models import Document, Generation, TermsRow, Version
from app.domain import Mode
from app.index.analysis import ANALYSIS, count_article_terms
from app.index.segments import pack_terms
from app.runtime.resources import open_resources
from app.services.articles.collections import create_collection
from ingest.sandbox import Sandbox
from tests.conftest import article
from tests.named import put_documents
from tests.services.knowledge import search, work

# What revisions 0019 to 0003 made, taken away again.
_BEFORE_TERMS = """
    ALTER TABLE collections DROP COLUMN erased_at;
    ALTER TABLE collections DROP COLUMN keeps_files;
    ALTER TABLE generations DROP COLUMN labels;
    DROP INDEX ix_jobs_created_at;
    DROP INDEX ix_versions_receipts;
    ALTER TABLE keys DROP COLUMN last_used_at;
    DROP TABLE reparses;
    DROP INDEX ix_documents_file_id;
    ALTER TABLE documents DROP COLUMN file_id;
    DROP TABLE golden_queries;
    DROP TABLE stores;
    DROP TABLE files;
    ALTER TABLE generations DROP COLUMN calibration;
    DROP INDEX ix_versions_unready;
    DROP TABLE adapters;
    ALTER TABLE generations DROP COLUMN tuning;
    ALTER TABLE generations DROP COLUMN vectors_of;
    DROP TABLE feedback;
    DROP TABLE query_log;
    DROP TABLE evaluations;
    ALTER TABLE generations DROP COLUMN state;
    ALTER TABLE generations DROP COLUMN source;
    ALTER TABLE generations DROP COLUMN replaced;
    ALTER TABLE generations DROP COLUMN gate;
    ALTER TABLE generations DROP COLUMN message;
    DROP TABLE terms;
    ALTER TABLE changes DROP COLUMN document_id;
    UPDATE alembic_version SET version_num = '0002';
"""


# No older program stored anything in PostgreSQL.
@pytest.mark.data_folder
def test_database_without_terms_gets_them_for_what_is_live(
    settings: Settings, sandbox: Sandbox
) -> None:
    with open_resources(settings) as resources:
        create_collection(resources.database, "help")
        put_documents(
            resources,
            "help",
            [article("tea", "Tea with milk."), article("err", "ERR_42.", title="Reset")],
        )
        work(resources, sandbox)
        put_documents(resources, "help", [article("tea", "Tea without.")])
        work(resources, sandbox)
        before = search(resources, "tea"), search(resources, "err 42", mode=Mode.LEXICAL)
    with closing(sqlite3.connect(settings.data / "folio.db")) as connection:
        connection.executescript(_BEFORE_TERMS)
    with open_resources(settings) as resources:
        with resources.database.read() as session:
            stored = {
                (document_id, number): (row.analysis, row.data, row.data_crc32)
                for document_id, number, row in session.execute(
                    select(Document.external_id, Version.number, TermsRow)
                    .join(Version, Version.id == TermsRow.version_id)
                    .join(Document, Document.id == Version.document_id)
                )
            }
            live = {
                (document_id, version.number): version.text
                for document_id, version in session.execute(
                    select(Document.external_id, Version)
                    .join(Version, Version.document_id == Document.id)
                    .where(Version.is_live)
                )
            }
            titles = {v.text: v.title for v in session.scalars(select(Version))}
        assert live == {("tea", 2): "Tea without.", ("err", 1): "ERR_42."}
        terms = {
            key: pack_terms(count_article_terms(titles[text], text or "", None))
            for key, text in live.items()
        }
        assert stored == {key: (ANALYSIS, made.data, made.crc32) for key, made in terms.items()}
        assert search(resources, "reset", mode=Mode.LEXICAL) == {"err": "ERR_42."}
        after = search(resources, "tea"), search(resources, "err 42", mode=Mode.LEXICAL)
        assert after == before
        # And the log of changes is followed from there.
        put_documents(resources, "help", [article("new", "Kettle.")])
        work(resources, sandbox)
        assert search(resources, "kettle", mode=Mode.LEXICAL) == {"new": "Kettle."}


# What takes the column away again is SQLite's.
@pytest.mark.data_folder
def test_labels_that_stood_among_what_scores_mean_are_kept_apart(
    settings: Settings, sandbox: Sandbox
) -> None:
    labels = {"1": [{"id": "q", "query": "Is there tea?", "relevant": {"tea": 1}}]}
    with open_resources(settings) as resources:
        create_collection(resources.database, "help")
        put_documents(resources, "help", [article("tea", "Tea with milk.")])
        work(resources, sandbox)
    for stored, measured in (
        (
            {"collections": {"1": {"rules": 0}}, "labels": labels},
            {"collections": {"1": {"rules": 0}}},
        ),
        ({"labels": labels}, None),
    ):
        with closing(sqlite3.connect(settings.data / "folio.db")) as connection, connection:
            connection.execute("ALTER TABLE collections DROP COLUMN erased_at")
            connection.execute("ALTER TABLE collections DROP COLUMN keeps_files")
            connection.execute("ALTER TABLE query_log DROP COLUMN calibrated")
            connection.execute("ALTER TABLE generations DROP COLUMN labels")
            connection.execute("UPDATE generations SET calibration = ?", [json.dumps(stored)])
            connection.execute("UPDATE alembic_version SET version_num = '0016'")
        with open_resources(settings) as resources, resources.database.read() as session:
            row = session.scalars(select(Generation)).one()
            assert row.labels == labels
            assert row.calibration == measured
