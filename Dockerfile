# The images of the two programs:
#
#   docker build --target orchestrator .
#   docker build --target worker .
#
# Nothing here needs BuildKit, so that Docker 20.10 and docker-compose 1.29 build it as well. A registry or mirror is named
# by build arguments, which stay in the stage that uses them and are in no history of the images.

ARG NODE_IMAGE=node:24-slim
# One that has git and nft (and e2fsprogs, for DISK_LIMITS=sized) already saves the build of the worker its way to a Debian mirror.
ARG WORKER_BASE_IMAGE=node:24-slim

# What the programs import, without the tools of development: Node runs TypeScript as it is.
FROM ${NODE_IMAGE} AS packages
WORKDIR /opt/bot-runner
ARG NPM_CONFIG_REGISTRY
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM ${NODE_IMAGE} AS orchestrator
WORKDIR /opt/bot-runner
# 1000 is the user "node" of the official image. A new volume takes its owner from this folder.
RUN mkdir /data && chown 1000:1000 /data && chmod 700 /data
COPY --from=packages /opt/bot-runner/node_modules node_modules
COPY package.json ./
COPY common common
COPY gen gen
COPY orchestrator orchestrator
# Off loopback it starts only with tokens of its own, and with TLS or ALLOW_CLEARTEXT=1.
ENV NODE_ENV=production DATA_DIR=/data HOST=0.0.0.0
EXPOSE 8000
USER 1000:1000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["node", "orchestrator/health-check.ts"]
CMD ["node", "orchestrator/main.ts"]

FROM ${WORKER_BASE_IMAGE} AS worker
WORKDIR /opt/bot-runner
# git fetches the repositories of bots; nft makes the firewall around them, and e2fsprogs their file systems, in containers of this image.
RUN { command -v git && command -v nft; } > /dev/null || { \
      apt-get update && \
      apt-get install --yes --no-install-recommends ca-certificates e2fsprogs git mount nftables && \
      rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log; \
    }
RUN mkdir /data && chmod 700 /data
COPY --from=packages /opt/bot-runner/node_modules node_modules
COPY package.json ./
COPY common common
COPY gen gen
COPY worker worker
ENV NODE_ENV=production DATA_DIR=/data HEALTH_SOCKET=/tmp/worker-health.sock
# Root, because the engine's socket is root's: see "The engine's socket" in docs/DEPLOY.md. It needs no capability.
USER 0:0
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["node", "worker/health-check.ts"]
CMD ["node", "worker/main.ts"]
