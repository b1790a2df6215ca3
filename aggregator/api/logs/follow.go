package logs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/lubberline/lubberline/aggregator/logstore"
)

// Skipped is the data of the event "skipped": the reader was too slow for so
// many records.
type Skipped struct {
	Skipped int `json:"skipped"`
}

// follow streams the newest records, then those that are stored from now on:
// as server-sent events "log" (data: Entry, id: its cursor) and "skipped"
// (data: Skipped), or as lines of text. A client that comes back with
// Last-Event-ID continues behind that record. The stream ends when the client
// goes, the server stops, or the store is closed.
func (h *handlers) follow(c *gin.Context, q logstore.Query, text bool) {
	if id := c.GetHeader("Last-Event-ID"); id != "" {
		cursor, err := parseCursor(id)
		if err != nil {
			fail(c, &logstore.BadQueryError{Parameter: "Last-Event-ID", Value: id, Reason: err.Error()})
			return
		}
		q.From, q.Limit = time.Unix(0, cursor.Time+1), MaxLimit
	}
	entries, sub, err := h.store.Follow(c.Request.Context(), q)
	if err != nil {
		fail(c, err)
		return
	}
	defer sub.Close()
	s := &stream{w: c.Writer, control: http.NewResponseController(c.Writer), text: text}
	if text {
		c.Header("Content-Type", "text/plain; charset=utf-8")
	} else {
		c.Header("Content-Type", "text/event-stream")
	}
	c.Header("Cache-Control", "no-store")
	c.Header("X-Accel-Buffering", "no")
	c.Status(http.StatusOK)
	if err := s.run(c.Request.Context().Done(), entries, sub.C, h.heartbeat); err != nil {
		c.Error(err) //nolint:errcheck // it returns what it was given
	}
}

// stream writes one follower's answer.
type stream struct {
	w       io.Writer
	control *http.ResponseController
	text    bool
}

// patience is how long a client may take to read what is sent to it.
const patience = 30 * time.Second

func (s *stream) run(gone <-chan struct{}, entries []logstore.Entry, live <-chan logstore.Event, heartbeat time.Duration) error {
	s.allow()
	for i := range entries {
		if err := s.send(logstore.Event{Entry: &entries[i]}); err != nil {
			return err
		}
	}
	if err := s.flush(); err != nil {
		return err
	}
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-gone:
			return nil
		case <-tick.C:
			if err := s.beat(); err != nil {
				return err
			}
		case event, open := <-live:
			if !open {
				return nil
			}
			if err := s.sendWaiting(event, live); err != nil {
				return err
			}
		}
	}
}

// sendWaiting sends the event and those that wait behind it in one go.
func (s *stream) sendWaiting(event logstore.Event, live <-chan logstore.Event) error {
	s.allow()
	for more := true; more; {
		if err := s.send(event); err != nil {
			return err
		}
		select {
		case event, more = <-live:
		default:
			more = false
		}
	}
	return s.flush()
}

func (s *stream) send(event logstore.Event) error {
	var err error
	switch {
	case s.text && event.Entry == nil:
		_, err = io.WriteString(s.w, "… "+strconv.Itoa(event.Skipped)+" lines skipped\n")
	case s.text:
		_, err = io.WriteString(s.w, textLine(event.Entry))
	case event.Entry == nil:
		err = s.event("skipped", "", Skipped{event.Skipped})
	default:
		e := entryOf(event.Entry)
		err = s.event("log", e.Cursor, e)
	}
	return err
}

func (s *stream) event(name, id string, data any) error {
	body, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("encode event: %w", err)
	}
	if id != "" {
		id = "id: " + id + "\n"
	}
	_, err = fmt.Fprintf(s.w, "event: %s\n%sdata: %s\n\n", name, id, body)
	return err
}

func (s *stream) beat() error {
	if s.text {
		return nil
	}
	s.allow()
	if _, err := io.WriteString(s.w, ": still here\n\n"); err != nil {
		return err
	}
	return s.flush()
}

// allow gives the next write its time; the server's limit is for whole answers.
func (s *stream) allow() {
	s.control.SetWriteDeadline(time.Now().Add(patience)) //nolint:errcheck // a recorder in a test has none
}

func (s *stream) flush() error {
	if err := s.control.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}
