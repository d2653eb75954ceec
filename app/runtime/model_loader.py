"""Loading the model in the background, and asking for one that went away."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from app.errors import FolioError, ModelAway, ModelUnavailable
from app.runtime.resources import Resources

logger = logging.getLogger("folio")

# Pause between two looks for a model that runs elsewhere; doubled up to the longest after each
# failure to load one.
_AWAY_SECONDS = 5.0
_MAX_PAUSE_SECONDS = 300.0


def load_model(resources: Resources, stopping: Event) -> None:
    """Have the model ready, however often it takes: a probe asks no question that would load it.

    One that runs elsewhere is asked for every few seconds, one that cannot be loaded tried again
    after pauses that grow.
    """
    pause = _AWAY_SECONDS
    while not stopping.is_set():
        try:
            generation = resources.generations.live()
            device = generation.engine().device
        except ModelAway as error:
            logger.warning("the model is waited for: %s", error)
            pause = _AWAY_SECONDS
        except ModelUnavailable as error:
            logger.error("the model cannot be loaded: %s", error)
        # This thread must outlive whatever the database or a library throws at it.
        except Exception:
            logger.exception("the model could not be loaded")
        else:
            logger.info("%s answers, on %s", generation.checkpoint().name, device)
            return
        stopping.wait(pause)
        pause = min(2 * pause, _MAX_PAUSE_SECONDS)


def keep_model(resources: Resources, stopping: Event) -> None:
    """Have the model ready; one that runs elsewhere and fails later is asked until it answers."""
    load_model(resources, stopping)
    while not stopping.wait(_AWAY_SECONDS):
        try:
            engine = resources.generations.live().loaded_engine
            if engine is not None and engine.problem is not None:
                engine.warm_up()
                logger.info("the model answers again, on %s", engine.device)
        except FolioError as error:
            logger.warning("the model is waited for: %s", error)
        # This thread must outlive whatever the database or a library throws at it.
        except Exception:
            logger.exception("the model could not be asked")


@contextmanager
def keep_model_ready(resources: Resources) -> Iterator[None]:
    """Call `keep_model` in a thread until the block ends, without waiting for it."""
    stopping = Event()
    Thread(target=keep_model, args=(resources, stopping), name="folio-load", daemon=True).start()
    try:
        yield
    finally:
        stopping.set()
