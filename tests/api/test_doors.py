"""One article, whichever door it came through: found by every other one, and gone everywhere."""

from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from app.api.mcp.library import Asked
from app.commands.client import connect
from app.commands.remote_library import RemoteLibrary
from app.config import Settings
from app.db.models import File, Original, utc_now
from app.services.access.principal import EVERYONE
from app.services.articles.files import NewFile, create_file
from tests.api.service import Collection, Json, Service, open_service, poll
from tests.api.test_mcp import call_tool

TEXT = "The zephyrine kettle is descaled with citric acid once a month."
QUERY = "zephyrine kettle"


def put_json(collection: Collection) -> str:
    collection.add({"id": "kettle.txt", "text": TEXT})
    return "kettle.txt"


def put_bytes(collection: Collection) -> str:
    collection.finish(collection.put_file("kettle.txt", TEXT.encode(), "text/plain"))
    return "kettle.txt"


def post_form(collection: Collection) -> str:
    files = {"files": ("kettle.txt", TEXT.encode(), "text/plain")}
    collection.finish(collection.http.post(f"{collection.path}/documents", files=files))
    return "kettle.txt"


def put_into_store(collection: Collection) -> str:
    """OpenAI: a file, then the file into the store."""
    file = collection.http.post(
        "/v1/files",
        files={"file": ("kettle.txt", TEXT.encode(), "text/plain")},
        data={"purpose": "assistants"},
    ).json()
    path = f"/v1/vector_stores/{collection.name}/files"
    collection.http.post(path, json={"file_id": file["id"]}).raise_for_status()
    poll(
        lambda: collection.http.get(f"{path}/{file['id']}").json()["status"],
        lambda status: status == "completed",
    )
    return str(collection.page()["documents"][0]["id"])


UPLOADS = (put_json, put_bytes, post_form, put_into_store)


def ask(collection: Collection, path: str, **body: object) -> Any:
    answer = collection.http.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def search_native(collection: Collection) -> list[str]:
    return [hit["passages"][0]["text"] for hit in collection.search(QUERY)["results"]]


def read_context(collection: Collection) -> list[str]:
    found = ask(collection, f"{collection.path}/context", query=QUERY, max_tokens=500)
    return [block["text"] for block in found["blocks"]]


def search_store(collection: Collection) -> list[str]:
    found = ask(collection, f"/v1/vector_stores/{collection.name}/search", query=QUERY)
    return [hit["content"][0]["text"] for hit in found["data"]]


def search_dify(collection: Collection) -> list[str]:
    found = ask(collection, "/v1/dify/retrieval", knowledge_id=collection.name, query=QUERY)
    return [record["content"] for record in found["records"]]


def search_open_webui(collection: Collection) -> list[str]:
    found = ask(collection, f"/v1/openwebui/{collection.name}/search", query=QUERY)
    return [result["snippet"] for result in found]


def retrieve_for_tool(collection: Collection) -> list[str]:
    path = f"/v1/openwebui/{collection.name}/retrieve"
    found = ask(collection, path, query=QUERY, max_tokens=500)
    return [source["text"] for source in found["sources"]]


def retrieve_by_mcp(collection: Collection) -> list[str]:
    answer = call_tool(collection.http, "retrieve", query=QUERY, collection=collection.name)
    return [block["text"] for block in answer["blocks"]]


def retrieve_by_command(collection: Collection) -> list[str]:
    """`folio mcp` over a server."""
    server = str(collection.http.base_url)
    with connect(Settings(), server=server, key=None, command="folio mcp") as client:
        asked = Asked(QUERY, [collection.name])
        blocks = RemoteLibrary(client).retrieve(asked, max_tokens=500).blocks
    return [block.text for block in blocks]


# What a model or a reader is shown as it is, without the fields beside it.
QUOTES = (
    search_store,
    search_dify,
    search_open_webui,
    retrieve_for_tool,
    retrieve_by_mcp,
    retrieve_by_command,
)
SEARCHES = (search_native, read_context, *QUOTES)


def delete_native(collection: Collection, document_id: str) -> None:
    collection.http.delete(collection.document_path(document_id)).raise_for_status()


def delete_file(collection: Collection, document_id: str) -> None:
    file_id = collection.http.get(f"/v1/vector_stores/{collection.name}/files").json()["data"][0][
        "id"
    ]
    collection.http.delete(f"/v1/files/{file_id}").raise_for_status()


