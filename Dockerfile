# syntax=docker/dockerfile:1
# Build the wheel with the web client inside, and install it in a final stage without build tools.
# docker buildx build --platform linux/amd64,linux/arm64 --build-arg VERSION=$(git describe --tags --always) .
FROM python:3.12-slim AS build
WORKDIR /source
COPY . .
# hadolint global ignore=DL3042
# Without git here, the version is that of the argument, or the time of the build.
ARG VERSION=
RUN --mount=type=cache,target=/root/.cache --mount=type=cache,target=/root/.npm \
    export SETUPTOOLS_SCM_PRETEND_VERSION="${VERSION:-0.0+$(date -u +%Y%m%d%H%M)}" \
 && pip install build==1.3.0 && python -m build --wheel --outdir /wheels

FROM python:3.12-slim AS install
WORKDIR /source
# The packages are a layer of their own: it changes with the lock alone.
COPY requirements/runtime.txt requirements/runtime.txt
RUN --mount=type=cache,target=/root/.cache \
    python -m venv --without-pip /opt/tiflis \
 && pip --python /opt/tiflis/bin/python install --no-compile --require-hashes -r requirements/runtime.txt
COPY --from=build /wheels /wheels
RUN pip --python /opt/tiflis/bin/python install --no-cache-dir --no-compile --no-deps /wheels/*.whl \
 && /opt/tiflis/bin/python -m compileall -q /opt/tiflis

FROM python:3.12-slim
ARG VERSION=
LABEL org.opencontainers.image.title="Tiflis tunnel" \
      org.opencontainers.image.description="The tunnel server between phones and the workstation on which coding agents work" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="$VERSION"
RUN pip uninstall --yes --quiet pip \
 && groupadd --gid 10001 tiflis \
 && useradd --uid 10001 --gid 10001 --create-home --home-dir /var/lib/tiflis --shell /usr/sbin/nologin tiflis \
 && install -d -o 10001 -g 10001 -m 0700 /var/lib/tiflis/data
COPY --from=install /opt/tiflis /opt/tiflis
# In numbers: Kubernetes' runAsNonRoot takes no name.
USER 10001:10001
WORKDIR /var/lib/tiflis
# The root file system may be read-only: the server writes only below DATA_DIR.
ENV PATH=/opt/tiflis/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    DATA_DIR=/var/lib/tiflis/data \
    LOG_FORMAT=json
VOLUME /var/lib/tiflis/data
EXPOSE 3001
# bash alone: a start of Python costs 0.14 s of processor time each time.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/${HOST:-127.0.0.1}/${PORT:-3001} && printf 'GET /readyz HTTP/1.1\\r\\nHost: health\\r\\nConnection: close\\r\\n\\r\\n' >&3 && read -r -t 2 -u 3 _ status _ && [ \"$status\" = 200 ]"]
# It becomes the main process, which handles SIGTERM (orderly stop) and SIGHUP (reload).
CMD ["tiflis", "serve"]
