# The service as a container: no root, a read-only root file system, data in a volume.
FROM python:3.12-slim-bookworm AS build

# Wheels without CUDA; for a GPU build with --build-arg TORCH_INDEX=https://pypi.org/simple
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
# `postgres` for a database that several containers share.
ARG EXTRAS=""

WORKDIR /src
COPY pyproject.toml constraints.txt README.md ./
COPY folio_kb folio_kb
COPY app app
COPY ingest ingest
COPY alembic alembic
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --extra-index-url "$TORCH_INDEX" \
        --constraint constraints.txt ".${EXTRAS:+[$EXTRAS]}"

FROM python:3.12-slim-bookworm

# Debian packages to add: `tesseract-ocr tesseract-ocr-deu` reads scans, German ones too.
ARG PACKAGES=""
# Whoever builds says which versions.
# hadolint ignore=DL3008
RUN if [ -n "$PACKAGES" ]; then \
        apt-get update && apt-get install -y --no-install-recommends $PACKAGES \
        && rm -rf /var/lib/apt/lists/*; \
    fi
RUN useradd --system --uid 10001 --home-dir /data folio \
    && install --directory --owner folio --group folio /data
COPY --from=build /venv /venv

ENV PATH="/venv/bin:$PATH" \
    FOLIO_DATA=/data \
    HF_HOME=/data/models \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["folio"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