def take_out_of_store(collection: Collection, document_id: str) -> None:
    path = f"/v1/vector_stores/{collection.name}/files"
    file_id = collection.http.get(path).json()["data"][0]["id"]
    collection.http.delete(f"{path}/{file_id}").raise_for_status()


DELETIONS = (delete_native, delete_file, take_out_of_store)


@pytest.mark.parametrize("delete", DELETIONS, ids=lambda one: one.__name__)
@pytest.mark.parametrize("upload", UPLOADS, ids=lambda one: one.__name__)
def test_article_is_one_document_behind_every_door(
    collection: Collection,
    upload: Callable[[Collection], str],
    delete: Callable[[Collection, str], None],
) -> None:
    document_id = upload(collection)
    assert [document["id"] for document in collection.page()["documents"]] == [document_id]
    for search in SEARCHES:
        found = search(collection)
        assert found, search.__name__
        assert "zephyrine" in found[0], search.__name__
    delete(collection, document_id)
    assert collection.page()["documents"] == []
    for search in SEARCHES:
        assert search(collection) == [], search.__name__
    stored: Json = collection.http.get(f"/v1/vector_stores/{collection.name}/files").json()
    assert stored["data"] == []


def test_rows_are_quoted_under_the_head_of_their_table_through_every_door(
    collection: Collection,
) -> None:
    head = "| Device | Descaled every |\n|---|---|\n"
    rows = "".join(f"| device {number} | {number} weeks |\n" for number in range(100))
    collection.add({"id": "table", "markdown": f"{head}{rows}| {QUERY} | 4711 weeks |"})
    for search in QUOTES:
        row = next(text for text in search(collection) if "4711" in text)
        assert head in row, search.__name__
        assert "device 1 " not in row, search.__name__


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_what_a_client_deletes_while_it_lists_it_is_listed_to_the_end(
    tmp_path: Path, jina_v3: Path, order: str
) -> None:
    settings = Settings(data=tmp_path / "data", model=str(jina_v3))
    with open_service(settings, works=False) as service:

        def delete_all(path: str) -> int:
            """As OpenAI's clients do, which ask for what follows the last one."""
            seen: list[str] = []
            parameters: Json = {"limit": 2, "order": order}
            while True:
                answer = service.http.get(path, params=parameters)
                assert answer.status_code == 200, answer.text
                page = answer.json()
                for one in page["data"]:
                    seen.append(one["id"])
                    assert service.http.delete(f"{path}/{one['id']}").json()["deleted"]
                if not page["has_more"]:
                    return len(set(seen))
                parameters["after"] = page["last_id"]

        for number in range(5):
            service.new_collection(f"store-{number}")
        path = "/v1/vector_stores/store-0/files"
        for number in range(5):
            file = {"file": (f"{number}.txt", b"Tea.", "text/plain")}
            made = service.http.post("/v1/files", files=file, data={"purpose": "assistants"})
            service.http.post(path, json={"file_id": made.json()["id"]}).raise_for_status()
        assert [delete_all(one) for one in (path, "/v1/files", "/v1/vector_stores")] == [5, 5, 5]
        for one in ("/v1/files", "/v1/vector_stores"):
            assert service.http.get(one, params={"after": "none"}).status_code == 404


def test_file_that_expires_is_erased_with_its_documents(
    service: Service, collection: Collection
) -> None:
    data = b"What is over tomorrow."
    tomorrow = utc_now() + timedelta(days=1)
    new = NewFile("kettle.txt", "assistants", "text/plain", data, tomorrow)
    file = create_file(service.resources, EVERYONE, new)
    path = f"/v1/vector_stores/{collection.name}/files"
    collection.http.post(path, json={"file_id": file.id}).raise_for_status()
    assert len(collection.page()["documents"]) == 1
    with service.resources.database.write() as session:
        session.execute(
            update(File).where(File.expires_at == tomorrow).values(expires_at=utc_now())
        )

    def read() -> list[Json]:
        # As the clock of the background thread does, sooner.
        service.resources.signals.notes_arrived.set()
        return list(collection.page()["documents"])

    assert poll(read, lambda documents: not documents) == []
    with service.resources.database.read() as session:
        digest = sha256(data).hexdigest()
        assert session.get(Original, digest) is None
