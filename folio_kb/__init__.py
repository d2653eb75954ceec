"""What is installed: the wheel has the packages of the service, `app` and `ingest`, in this folder.

Beside it they would be top-level packages of short names, and anybody's `app/` would hide them.
"""
