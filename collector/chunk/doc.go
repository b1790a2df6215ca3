// Package chunk is the form in which log records wait in the collector's
// spool: the records of one source, already encoded as forward-protocol
// entries, what they have in common, and how far the files they were read from
// are thereby done with. That the records and the positions are one spool entry
// is what makes a restart exact: either both are on disk or neither is.
//
// On disk a chunk is a version byte followed by uvarint-length-prefixed fields:
//
//	1 | id | tag | count | common | entries | n | n positions
//
// A position is device, inode, time seen, fingerprint and tail hash as 8
// big-endian bytes each, then fingerprint length, end, two stream offsets and
// the done mark as uvarints, and the path.
package chunk
