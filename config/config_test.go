package config

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

type sample struct {
	Interval time.Duration `yaml:"interval"`
	Cap      Size          `yaml:"cap"`
	Inner    struct {
		Name string `yaml:"name"`
	} `yaml:"inner"`
}

func (s *sample) Validate() error {
	if s.Interval <= 0 {
		return errors.New("interval must be positive")
	}
	return nil
}

func TestDecode(t *testing.T) {
	f := func(text, wantErr string) {
		t.Helper()
		c := &sample{Interval: 5 * time.Second, Cap: 1 << 30}
		err := Decode([]byte(text), c)
		if wantErr == "" {
			require.NoError(t, err)
			return
		}
		require.EqualError(t, err, wantErr)
	}
	f("", "")
	f("interval: 1s\ncap: 512MiB\ninner: {name: x}\n", "")
	f("intervall: 1s\n", `line 1: unknown key "intervall"`)
	f("interval: 1s\ninner:\n  nam: x\n", `line 3: unknown key "nam"`)
	f("interval: soon\n", "line 1: cannot unmarshal !!str `soon` into time.Duration")
	f("cap: lots\n", `line 1: size "lots": want a number of bytes with an optional unit, as 512MiB`)
	f("interval: -1s\n", "interval must be positive")
	f("interval: 1s\n---\ninterval: 2s\n", "more than one YAML document")
}

func TestLoadNamesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "l.yaml")
	require.NoError(t, os.WriteFile(path, []byte("nope: 1\n"), 0o600))
	require.ErrorContains(t, Load(path, &sample{}), path+`: line 1: unknown key "nope"`)
	require.ErrorContains(t, Load(path+".missing", &sample{}), "no such file")
}

func TestSize(t *testing.T) {
	f := func(text string, want Size, printed string) {
		t.Helper()
		got, err := ParseSize(text)
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.Equal(t, printed, got.String())
	}
	f("0", 0, "0B")
	f("1048576", 1<<20, "1MiB")
	f("1.5GiB", 3<<29, "1536MiB")
	f("2 GB", 2e9, "1953125KiB")
	f("10B", 10, "10B")
	for _, bad := range []string{"", "x", "-1", "1PiB", "NaN", "99999999999GiB"} {
		_, err := ParseSize(bad)
		require.Error(t, err, bad)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("interval: 1s\ncap: 5MiB\n"))
	f.Fuzz(func(_ *testing.T, text []byte) { _ = Decode(text, &sample{}) })
}
