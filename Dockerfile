# The environment of requirements.lock and the project, as `make install` sets them up; what Kubernetes runs.
#   make image                                    builds salun:latest
#   docker run -v $PWD/out:/salun salun salun run /opt/salun/notebooks/01_quickstart.ipynb --out /salun/out
# The CUDA libraries come with the torch wheel: a GPU needs only its driver on the node.
FROM python:3.11-slim-bookworm

RUN apt-get update \
 && apt-get install --yes --no-install-recommends git make rsync \
 && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/salun
COPY requirements.lock pyproject.toml ./
RUN python -m venv .venv \
 && .venv/bin/python -m pip install --no-cache-dir --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
COPY . .
RUN .venv/bin/python -m pip install --no-cache-dir --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable . \
 && touch .venv/.installed

# One thread a process, and the cache on the volume that all jobs share.
ENV PATH=/opt/salun/.venv/bin:$PATH OMP_NUM_THREADS=1 SALUN_CACHE=/salun/cache
RUN useradd --create-home salun && mkdir /salun && chown salun /salun
USER salun
WORKDIR /salun
CMD ["salun", "--help"]
