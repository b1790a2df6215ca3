package environment

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestExpand(t *testing.T) {
	mapping := Lookup(map[string]string{"A": "a", "EMPTY": "", "$": "never"}, map[string]string{"A": "hidden", "B": "$(A)"})
	f := func(in, want string) { t.Helper(); require.Equal(t, want, Expand(in, mapping), in) }
	f("", "")
	f("plain", "plain")
	f("$(A)", "a")
	f("-$(A)$(B)-", "-a$(A)-")
	f("$(EMPTY)", "")
	f("$(NONE)", "$(NONE)")
	f("$$(A)", "$(A)")
	f("$$$(A)", "$a")
	f("$$$$", "$$")
	f("$", "$")
	f("a$", "a$")
	f("$A", "$A")
	f("$(A", "$(A")
	f("$(A$(B)", "$(A$(B)")
	f("$()", "$()")
	f("$é(A)", "$é(A)")
}

// FuzzExpand checks that nothing but references changes and that nothing is lost.
func FuzzExpand(f *testing.F) {
	for _, s := range []string{"$(A)", "$$(A)", "$(", "$", "a$(B)c$$", "\xff$\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := Expand(s, func(name string) string {
			require.NotContains(t, name, ")")
			return "$(" + name + ")"
		})
		require.LessOrEqual(t, len(got), 3*len(s))
		if !strings.Contains(s, "$") {
			require.Equal(t, s, got)
		}
		if !strings.Contains(s, "$$") && strings.ToValidUTF8(s, "") == s {
			require.Equal(t, s, got, "an unknown reference stays as it is written")
		}
	})
}
