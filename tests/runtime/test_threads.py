"""Products of NumPy use the thread that asks for them."""

from threadpoolctl import threadpool_info

from app.config import Settings
from app.runtime.resources import open_resources


def test_opened_folder_leaves_one_thread_to_numpy(settings: Settings) -> None:
    with open_resources(settings):
        counts = {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}
    assert counts == {1}
