// Package network knows the traffic of containers' network interfaces.
//
// The kernel answers one request for the counters of all interfaces of a network
// namespace (RTM_GETSTATS) at less than a microsecond each, while a container's
// /proc/PID/net/dev costs ten. A container's interface usually is one end of a
// veth pair whose other end is in the machine's namespace: what the one sends,
// the other receives. So the pair is found out once, by entering the container's
// namespace, and from then on the far end's counters are taken, with receiving
// and transmitting exchanged. Both ends must name each other, and the namespace
// of the far end must be the container's, before the pair is believed; it is
// found out anew once a minute, and at once when the far end is gone.
//
// Bytes and packets of both ends are the same counters of the kernel. Errors and
// drops are not: each end counts its own. They are read from the namespace's
// net/dev file, every tenth second.
//
// Where an interface has no far end in the machine's namespace (macvlan, ipvlan,
// a device moved in, a pair with another namespace), the whole namespace is read
// from its net/dev file each time, kept open.
//
// Containers that share a namespace have one traffic: it belongs to the pod's
// sandbox, or else to whichever was seen first. Containers in the machine's own
// namespace have none; the machine itself, "/", has that of the namespace's
// interfaces, without the loopback device and the far ends of containers. The
// loopback device is left out everywhere.
package network
