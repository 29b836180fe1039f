# What the rules need, as requirements.lock pins it: docs/container.md says how it is built and used.
#   docker build -t react24 .                               for snakemake --sdm apptainer
#   docker build -t react24-package --target package .      with react24 itself, for Kubernetes
FROM python:3.11-slim-bookworm AS libraries
# OpenCV's wheel brings Qt, not the libraries of the system that Qt wants; numba can use OpenMP.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgl1 libglib2.0-0 libgomp1 libsm6 libxext6 \
    && rm -rf /var/lib/apt/lists/*
COPY requirements.lock /opt/react24/
RUN pip install --no-cache-dir -r /opt/react24/requirements.lock && pip check
# Jobs run as a user who may write neither into the image nor, often, at home.
ENV MPLCONFIGDIR=/tmp/matplotlib NUMBA_CACHE_DIR=/tmp/numba

# Where jobs see no checkout, the library has to be in the image.
FROM libraries AS package
COPY pyproject.toml README.md LICENSE /opt/react24/
COPY src /opt/react24/src
RUN pip install --no-cache-dir --no-deps /opt/react24 && react24 --version

# By default without react24: jobs take that of the checkout, and never another one unnoticed.
FROM libraries
