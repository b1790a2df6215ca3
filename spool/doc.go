// Package spool is a queue on disk between a producer that must not wait and a
// consumer that may be away: segments of checksummed entries, appended and
// fsynced in groups, read in order, and deleted once acknowledged. A size cap
// sheds the oldest entries, counted. It is the only place where Lubberline
// keeps data that is on its way.
package spool
