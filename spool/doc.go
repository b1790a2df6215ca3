// Package spool is a queue on disk between a producer that must not wait and a
// consumer that may be away: segments of checksummed entries, appended and
// fsynced in groups, read in order, and deleted once acknowledged. A size cap
// sheds the oldest entries, counted. It is the only place where Lubberline
// keeps data that is on its way.
//
// A directory holds
//
//	<first seq, 20 digits>.spool  segments, see segment.go for their bytes
//	*.quarantined                 segments with a corrupt part, kept for a look
//	position                      the acknowledged sequence number
//	id                            16 random hex digits, made once
//	lock                          held while a process has the spool open
//
// Sequence numbers grow and are never given out twice, so `<id>-<seq>` names an
// entry for ever. They may jump after a crash or a corruption.
package spool
