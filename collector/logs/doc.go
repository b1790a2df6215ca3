// Package logs reads the log files of containers, and plain files by pattern,
// into chunks in the collector's spool: every line once, whatever rotation,
// truncation, restarts and kills come between.
//
// # Files
//
// A file is known by device, inode, a fingerprint of its first bytes and a hash
// of the bytes before the offset it is read to; its name only tells the order
// of a rotation. A [Source] is a container's log path with everything that
// rotation makes of it: its directory is watched, all files are opened as soon
// as they are seen, and each is read to its end, the oldest first. A newer file
// is read only after its elder was found to be at its end when the newer one
// was there already, so nothing can be added to the elder between. A file that
// is deleted or renamed out of sight is held until it is read and quiet; more
// than Options.MaxHeld deleted ones of a source are given up, counted.
//
// A file that becomes shorter, begins differently, or has other bytes before the
// offset was written anew and is read from its beginning. A copy made by
// copytruncate, or a compressed one, goes on where its original ended. While a
// copy's original is still read, the copy waits.
//
// # Records
//
// The parts of a record (CRI's P lines, Docker's lines without a newline) are
// joined per stream, across a rotation too. A line without a newline waits at
// the end of its file, and is taken when nothing can follow. A record over
// Options.MaxRecord is split. A line that is not of its file's format is kept as
// plain text with the time at which it was read.
//
// # Exactly once
//
// Each chunk carries the positions of the files that its records came from, and
// is one spool entry. A position is not a single offset: while a record of
// stderr waits for its last part, lines of stdout behind its first part are
// emitted; so it has the end of what was read and, for each stream, the offset
// from which lines are not emitted. After a restart reading begins at the lowest
// of these, and lines before their stream's offset are passed over.
//
// Package position keeps the newest position of each file. When the spool
// refuses chunks, reading stops, positions stay, and it is tried again.
//
// # The seam for filters
//
// [Stage] sees each record before it is encoded: filters and parsers of a later
// day go there. What goes to further outputs is read from the spool, not from
// here.
package logs
