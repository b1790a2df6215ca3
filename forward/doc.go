// Package forward speaks version 1 of the Fluentd forward protocol, both ends:
// Message, Forward, PackedForward and CompressedPackedForward, in msgpack and in
// JSON, with acknowledgements, the shared-key handshake, TLS and unix sockets.
//
// Whatever its form on the wire, a frame becomes a Chunk: a tag and packed
// entries, msgpack [time, record] one after the other, that an Iterator walks.
package forward
