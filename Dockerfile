# Web, worker or scheduler of one image: `docker run … cloison serve`, `worker`, `beat`; `up` runs everything in one container.
FROM python:3.11-slim-bookworm AS build
RUN pip install --no-cache-dir uv==0.13.9
WORKDIR /app
COPY requirements.txt .
RUN uv venv /venv && uv pip install --compile-bytecode --python /venv/bin/python --require-hashes -r requirements.txt

FROM python:3.11-slim-bookworm
RUN useradd --system --create-home --home-dir /var/lib/cloison cloison
COPY --from=build /venv /venv
WORKDIR /app
COPY manage.py ./
COPY platform platform
COPY tenants tenants
COPY assistants assistants
COPY documents documents
COPY templates templates
COPY static static
COPY locale locale
# The container's user may not write beside the code: what is not compiled here would be compiled at every start.
RUN /venv/bin/python -m compileall -q platform tenants assistants documents
ENV PATH=/venv/bin:$PATH PYTHONPATH=/app:/app/platform PYTHONUNBUFFERED=1 CLOISON_DATA_DIR=/var/lib/cloison/data CLOISON_BIND=0.0.0.0
RUN SECRET_KEY=build CLOISON_GUARD_KEY=00 python manage.py collectstatic --noinput
USER cloison
VOLUME /var/lib/cloison
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=4s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health/live', timeout=3)"]
ENTRYPOINT ["python", "manage.py"]
CMD ["up"]
