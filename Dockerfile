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

COPY requirements.lock ./
RUN python -m venv .venv && .venv/bin/pip install --no-cache-dir --require-hashes -r requirements.lock

COPY . .
RUN python sandboxes/setup/bootstrap.py --only site
