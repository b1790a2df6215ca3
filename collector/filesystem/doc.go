// Package filesystem measures what containers have written: the size of the
// writable layer, by a walk over its directory, and the size of the log files.
// With it goes the state of the filesystem it lies on.
//
// It works beside the sampling, one container after the other: each once a
// minute, or more seldom where a walk takes long, so that walking takes at most
// a fiftieth of the time. A filesystem is asked for its state once a round,
// however many containers lie on it. The machine, "/", has all filesystems that
// lie on block devices.
package filesystem
