# Images of Lubberline, one a target:
#
#   collector   the small node program: static, nothing else in it
#   demo        a small web shop and its customers, for the compose stack
#   aggregator  receives, stores, answers; as nobody (65532), no shell
#   lubberline  the whole program with its container runtime; runs pods when privileged
#
#   docker build --target aggregator -t lubberline/aggregator .
#
# No step needs BuildKit. Everything is compiled here, some ten minutes the first
# time; a context that has bin/, which .dockerignore keeps out of this one, is
# packed as it is.
ARG BUILDER=golang:1.26.8-bookworm
ARG BASE=debian:12.11-slim

FROM ${BUILDER} AS build
WORKDIR /src
COPY go.mod go.sum ./
COPY deploy/runtime/go.mod deploy/runtime/go.sum deploy/runtime/
RUN ! command -v go || { go mod download && go mod download -C deploy/runtime; }
COPY . .
RUN sh deploy/images/programs.sh /out

FROM scratch AS collector
COPY --from=build /out/common/ /
COPY --from=build /src/bin/lubberline-collector /bin/
ENV PATH=/bin
VOLUME /var/lib/lubberline-collector
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD ["lubberline-collector", "health"]
ENTRYPOINT ["lubberline-collector"]

FROM scratch AS demo
COPY --from=build /out/common/ /
COPY --from=build /src/bin/lubberline-demo /bin/
ENV PATH=/bin
USER 65532:65532
ENTRYPOINT ["lubberline-demo"]

FROM scratch AS aggregator
COPY --from=build /out/common/ /out/libraries/ /
COPY --from=build --chown=65532:65532 /out/empty/ /var/lib/lubberline/
COPY --from=build /src/bin/lubberline /bin/
ENV PATH=/bin
USER 65532:65532
VOLUME /var/lib/lubberline
EXPOSE 8082 24225
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["lubberline", "health"]
ENTRYPOINT ["lubberline"]
CMD ["aggregator"]

FROM ${BASE} AS lubberline
ARG PACKAGES="ca-certificates iproute2 libseccomp2 libstdc++6 nftables"
RUN [ -z "$PACKAGES" ] || { apt-get update && apt-get install -y --no-install-recommends $PACKAGES && rm -rf /var/lib/apt/lists/*; }
COPY --from=build /src/bin/runtime/ /usr/local/bin/runtime/
COPY --from=build /src/bin/lubberline /usr/local/bin/
VOLUME /var/lib/lubberline
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["lubberline", "health"]
ENTRYPOINT ["lubberline"]
CMD ["up"]
