"""How many threads NumPy's products may use: one."""

from threadpoolctl import ThreadpoolController


def use_one_blas_thread() -> None:
    """Have products of NumPy and FAISS computed by the thread that asks for them.

    A search multiplies small matrices. The second thread of OpenBLAS takes little of that over, and
    between two products it spins: docs/decisions/0076. The setting is the whole process's; the
    model has threads of its own.
    """
    ThreadpoolController().limit(limits=1, user_api="blas")
