# The enid agent in an image: the node binary, the bundle, libnftables and the libraries that those
# two load; nothing else, no shell. Build: docker build -t enid .
#
# Run (the agent moves the host's interfaces, so it lives in the host's network namespace; it makes a
# cgroup for each task and ends what is left there, and enters a task's namespace by its pause
# container's process, so it sees the host's cgroups and processes; Docker mounts what it writes below
# /var/lib/enid into tasks, so that is the host's by the same name):
#   docker run -d --name enid --restart always --network host --pid host --cgroupns host \
#     --cap-drop ALL --cap-add NET_ADMIN --cap-add SYS_ADMIN --cap-add KILL \
#     -v /sys/fs/cgroup:/sys/fs/cgroup \
#     -v /var/run/docker.sock:/var/run/docker.sock \
#     -v /var/lib/enid:/var/lib/enid -v /run/enid:/run/enid enid

FROM node:24-bookworm-slim AS build
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci
COPY tsconfig.json ./
COPY scripts scripts
COPY cli cli
COPY api api
COPY agent agent
COPY state state
COPY lab lab
RUN npm run build

# What is loaded at run time, collected into /image under its own path.
FROM node:24-bookworm-slim AS collect
RUN apt-get update \
 && apt-get install -y --no-install-recommends libnftables1 ca-certificates
RUN set -eu; mkdir -p /image/etc/ssl/certs /image/tmp; \
    library="$(ldconfig -p | sed -n 's/^.*libnftables\.so\.1 .*=> //p' | head -n 1)"; \
    { echo /usr/local/bin/node; echo "$library"; \
      ldd /usr/local/bin/node "$library" | grep -o '/[^ :]*\.so[^ :]*'; } | sort -u \
    | while read -r file; do cp --dereference --parents "$file" /image; done; \
    cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/

FROM scratch
COPY --from=collect /image /
COPY --from=build /src/dist /opt/enid
ENTRYPOINT ["/usr/local/bin/node", "/opt/enid/enid.mjs"]
CMD ["agent"]
