# Two stages: the first has the tools, the second the service.

FROM rust:1.95.0-slim-bookworm AS build
WORKDIR /build
ENV CARGO_TERM_COLOR=never SQLX_OFFLINE=true
# The dependencies, in a layer of their own: it is built again when they change, not with every change of the code.
# (rust-toolchain.toml stays outside: it names this very toolchain, and would have its lints fetched too.)
COPY Cargo.toml Cargo.lock ./
RUN mkdir -p src tests/it \
    && echo 'fn main() {}' >src/main.rs \
    && touch src/lib.rs tests/architecture.rs tests/it/main.rs \
    && cargo build --release --locked
COPY .sqlx .sqlx
COPY migrations migrations
COPY src src
# Cargo goes by age, and copies are as old as their originals.
RUN touch src/main.rs src/lib.rs \
    && cargo build --release --locked

# Debian's smallest, of the same release: the C library is the one that the binary was linked against. It needs nothing
# else, so nothing is installed; certificate authorities, for TLS to a database elsewhere, come from the first stage.
FROM debian:12-slim
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /build/target/release/luna-organizations /usr/local/bin/luna-organizations
# By number, so that an orchestrator can see that it is not root.
USER 65532:65532
WORKDIR /
ENV LUNA_ORGANIZATIONS_LISTEN=0.0.0.0:8080 LUNA_ORGANIZATIONS_METRICS_LISTEN=0.0.0.0:9464
EXPOSE 8080 9464
HEALTHCHECK --interval=10s --timeout=6s --start-period=20s --retries=3 CMD ["/usr/local/bin/luna-organizations", "health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/luna-organizations"]
CMD ["serve"]
