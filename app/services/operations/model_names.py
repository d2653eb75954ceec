"""What clients call the model: its own name, aliases, and names that choose a task."""

from app.domain import Task
from app.errors import NotFound
from app.runtime.resources import Resources

_TASKS = {"-query": Task.QUERY, "-passage": Task.PASSAGE}


def resolve_model(resources: Resources, asked: str) -> Task | None:
    """Return the task that a model's name chooses, None where it leaves that open.

    `""`, the served model's own name and the aliases of the settings all mean the served model.
    With `-query` or `-passage` at their end they choose its adapter, in clients that have a field
    for the model and none for the task. Raises NotFound for another model: its vectors would be
    stored beside real ones.
    """
    served = resources.generations.live().checkpoint().name
    aliases = [alias.strip() for alias in resources.settings.model_aliases.split(",")]
    prefixes = [name.strip() for name in resources.settings.model_prefixes.split(",")]
    names = {"", served, *aliases, *(f"{name}/{served}" for name in prefixes if name)}
    if asked in names:
        return None
    for suffix, task in _TASKS.items():
        if asked.removesuffix(suffix) in names - {""} and asked.endswith(suffix):
            return task
    raise NotFound(f"this service runs {served} and no other model", code="model_not_found")


def list_names(served: str) -> list[str]:
    """Return the names to offer: the model, and the two that choose a task."""
    return [served, *(served + suffix for suffix in _TASKS)]
