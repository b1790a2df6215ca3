package grafana

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
)

// revisionBits is how much of a sum a number in JavaScript can hold.
const revisionBits = 48

// Revision is a sum over what the dashboard says. It goes along in the JSON, so
// that whoever reads the dashboard back can tell whether anybody changed it.
func Revision(j *JSON) int64 {
	text, err := j.Encode()
	if err != nil {
		panic("BUG: dashboards: " + err.Error())
	}
	r, err := RevisionOf(text)
	if err != nil {
		panic("BUG: dashboards: " + err.Error())
	}
	return r
}

// RevisionOf is the same of a dashboard as Grafana returns it. What Grafana
// itself sets (id, version) and the revision do not count.
func RevisionOf(dashboard []byte) (int64, error) {
	text, err := Canonical(dashboard)
	if err != nil {
		return 0, err
	}
	sum := sha256.Sum256(text)
	return int64(binary.BigEndian.Uint64(sum[:8]) >> (64 - revisionBits)), nil
}

// Canonical is the dashboard with its keys in order and without what Grafana
// sets: equal for dashboards that say the same.
func Canonical(dashboard []byte) ([]byte, error) {
	var all map[string]any
	if err := json.Unmarshal(dashboard, &all); err != nil {
		return nil, fmt.Errorf("read dashboard: %w", err)
	}
	for _, key := range []string{"id", "version", "revision", "iteration"} {
		delete(all, key)
	}
	return json.Marshal(all)
}
