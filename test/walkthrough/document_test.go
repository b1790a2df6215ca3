package walkthrough

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	blocks, err := parse("text\n```console background\n$ serve\nready\n```\n```yaml\n$ no\n```\n```console\n$ a \\\n  b\nout\n…\n$ c\n```\n```console background\n^C\n```\n")
	require.NoError(t, err)
	require.Equal(t, []block{
		{line: 2, background: true, machine: first, commands: []command{{line: 3, text: "serve", want: []string{"ready"}}}},
		{line: 9, machine: first, commands: []command{{line: 10, text: "a \\\n  b", want: []string{"out", "…"}}, {line: 14, text: "c"}}},
		{line: 16, background: true, machine: first, commands: []command{{line: 17, text: "^C"}}},
	}, blocks)
	blocks, err = parse("```console background n3\n```\n```console one\n```\n```console three\n```\n")
	require.NoError(t, err)
	require.Equal(t, []block{
		{line: 1, background: true, machines: 3, machine: "n3"}, {line: 3, machines: 1, machine: first}, {line: 5, machines: 3, machine: first},
	}, blocks)
	_, err = parse("text\n```console two\n```\n")
	require.EqualError(t, err, `line 2: no block is "two"`)
	_, err = parse("```console\nout\n```\n")
	require.EqualError(t, err, "line 2: output without a command: out")
	_, err = parse("```console\n$ a\n")
	require.EqualError(t, err, "line 1: the block does not end")
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		want []string
		got  string
		ok   bool
	}{
		{nil, "anything\n", true},
		{[]string{"a"}, "a\n", true},
		{[]string{"a"}, "a\nb\n", false},
		{[]string{"a", "b"}, "a\n", false},
		{[]string{"NAME  READY", "web-…  1/1"}, "NAME      READY\nweb-x2y   1/1   \n", true},
		{[]string{"web-…  1/1"}, "web-x2y   0/1\n", false},
		{[]string{"…", "b", "…"}, "a\nb\n", true},
		{[]string{"…", "b", "…"}, "a\nc\n", false},
		{[]string{"a.b"}, "axb\n", false},
		{[]string{"a", ""}, "a\n", false},
	} {
		require.Equal(t, c.ok, (&command{want: c.want}).matches(c.got), "%q %q", c.want, c.got)
	}
}

func TestKindsOfCommands(t *testing.T) {
	require.True(t, (&command{want: []string{"Error from server (NotFound): …"}}).fails())
	require.False(t, (&command{want: []string{"no Error"}}).fails())
	for text, want := range map[string]bool{
		"kubectl get pods": true, "curl -s x": true, "curl -s -X POST x": false, "kubectl create -f x": false, "for i in 1 2; do curl x; done": true, "kubectl scale rc": false,
	} {
		require.Equal(t, want, (&command{text: text}).isLook(), text)
	}
}

func TestFill(t *testing.T) {
	c := command{line: 3, text: "join --token … --dir x"}
	require.EqualError(t, c.fill("say join\n"), `line 3: nothing was printed behind "join --token "`)
	require.NoError(t, c.fill("others: join --token a.b\nmore"))
	require.Equal(t, "join --token a.b --dir x", c.text)
}
