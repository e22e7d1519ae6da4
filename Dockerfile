ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
ARG EXTRAS=controller,daemon
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
RUN python -m venv /opt/gros-agent
# what the agent needs changes seldom: a layer of its own
COPY pyproject.toml README.md ./
COPY src/gros_agent/__init__.py src/gros_agent/
RUN /opt/gros-agent/bin/pip install ".[${EXTRAS}]"
COPY . .
RUN /opt/gros-agent/bin/pip install --no-deps --force-reinstall . \
    && /opt/gros-agent/bin/python -m compileall -q -j 0 /opt/gros-agent/lib \
    && /opt/gros-agent/bin/pip uninstall --yes pip setuptools \
    && sh deploy/image/arrange.sh /arranged


FROM ${BASE}
ARG IMAGE_VERSION=""
ARG IMAGE_REVISION=""
LABEL org.opencontainers.image.title="gros-agent" \
      org.opencontainers.image.description="Collects what software teams leave behind in their tools, pseudonymised on the spot" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${IMAGE_VERSION}" \
      org.opencontainers.image.revision="${IMAGE_REVISION}"
COPY deploy/image/dpkg.cfg /etc/dpkg/dpkg.cfg.d/gros-agent
COPY --from=build /arranged/no-perl.deb /opt/no-perl.deb
# The packages are those of the base image's release: pinning them here would keep their security updates out.
# hadolint ignore=DL3008
RUN dpkg --install /opt/no-perl.deb \
    && apt-get update \
    && apt-get install --yes --no-install-recommends git libnss-wrapper openssh-client subversion tini \
    && apt-get clean \
    && rm -rf /opt/no-perl.deb /var/lib/apt/lists/* /var/cache/* /var/log/* \
    && useradd --uid 1000 --user-group --home-dir /home/agent --no-create-home --shell /bin/bash agent
COPY --from=build /opt/gros-agent /opt/gros-agent
COPY --from=build --chown=1000:0 /arranged/home /home/agent
COPY --from=build --chown=1000:0 /arranged/etc /etc/gros-agent
ENV HOME=/home/agent \
    PATH=/opt/gros-agent/bin:/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin \
    LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    GATHERER_SETTINGS_FILE=/home/agent/config/settings.cfg \
    GATHERER_CREDENTIALS_FILE=/home/agent/config/credentials.cfg \
    GROS_AGENT_ENVIRONMENT=/etc/gros-agent/env \
    GROS_AGENT_HOME=/home/agent \
    GROS_AGENT_LISTEN=0.0.0.0 \
    GROS_AGENT_STATE=/home/agent/config/state \
    GROS_AGENT_USER=agent
WORKDIR /home/agent
VOLUME ["/home/agent/export", "/home/agent/config", "/home/agent/.ssh", "/home/agent/secrets"]
EXPOSE 7070
USER 1000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-m", "gros_agent.service.image.health"]
ENTRYPOINT ["/usr/bin/tini", "--"]
CMD ["gros-agent", "entrypoint"]
