"""Nothing is cut silently: words deep in long documents are found, in every format."""

from pathlib import Path

import pytest

from app.domain import Mode
from app.services.articles.documents import Upload
from ingest.sandbox import Sandbox
from tests.conftest import article
from tests.ingest.sentinels import FORMATS, PLACES, write_lines
from tests.named import get_document, put_documents, search_documents
from tests.services.knowledge import open_with, work


@pytest.mark.parametrize("name", FORMATS)
def test_sentinels_at_all_depths_of_a_long_document_are_found(
    name: str, tmp_path: Path, jina_v3: Path, sandbox: Sandbox
) -> None:
    others = [article(f"other-{n}", f"The password of cellar zq{n} is honey.") for n in range(20)]
    # Passages of several lines: a token of this model is hardly more than a letter.
    with open_with(tmp_path, jina_v3, passage_tokens=256) as resources:
        data, media_type = FORMATS[name](write_lines(resources.generations.live().engine()))
        put_documents(resources, "help", [Upload("long", data, media_type), *others])
        assert work(resources, sandbox) is None
        receipt = get_document(resources, "help", "long").receipt
        assert receipt is not None
        assert receipt["tokens_counted"] == receipt["tokens_embedded"] > PLACES[-1]
        assert receipt["units"] >= 4
        for place in PLACES:
            (hit,) = search_documents(
                resources, "help", f"password of cellar zq{place}", limit=1, mode=Mode.LEXICAL
            ).results
            assert hit.document_id == "long"
            assert f"zq{place}" in hit.passages[0].text
