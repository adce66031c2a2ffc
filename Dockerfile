# One image with all binaries: `godwit` (every service, migrate, doctor) and one binary a service.
#   docker build -t godwit .
#   docker run --rm godwit --help

FROM rust:1.95-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends libssl-dev pkg-config zlib1g-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cargo build --locked --profile dist --workspace --bins \
    && mkdir /binaries \
    && find target/dist -maxdepth 1 -type f -executable -exec cp {} /binaries/ \;

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates ffmpeg libssl3 util-linux zlib1g \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin godwit \
    && install -d -o godwit -g godwit /var/lib/godwit
COPY --from=build /binaries/ /usr/local/bin/
USER 10001:10001
WORKDIR /var/lib/godwit
ENV GODWIT_CALL_DATA_DIR=/var/lib/godwit/call
# Admin (metrics, health), internal gRPC, clients.
EXPOSE 9464 9090 8080
ENTRYPOINT ["godwit"]
CMD ["--target=all"]
