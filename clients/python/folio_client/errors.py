"""What went wrong, in the server's own words."""

import httpx


class FolioError(Exception):
    """An answer that is not a success, or none at all (`status` 0, `code` "unreachable").

    Of one that is not Folio's, such as a proxy's page, the `code` is "unexpected_answer".
    """

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{detail} ({code})")
        self.status = status
        self.code = code
        self.detail = detail

    @classmethod
    def of(cls, response: httpx.Response) -> "FolioError":
        """Return the error that a response tells of."""
        try:
            problem = response.json()
            return cls(response.status_code, str(problem["code"]), str(problem["detail"]))
        except (ValueError, KeyError, TypeError):
            return cls(response.status_code, "unexpected_answer", response.reason_phrase)
