"""When keys were used last: noted by requests, stored by the background thread."""

from sqlalchemy import update

from app.db.models import Key, utc_now
from app.runtime.resources import Resources
from app.services.access.principal import Principal


def note_use(resources: Resources, principal: Principal) -> None:
    """Note that a request came with a key; no request waits for the database to write it."""
    if not principal.key_id:
        return
    uses, is_first = resources.signals.key_uses, not resources.signals.key_uses
    uses.note(principal.key_id, utc_now())
    if is_first:
        # From then on the thread looks by itself.
        resources.signals.notes_arrived.set()


def store_uses(resources: Resources) -> None:
    """Store what was noted: one transaction for all keys, with one statement a key and minute."""
    used = resources.signals.key_uses.take()
    if not used:
        return
    with resources.database.write() as session:
        for key_id, used_at in used.items():
            session.execute(update(Key).where(Key.id == key_id).values(last_used_at=used_at))
