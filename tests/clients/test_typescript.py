"""The TypeScript client knows the operations of the interface; it is generated, and committed."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "clients" / "typescript"


def camel_case(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


@pytest.mark.parametrize("built", ["src/sdk.gen.ts", "dist/sdk.gen.js"])
def test_client_has_every_operation_of_its_topics(built: str) -> None:
    """`make docs`, then `npm run generate` in clients/typescript, write it anew."""
    config = (CLIENT / "openapi-ts.config.ts").read_text(encoding="utf-8")
    listed = re.search(r"include: \[(.*?)\]", config)
    assert listed
    topics = set(re.findall(r"'([a-z]+)'", listed[1]))
    document = json.loads((ROOT / "docs/reference/openapi.json").read_text(encoding="utf-8"))
    expected = {
        camel_case(operation["operationId"])
        for methods in document["paths"].values()
        for operation in methods.values()
        if topics.intersection(operation.get("tags", ()))
    }
    made = re.findall(
        r"^export const (\w+) =", (CLIENT / built).read_text(encoding="utf-8"), re.MULTILINE
    )
    assert set(made) == expected


@pytest.mark.parametrize("built", ["src/client.gen.ts", "dist/client.gen.js"])
def test_client_refuses_names_that_a_url_cannot_hold(built: str) -> None:
    """The document `..` would be its collection; generated anew, the client keeps the check."""
    code = (CLIENT / built).read_text(encoding="utf-8")
    assert "import { createClientConfig } from './paths.js';" in code
    assert "createClient(createClientConfig(" in code
