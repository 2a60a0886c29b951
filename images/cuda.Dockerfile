# syntax=docker/dockerfile:1
# A stage that runs ONNX Runtime on NVIDIA GPUs (embed; generate with a local model):
#   docker build -f images/cuda.Dockerfile --build-arg STAGE=embed -t registry.example.com/knarr/embed-cuda:0.1.0 .
ARG NODE=node:22.21.1-bookworm-slim
# CUDA 12 with cuDNN 9, as ONNX Runtime's CUDA execution provider asks for.
ARG CUDA=nvidia/cuda:12.6.3-cudnn-runtime-ubuntu24.04

FROM ${NODE} AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY . .
RUN npm run build

FROM build AS installed
ARG STAGE=embed
WORKDIR /src/dist/functions/${STAGE}
# No install script runs anywhere but this one, which fetches the CUDA provider (CPU images have no use for its gigabyte); TensorRT's
# is not used. ca-certificates: it is fetched by HTTPS.
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*
RUN npm ci --omit=dev \
 && ONNXRUNTIME_NODE_INSTALL=cuda12 node node_modules/onnxruntime-node/script/install.js \
 && node /src/scripts/build/prune-native.mjs node_modules \
 && rm -f node_modules/onnxruntime-node/bin/napi-v*/linux/x64/libonnxruntime_providers_tensorrt.so \
 && test -f node_modules/onnxruntime-node/bin/napi-v*/linux/x64/libonnxruntime_providers_cuda.so

FROM ${CUDA} AS stage
ARG STAGE=embed
COPY --from=build /usr/local/bin/node /usr/local/bin/node
ENV NODE_ENV=production HOME=/tmp \
    NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
WORKDIR /app
COPY --from=installed /src/dist/functions/${STAGE} ./
# Cold starts find their code compiled. The cache is for this Node, path and user, and only read later.
ENV NODE_COMPILE_CACHE=/app/.compile-cache
RUN install -d -o 1000 -g 1000 /app/.compile-cache
USER 1000:1000
RUN node --input-type=module -e "await import('/app/index.js')"
EXPOSE 8080
CMD ["node", "start.js"]
