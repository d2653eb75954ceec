"""Errors that a caller can act on: each carries an HTTP status, a stable code and a sentence.

One handler (app.api.problems) turns them into `application/problem+json`; the command line prints
the same sentence. A message names the thing, the limit and the value met, and never holds a key,
document text or query text.
"""


class FolioError(Exception):
    """A failure with a cause that the caller can read and act on."""

    status = 500
    code = "internal_error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class InvalidRequest(FolioError):
    status, code = 422, "invalid_request"


class Unauthorized(FolioError):
    status, code = 401, "unauthorized"


class MissingKey(Unauthorized):
    """No key, or a header that holds none."""


class Forbidden(FolioError):
    status, code = 403, "forbidden"


class NotFound(FolioError):
    status, code = 404, "not_found"


class Conflict(FolioError):
    status, code = 409, "conflict"


class TooLarge(FolioError):
    status, code = 413, "too_large"


class UnsupportedMediaType(FolioError):
    status, code = 415, "unsupported_media_type"


class UnreadableDocument(FolioError):
    """A document that cannot become an article; `code` says why."""

    status, code = 422, "unreadable_document"


class TextTooLong(FolioError):
    status, code = 422, "text_too_long"

    def __init__(self, tokens: int, max_tokens: int, what: str = "the text") -> None:
        super().__init__(f"{what} has {tokens} tokens; the model reads at most {max_tokens}")
        self.tokens = tokens
        self.max_tokens = max_tokens


class QueueFull(FolioError):
    """As many documents wait as may; `retry_after_s` says when to ask again."""

    status, code = 429, "queue_full"

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class EngineBusy(QueueFull):
    """As many tokens wait for the model as may."""

    code = "engine_busy"


class OutOfTime(FolioError):
    """A request took longer than it may; its work has ended."""

    status, code = 504, "out_of_time"


class TrainingStopped(FolioError):
    """The process ends amid training; the next one begins anew."""

    status, code = 503, "training_stopped"


class WorkCancelled(FolioError):
    """Nobody waits any more for what this work would make."""

    status, code = 503, "cancelled"


class StorageFull(FolioError):
    status, code = 507, "storage_full"


class StorageFailed(FolioError):
    """The disk refuses to read or write; nothing of the transaction was kept."""

    status, code = 503, "storage_failed"


class DatabaseUnavailable(StorageFailed):
    """PostgreSQL does not answer now."""

    code = "database_unavailable"


class ModelUnavailable(FolioError):
    """The embedding model cannot be used now; stored documents stay readable."""

    status, code = 503, "model_unavailable"


class ModelAway(ModelUnavailable):
    """The service that runs the model does not answer now; it may again."""

    code = "model_away"


class UnsupportedCheckpoint(ModelUnavailable):
    code = "unsupported_checkpoint"


class StaleVectors(ModelUnavailable):
    """The stored vectors were made by another model than the one configured."""

    code = "stale_vectors"


class ParserUnavailable(FolioError):
    """The process that parses documents does not start; they wait."""

    status, code = 503, "parser_unavailable"


class DataFolderHeld(FolioError):
    """Another process owns the data folder."""

    status, code = 409, "data_folder_held"


class CorruptData(FolioError):
    """What is stored does not match its checksum, or is not a database any more.

    `version_id` is the version that it belongs to, where one is known.
    """

    status, code = 503, "corrupt_data"

    def __init__(self, message: str, *, version_id: int | None = None) -> None:
        super().__init__(message)
        self.version_id = version_id


PASSING = (StorageFull, StorageFailed, ModelAway, EngineBusy, WorkCancelled)
"""What ends work that says nothing of what is worked on: it is gone on with later."""
