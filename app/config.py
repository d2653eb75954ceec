"""Settings: read once, frozen, passed as an argument."""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from platformdirs import user_data_path
from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

BUNDLED_MODEL = "bundled"
"""The setting that stands for the default of the models which come with the installation."""
BUNDLED_NAME = "folio-mini"


def _check_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_whole = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        is_whole = False
    if url and (not is_whole or url.split() != [url]):
        # What was given may hold a password.
        raise ValueError("a URL such as https://api.jina.ai/v1 is needed")
    return url


class Settings(BaseSettings):
    """Everything an operator can set; each field is also the variable `FOLIO_<FIELD>`.

    The environment is read when an instance is made, never at import. Arguments win over the
    environment.
    """

    model_config = SettingsConfigDict(
        env_prefix="FOLIO_",
        env_ignore_empty=True,
        frozen=True,
        # Neither a thread nor the kernel waits for ever.
        allow_inf_nan=False,
        protected_namespaces=(),
        use_attribute_docstrings=True,
    )

    data: Path = Field(default_factory=lambda: user_data_path("folio"))
    """Folder of the database and its lock; one process owns it."""
    database_url: SecretStr | None = None
    """`postgresql+psycopg://user@host/name`: a database to share, used in place of `data`."""
    max_database_connections: int = Field(default=56, ge=8)
    """Connections that this process opens to it; by default as many as it has threads."""
    model: str = BUNDLED_MODEL
    """`bundled` (`folio-mini`, English), `multilingual-e5-small` (100 languages, comes with Folio
    too), a local folder, or a Hugging Face id (which needs `model_revision`)."""
    model_revision: str = ""
    """Commit of a Hugging Face checkpoint: 40 hexadecimal digits."""
    model_url: Annotated[str, AfterValidator(_check_url)] = ""
    """Base URL of a service that embeds, such as `https://api.jina.ai/v1`; `model` is its name."""
    model_api: Literal["openai", "jina", "folio"] = "openai"
    """Which contract that service speaks: Jina's has tasks and late chunking; `folio` is
    `folio embed-server`, which needs neither tokenizer nor window here."""
    model_key_file: Path | None = None
    """File with the key for that service; `folio embed-server` answers whoever has it."""
    model_tokenizer: Path | None = None
    """The tokenizer of that model: a tokenizer.json or the folder that holds it."""
    model_max_tokens: int | None = Field(default=None, ge=16)
    """Window of that model."""
    model_tokens_per_minute: int | None = Field(default=None, ge=1)
    """What that service allows; unset: any number."""
    model_seconds: float = Field(default=60.0, gt=0)
    """How long one request to that service may take."""
    model_prefixes: str = ""
    """Providers that clients put before the model's name, as in `openai,jina`: `openai/NAME`."""
    model_aliases: str = "text-embedding-3-small,text-embedding-3-large,text-embedding-ada-002"
    """Names that mean the served model too, for clients that ask for another one by default."""
    dimensions: int | None = Field(default=None, ge=1)
    """Cut Matryoshka vectors to this many dimensions; unset: all are kept."""
    device: str = "auto"
    """`auto`, `cpu` or a torch device such as `cuda:0`."""
    runtime: Literal["auto", "torch", "openvino"] = "auto"
    """`openvino` reads questions with OpenVINO; `auto` does where it is installed, on an x86."""
    rerank_model: Path | None = None
    """Folder of a cross-encoder that reranks; unset: `model` does, by late interaction."""
    rerank_seconds: float = Field(default=2.0, gt=0)
    """Time in which a cross-encoder may begin to read passages for one search."""
    unknown_text: Literal["warn", "fail"] = "warn"
    """What becomes of an article most of whose tokens the model does not know: it is found by its
    words alone and its receipt says so, or it fails as `unknown_text`."""
    tokenizers: Path | None = None
    """Folder of tokenizers, `NAME.json` each, that a context may be counted with."""
    batch_tokens: int = Field(default=1024, ge=64)
    """Tokens in one forward pass; a longer single unit runs alone."""
    prompts: bool = True
    """Whether the prompts that the checkpoint declares for a task precede its texts."""
    dtype: Literal["auto", "float32", "bfloat16", "int8"] = "auto"
    """What the model computes in; `auto` takes bfloat16 where this machine is faster with it.
    `int8` is the fastest on processors with VNNI, and no longer exact in the third decimal."""
    merge_bytes: int = Field(default=2 * 2**30, ge=0)
    """Memory for copies of the weights with an adapter merged in, which save a few percent."""
    max_waiting_tokens: int = Field(default=262_144, ge=1)
    """Tokens that may wait in a lane of the model; calls of `/v1/embeddings` beyond get 429."""
    typo_tolerance: bool = True
    """Whether a word that no article holds also finds words that are one letter away."""
    passage_tokens: int = Field(default=160, ge=16)
    """Upper length of a passage, in tokens of the model."""
    admin_key_file: Path | None = None
    """File with the first admin key."""
    backup_key_file: Path | None = None
    """File with a secret that signs backups; a restore takes only what it signed then."""
    backup_folder: Path | None = None
    """Folder of the backups that are made over REST and at /admin; unset: `backups` in `data`."""
    max_body_bytes: int = Field(default=64 * 2**20, ge=1024)
    """Largest request body: an upload or a JSON batch."""
    max_golden_body_bytes: int = Field(default=16 * 2**20, ge=1024)
    """Largest body that holds a golden set."""
    max_small_body_bytes: int = Field(default=2**20, ge=1024)
    """Largest body that holds neither an article nor a golden set."""
    max_body_parts: int = Field(default=200_000, ge=100)
    """Names of fields, lists and objects in a JSON body: each costs 300 bytes and a microsecond."""
    max_small_body_parts: int = Field(default=20_000, ge=100)
    """The same for bodies that hold neither an article nor a golden set."""
    max_body_values: int = Field(default=1_000_000, ge=100)
    """Values in the lists and objects of a JSON body, numbers for the most part."""
    max_files_per_upload: int = Field(default=1000, ge=1)
    """Files of a multipart form, and articles in an archive."""
    max_query_bytes: int = Field(default=32 * 2**10, ge=64)
    """Longest question."""
    max_rerank_tokens: int = Field(default=32_768, ge=1)
    """Tokens of the texts that one request has reranked."""
    mcp_hosts: str = ""
    """Host names by which `/mcp`, and a server without keys, may be reached beside this machine's
    own; `*`: by any."""
    cors_origins: str = ""
    """Origins of pages that may call the service from a browser: `https://chat.example.com`; `*`:
    all of them."""
    fetch_networks: str = ""
    """Networks from which pages are imported beside the public internet: `10.0.0.0/8,::1`."""
    fetch_seconds: float = Field(default=30.0, gt=0)
    """Time in which a page that is imported is fetched, with its redirects."""
    max_redirects: int = Field(default=5, ge=0)
    """Redirects from the address of a page that is imported to the page."""
    max_sitemaps: int = Field(default=50, ge=1)
    """Sitemaps that are read where one lists others, itself included."""
    imports: bool = True
    """Whether the server fetches web pages for keys that may write (`POST …/imports`)."""
    sync_folder: Path | None = None
    """Folder that a running server mirrors into `sync_collection`, as `folio sync` does."""
    sync_collection: str = "default"
    """The collection that is to hold that folder and nothing else."""
    sync_minutes: float = Field(default=15.0, gt=0)
    """Pause between two such syncs; the first one comes at the start."""
    parsers: int = Field(default=3, ge=1)
    """Documents that are parsed at a time, each in a process of its own; of several, one is always
    left for small documents of other collections."""
    parse_seconds: float = Field(default=60.0, gt=0)
    """Wall-clock limit for parsing one document."""
    parse_small_seconds: float = Field(default=5.0, gt=0)
    """Processor time for parsing a small document; each MiB adds `parse_seconds_per_mib`."""
    parse_seconds_per_mib: float = Field(default=30.0, ge=0)
    """Processor time that each MiB of a document adds, up to `parse_seconds` in all."""
    ocr_seconds: float = Field(default=300.0, ge=0)
    """Time for reading the scanned pages of one document by OCR, where tesseract is installed; the
    pages after it stay unread, as a warning says. 0 for no OCR."""
    ocr_languages: str = Field(default="", pattern=r"^(\w+(\+\w+)*)?$")
    """Languages of scans by tesseract's names, as in `deu+eng`; empty for all that it has."""
    parse_memory_bytes: int = Field(default=2 * 2**30, ge=256 * 2**20)
    """Address space of the parsing process."""
    parse_answer_bytes: int = Field(default=256 * 2**20, ge=2**20)
    """What it may give for one document, as JSON."""
    parse_small_bytes: int = Field(default=2**20, ge=0)
    """The largest document that the last free parser takes."""
    max_connections: int = Field(default=1024, ge=8)
    """Connections at a time; more are answered with 503."""
    head_seconds: float = Field(default=15.0, gt=0)
    """Time for the head of a request; the connection is closed then."""
    body_pause_seconds: float = Field(default=30.0, gt=0)
    """Time between two bytes of a body; the connection is closed then."""
    max_requests_per_key: int = Field(default=8, ge=1)
    """Requests of one key that are answered at a time; others of it wait their turn."""
    max_waiting_per_key: int = Field(default=256, ge=0)
    """Requests of one key that may wait; more are refused with 429."""
    max_model_calls_per_key: int = Field(default=2, ge=1)
    """Calls of one key that embed, rerank, preflight or import at a time, beside its others."""
    max_model_calls: int = Field(default=16, ge=1)
    """The same of all keys together: each keeps a thread of the forty that answer requests."""
    max_strangers: int = Field(default=4, ge=1)
    """Requests without a valid key that are answered at a time, of all callers together."""
    stranger_seconds: float = Field(default=0.05, ge=0)
    """How long each of them keeps its place after its answer: 80 a second are answered so."""
    max_refusals_per_second: int = Field(default=50, ge=1)
    """Refusals (429) that one caller gets in a second without a wait; the next ones come up to two
    seconds late."""
    max_probes_per_second: int = Field(default=50, ge=1)
    """Answers of `/healthz`, `/readyz` and `/metrics`, and files of the pages, that one address
    gets in a second without a wait."""
    probe_seconds: float = Field(default=0.05, ge=0)
    """Pause between two looks of `/readyz`, or of `/metrics`: whoever asks meanwhile shares one."""
    max_streams_per_key: int = Field(default=256, ge=1)
    """Event streams of one key that are open at a time; more are refused with 429."""
    max_requests_per_minute: int | None = Field(default=None, ge=1)
    """Requests of one key in a minute; more are refused with 429. Unset: any number."""
    stop_seconds: float = Field(default=15.0, ge=0)
    """Time that work in progress has to end after SIGTERM; requests have 5 s more."""
    request_seconds: float = Field(default=60.0, gt=0)
    """Time in which a request is answered, its wait included; the work on it ends then with 504."""
    model_call_seconds: float = Field(default=600.0, gt=0)
    """The same for calls that embed, rerank, preflight or import."""
    metrics_need_key: bool = False
    """Whether `/metrics` asks for a key."""
    docs_need_key: bool = False
    """Whether `/openapi.json`, `/docs` and `/redoc` ask for a key."""
    session_hours: float = Field(default=12.0, gt=0)
    """How long a browser stays signed in to the pages."""
    max_queue: int = Field(default=10_000, ge=1)
    """Documents that may wait; while there are as many, uploads are refused with 429."""
    lease_seconds: float = Field(default=60.0, gt=0, lt=86_400)
    """How long a claim on a queued document holds without a sign of life."""
    retry_seconds: float = Field(default=5.0, ge=0, le=3600)
    """Wait before the second attempt at a document; before each later one it is four times as long,
    up to 12 hours."""
    max_attempts: int = Field(default=3, ge=1, le=100)
    """Attempts at a document that meets unexpected errors."""
    max_cut_offs: int = Field(default=6, ge=1)
    """Attempts at a document that the end of the process cut off, after which it fails: more than
    the others, as whoever kills a server again and again means no document."""
    keep_versions: int = Field(default=10, ge=1)
    """Versions of a document that are kept, the live one included; older ones are erased."""
    query_log_days: int = Field(default=0, ge=0, le=3650)
    """Keep questions and what they found for so many days; 0 keeps none and erases what is kept."""
    job_days: int = Field(default=30, ge=1, le=3650)
    """Keep jobs for so many days after their upload, and longer while a document of them waits;
    reports of reparses for so many days after their end."""

    @property
    def hosts(self) -> list[str]:
        """Return `mcp_hosts` one by one."""
        return [host.strip() for host in self.mcp_hosts.split(",") if host.strip()]

    @property
    def origins(self) -> list[str]:
        """Return `cors_origins` one by one, as browsers write them: without a slash at the end."""
        given = (origin.strip().rstrip("/") for origin in self.cors_origins.split(","))
        return [origin for origin in given if origin]
