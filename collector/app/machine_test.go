package app

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// slowHost answers when it is told to.
type slowHost struct{ asked, answer chan struct{} }

func (h slowHost) Read(context.Context, time.Time) {
	h.asked <- struct{}{}
	<-h.answer
}

func TestSlowMachineHoldsUpNoTick(t *testing.T) {
	h := slowHost{make(chan struct{}, 10), make(chan struct{})}
	m := newMachine(h, time.Millisecond)
	for range 3 {
		m.read(t.Context())
	}
	require.Len(t, h.asked, 1, "one reading at a time")

	h.answer <- struct{}{}
	m.patience = time.Hour
	close(h.answer)
	require.Eventually(t, func() bool { return len(m.idle) == 1 }, 10*time.Second, time.Millisecond)
	m.read(t.Context())
	require.Len(t, h.asked, 2, "a quick one is waited for")
	m.close()
}
