# One image for every service of compose.yaml; what it does is its command.
FROM python:3.11-slim-bookworm

RUN apt-get update \
    && apt-get install -y --no-install-recommends bubblewrap git make \
        qemu-system-x86 busybox-static zstd lz4 clang-14 llvm-14 libbpf-dev bpftool \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /srv/lastmile
ENV PYTHONPATH=/srv/lastmile:/srv/lastmile/platform \
    PYTHONUNBUFFERED=1 \
    PATH=/srv/lastmile/.venv/bin:$PATH \
    LASTMILE_CACHE=/var/cache/lastmile \
    LASTMILE_STATE=/var/lib/lastmile \
    LASTMILE_RUN=/run/lastmile

# Mirrors, by the names that pip and npm know; empty is their own.
ARG PIP_INDEX_URL
COPY requirements.lock ./
RUN python -m venv .venv && .venv/bin/pip install --no-cache-dir --require-hashes -r requirements.lock

COPY . .
# Modes come from whoever checked it out, under whatever umask. A grader runs under a uid of its own and has to read the
# labs; what it may read already is left alone, or this layer would have all of the virtual environment again.
RUN find . ! -type l \( ! -perm -044 -o -type d ! -perm -055 \) -exec chmod go+rX {} +
ARG NPM_CONFIG_REGISTRY
RUN python sandboxes/setup/bootstrap.py --only site
