// Package runtime finds out who a container is. The path of a cgroup says at
// once which runtime made it, under which id and for which pod; the runtime's
// own socket then gives the names, asked once for each container and never
// again while it lives.
//
// What stays without a name: containers that containerd runs outside the
// Kubernetes interface (ctr, nerdctl, buildkit: their namespaces are not
// visible through CRI), containers of a Docker inside a container, and those
// of rootless Podman unless its socket is listed in the options. They are
// called by the first twelve digits of their id.
package runtime
