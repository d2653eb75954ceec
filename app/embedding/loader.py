"""From settings to a model: which checkpoint is configured, and the engine that runs it."""

import re
from pathlib import Path

from app.config import BUNDLED_MODEL, BUNDLED_NAME, Settings
from app.embedding.checkpoint import Checkpoint, read_checkpoint
from app.embedding.engine import Engine
from app.embedding.remote import RemoteEngine, describe_remote
from app.embedding.served import ServedEngine, describe_served
from app.errors import FolioError, InvalidRequest, ModelUnavailable, UnsupportedCheckpoint

BUNDLED_MULTILINGUAL = "multilingual-e5-small"
BUNDLED = {
    BUNDLED_NAME: Path(__file__).parent / "mini",
    BUNDLED_MULTILINGUAL: Path(__file__).parent / "multilingual",
}
"""The models that come with Folio, by the name that FOLIO_MODEL gives: `README.md` in a folder says
what it is, train/README.md how it was made."""
BUNDLED_FOLDER = BUNDLED[BUNDLED_NAME]

_COMMIT = re.compile(r"[0-9a-f]{40}")


def open_checkpoint(settings: Settings) -> Checkpoint:
    """Find the configured checkpoint and read what it declares.

    Downloads only for a Hugging Face id whose files are not cached yet, and asks only an embedding
    server of Folio. Raises ModelUnavailable with the reason when there is no such checkpoint or its
    files cannot be read, UnsupportedCheckpoint when it is one that cannot be run faithfully.
    """
    try:
        return _open_checkpoint(settings)
    except InvalidRequest as error:
        # Dimensions that it does not give: the settings are at fault, and not who asks it.
        raise UnsupportedCheckpoint(str(error), code=error.code) from error
    # The last of them for the home of a user whom nobody knows: ~somebody/model.
    except (OSError, TypeError, ValueError, RuntimeError) as error:
        raise ModelUnavailable(
            f"{settings.model} cannot be read: {type(error).__name__}: {error}"
        ) from error


def _open_checkpoint(settings: Settings) -> Checkpoint:
    if settings.model_url:
        is_served = settings.model_api == "folio"
        return describe_served(settings) if is_served else describe_remote(settings)
    folder, name, revision = _locate(settings)
    return read_checkpoint(
        folder,
        name=name,
        revision=revision,
        dimensions=settings.dimensions,
        with_prompts=settings.prompts,
    )


def load_engine(checkpoint: Checkpoint, settings: Settings) -> Engine:
    """Load the weights of `checkpoint`; raises ModelUnavailable with the reason."""
    try:
        return _load_engine(checkpoint, settings)
    except FolioError:
        raise
    # Loading runs transformers, PEFT and safetensors over files from outside: whatever they raise,
    # the model cannot be used, the service goes on without it and says why.
    except Exception as error:
        raise ModelUnavailable(
            f"{checkpoint.name} in {checkpoint.folder} cannot be loaded: "
            f"{type(error).__name__}: {error}"
        ) from error


def _load_engine(checkpoint: Checkpoint, settings: Settings) -> Engine:
    if settings.model_url:
        is_served = settings.model_api == "folio"
        return (ServedEngine if is_served else RemoteEngine)(checkpoint, settings)
    # torch and transformers take seconds to import; a command that embeds nothing does not pay.
    from app.embedding.torch.engine import TorchEngine

    return TorchEngine(
        checkpoint,
        device=settings.device,
        batch_tokens=settings.batch_tokens,
        runtime=settings.runtime,
        dtype=settings.dtype,
        merge_bytes=settings.merge_bytes,
        max_waiting_tokens=settings.max_waiting_tokens,
    )


def _locate(settings: Settings) -> tuple[Path, str, str]:
    """Return (folder, Hugging Face id or name, revision)."""
    name = BUNDLED_NAME if settings.model == BUNDLED_MODEL else settings.model
    if name in BUNDLED:
        return BUNDLED[name], name, ""
    folder = Path(settings.model).expanduser()
    if folder.is_dir():
        return folder, "", settings.model_revision
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", settings.model):
        raise ModelUnavailable(f"no such model folder: {settings.model}")
    if not _COMMIT.fullmatch(settings.model_revision):
        raise ModelUnavailable(
            f"{settings.model} is a Hugging Face id (or a folder that does not exist); pin it: set "
            "FOLIO_MODEL_REVISION to the 40-digit commit shown on the model's page"
        )
    return (
        _download(settings.model, settings.model_revision),
        settings.model,
        settings.model_revision,
    )


def _download(model: str, revision: str) -> Path:
    # huggingface_hub takes a second to import and most starts do not need it.
    from huggingface_hub import snapshot_download

    try:
        return Path(
            snapshot_download(
                model,
                revision=revision,
                allow_patterns=["*.json", "*.safetensors", "*.txt", "*.model"],
                ignore_patterns=["onnx/*", "openvino/*"],
            )
        )
    # It lets errors of its HTTP client and of its storage through, which have no class in common.
    except Exception as error:
        raise ModelUnavailable(
            f"{model} at {revision} could not be fetched ({type(error).__name__}); download it "
            "where there is a network and set FOLIO_MODEL to the folder"
        ) from error
