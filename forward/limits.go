package forward

import "time"

// Limits bound what peers can make a server do. Zero values are the defaults.
type Limits struct {
	// ChunkBytes is the longest frame, 64 MiB.
	ChunkBytes int
	// DecompressedBytes is the most that a chunk may hold, 256 MiB.
	DecompressedBytes int
	// InFlightBytes is how much may be handed to the handler and not done,
	// 128 MiB. Over it no connection is read from. One chunk always passes.
	InFlightBytes int64
	// Connections is how many are served at once, 1024; further ones are closed.
	Connections int
	// HandshakeTime is the most that TLS and PING may take, 10 s.
	HandshakeTime time.Duration
	// FrameTime is the most that a frame may take to arrive once it has begun,
	// and an acknowledgement to be taken, 60 s.
	FrameTime time.Duration
	// IdleTime closes a connection that sends nothing, not even a keep-alive.
	// 0 is never: some clients lose what they write first to a connection that
	// was closed meanwhile.
	IdleTime time.Duration
}

func (l *Limits) complete() {
	setDefault(&l.ChunkBytes, defaultChunkBytes)
	setDefault(&l.DecompressedBytes, defaultDecompressedBytes)
	setDefault(&l.InFlightBytes, 128<<20)
	setDefault(&l.Connections, 1024)
	setDefault(&l.HandshakeTime, 10*time.Second)
	setDefault(&l.FrameTime, 60*time.Second)
}

func setDefault[T int | int64 | time.Duration](v *T, otherwise T) {
	if *v <= 0 {
		*v = otherwise
	}
}
