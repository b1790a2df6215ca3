// Package logstore is the embedded log store: one DuckDB database file per UTC
// day, attached to one in-memory engine so that all days share one memory
// limit and a search over several days is one statement.
//
// A day file holds three tables. "sources" has one row for every distinct
// origin of lines (tag, stream, pod, container, labels and so on); "records"
// has a row per line that refers to its source by number; "chunks" has the ids
// of the chunks that were stored. The rows of a chunk, the sources they need
// and the chunk's id are committed in one transaction, so that a resend of the
// chunk is recognised whatever happened in between. The view "logs" joins the
// tables for people who open a file with the duckdb command.
package logstore
