# conformance/dockerfile.sh proves these lines where no container engine runs.
FROM node:lts-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY build.mjs tsconfig.json ./
COPY src ./src
RUN npm run build
RUN npm prune --omit=dev

FROM node:lts-slim
ENV NODE_ENV=production
ENV MEMFLOW_ADDR=0.0.0.0:3000
ENV MEMFLOW_STORAGE_ROOT=/var/lib/memflow-registry/data/mfdata
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY node.env ./
# 1000 is the user "node" of the image.
RUN install -d -o 1000 -g 1000 /var/lib/memflow-registry/data/mfdata
USER 1000
VOLUME /var/lib/memflow-registry/data/mfdata
EXPOSE 3000
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.MEMFLOW_ADDR.split(':').pop()}/health`).then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "--env-file=node.env", "dist/cli.js"]
CMD ["serve"]
