package notify

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatIsWrongIsNamedWithItsLine(t *testing.T) {
	const good = "route:\n  receiver: a\n  routes:\n  - receiver: b\nreceivers:\n- name: a\n- name: b\n  webhook_configs:\n  - url: http://x.example\n"
	refused := func(text, want string) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "am.yaml")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		err := Check(path)
		require.Error(t, err)
		var p *Problem
		require.ErrorAs(t, err, &p)
		require.Contains(t, strings.TrimPrefix(err.Error(), path), want)
	}
	path := filepath.Join(t.TempDir(), "am.yaml")
	require.NoError(t, os.WriteFile(path, []byte(good), 0o600))
	require.NoError(t, Check(path))

	refused("route: [", ":1: ")
	refused(strings.Replace(good, "- receiver: b", "- receiver: c", 1), `:4: undefined receiver "c" used in route`)
	refused(strings.Replace(good, "- url:", "- urls:", 1), ":9: field urls not found")
	refused(good+"- name: b\n", `:10: notification config name "b" is not unique`)
	refused(good+"- name: c\n  slack_configs:\n  - channel: x\n", ":12: ")
	refused(good+"inhibit_rules:\n- source_matchers: [a=1]\n- source_matchers: ['=']\n", ":12: ")
	refused(strings.Replace(good, "- receiver: b", "- receiver: b\n    group_wait: soon", 1), ":5: ")
	refused("receivers: [{name: a}]\n", ":1: ")
	refused("", ": no route provided in config")
}

func FuzzRecords(f *testing.F) {
	f.Add(framed([]byte("abc")))
	f.Add(append(framed([]byte("abc")), 200, 1, 'x'))
	f.Fuzz(func(t *testing.T, content []byte) {
		n := whole(content)
		require.LessOrEqual(t, n, len(content))
		var again []byte
		for r := range records(content) {
			again = append(again, framed(r)...)
		}
		require.LessOrEqual(t, len(again), n, "no record is longer than it was")
		require.Equal(t, n, whole(content[:n]))
	})
}
