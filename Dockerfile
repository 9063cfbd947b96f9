# syntax=docker/dockerfile:1
# Build the wheel with the web client inside, and install it in a final stage without build tools.
# docker buildx build --platform linux/amd64,linux/arm64 .
FROM python:3.12-slim AS build
WORKDIR /source
COPY . .
RUN pip install --no-cache-dir build && python -m build --wheel --outdir /wheels && cp requirements/runtime.txt /wheels/

FROM python:3.12-slim AS install
COPY --from=build /wheels /wheels
RUN python -m venv --without-pip /opt/tiflis \
 && pip --python /opt/tiflis/bin/python install --no-cache-dir --no-compile --require-hashes -r /wheels/runtime.txt \
 && pip --python /opt/tiflis/bin/python install --no-cache-dir --no-compile --no-deps /wheels/*.whl \
 && /opt/tiflis/bin/python -m compileall -q /opt/tiflis

FROM python:3.12-slim
RUN pip uninstall --yes --quiet pip \
 && useradd --system --uid 10001 --create-home --home-dir /var/lib/tiflis tiflis \
 && install -d -o tiflis -g tiflis -m 0700 /var/lib/tiflis/data
COPY --from=install /opt/tiflis /opt/tiflis
USER tiflis
WORKDIR /var/lib/tiflis
# The root file system may be read-only: the server writes only below DATA_DIR.
ENV PATH=/opt/tiflis/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    DATA_DIR=/var/lib/tiflis/data \
    LOG_FORMAT=json \
    WORKERS=4
VOLUME /var/lib/tiflis/data
EXPOSE 3001
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('PORT', '3001') + '/readyz', timeout=2)"]
# The main process handles SIGTERM (orderly stop) and SIGHUP (reload); exec makes it receive the signals itself.
CMD ["sh", "-c", "exec sanic tiflis.server:app --workers \"$WORKERS\""]
