# Builds the wheel, with the web client inside, and installs it without any build tool.
FROM python:3.12-slim AS build
WORKDIR /source
COPY . .
RUN pip install --no-cache-dir build && python -m build --wheel --outdir /wheels

FROM python:3.12-slim
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir /wheels/*.whl \
 && useradd --system --uid 10001 --create-home --home-dir /var/lib/tiflis tiflis
USER tiflis
WORKDIR /var/lib/tiflis
ENV DATA_DIR=/var/lib/tiflis/data \
    LOG_FORMAT=json \
    WORKERS=4
VOLUME /var/lib/tiflis/data
EXPOSE 3001
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('PORT', '3001') + '/readyz', timeout=2)"]
# The main process handles SIGTERM (orderly end) and SIGHUP (new workers); exec leaves it the signals.
CMD ["sh", "-c", "exec sanic tiflis.server:app --workers \"$WORKERS\""]
