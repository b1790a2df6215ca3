// Package position remembers how far log files have been read into the spool.
// The truth is in the spool: every chunk carries the positions that it covers,
// and they count once the chunk is on disk. A checkpoint file holds the newest
// of each file, so that the spool may delete its chunks, and is written before
// it does.
//
// The checkpoint is a text file: a first line with its version, a line for each
// file, and a last one with a checksum of all before it. It is replaced by
// renaming. One that cannot be read is set aside, and what the spool still
// holds is used.
package position
