// Package walkthrough runs the commands of docs/walkthrough.md, in their order,
// and compares what they print with what the document says.
//
// A fenced block with the language "console" is what a person sees at a
// terminal: lines that begin with "$ " are commands, those below each are what it
// prints. A command goes on in the next line after a backslash. In the output
// "…" stands for anything within a line, and as a line for any number of lines.
// Runs of spaces are as good as one. A command that must fail prints a line that
// begins with one of failures. "…" in a command is the word that an earlier
// command has printed behind the same words.
//
// Words behind "console" say more of a block:
//   - background: a program in a terminal of its own, which is ended by the
//     document's "^C" in a later block of that kind;
//   - one, three: only where there is one machine, or where there are three;
//   - n2, n3: on that machine, where there are three; the others are on n1.
package walkthrough

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// block is one fenced block.
type block struct {
	line       int // of the document, from 1
	background bool
	machines   int    // how many there must be; 0 is any number
	machine    string // that it is on
	commands   []command
}

// command is one command and what it prints.
type command struct {
	line int
	text string
	want []string // lines; none means that anything may be printed
}

const (
	fence     = "```"
	interrupt = "^C"
	// first is the machine that most is done on.
	first = "n1"
)

// parse finds the blocks of a document.
func parse(document string) ([]block, error) {
	var blocks []block
	var open *block
	for i, line := range strings.Split(document, "\n") {
		words := strings.Fields(strings.TrimPrefix(line, fence))
		switch {
		case open == nil && strings.HasPrefix(line, fence) && len(words) > 0 && words[0] == "console":
			open = &block{line: i + 1, machine: first}
			if err := open.is(words[1:]); err != nil {
				return nil, err
			}
		case open != nil && line == fence:
			blocks = append(blocks, *open)
			open = nil
		case open != nil:
			if err := open.add(i+1, line); err != nil {
				return nil, err
			}
		}
	}
	if open != nil {
		return nil, fmt.Errorf("line %d: the block does not end", open.line)
	}
	return blocks, nil
}

// is takes what the words say of the block.
func (b *block) is(words []string) error {
	for _, word := range words {
		switch word {
		case "background":
			b.background = true
		case "one":
			b.machines = 1
		case "three":
			b.machines = 3
		case "n2", "n3":
			b.machines, b.machine = 3, word
		default:
			return fmt.Errorf("line %d: no block is %q", b.line, word)
		}
	}
	return nil
}

func (b *block) add(number int, line string) error {
	text, isCommand := strings.CutPrefix(line, "$ ")
	last := len(b.commands) - 1
	switch {
	case isCommand || line == interrupt:
		if !isCommand {
			text = interrupt
		}
		b.commands = append(b.commands, command{line: number, text: text})
	case last < 0:
		return fmt.Errorf("line %d: output without a command: %s", number, line)
	case strings.HasSuffix(b.commands[last].text, "\\") && len(b.commands[last].want) == 0:
		b.commands[last].text += "\n" + line
	default:
		b.commands[last].want = append(b.commands[last].want, line)
	}
	return nil
}

// failures are how the complaints of commands begin.
func failures() []string { return []string{"Error", "error:", "…rror", "lubberline: "} }

// fails tells whether the command must.
func (c *command) fails() bool {
	return slices.ContainsFunc(c.want, func(line string) bool {
		return slices.ContainsFunc(failures(), func(text string) bool { return strings.HasPrefix(line, text) })
	})
}

// looks are commands that change nothing: they are repeated until what they look
// for has happened, as a person would.
var looks = regexp.MustCompile(`^(kubectl (get|describe|logs|top|exec|events)|curl|lubberline (logs|images list)|for) `)

func (c *command) isLook() bool {
	return looks.MatchString(c.text) && !strings.Contains(c.text, " -X ")
}

// fill replaces what the command leaves open by what was printed.
func (c *command) fill(printed string) error {
	for {
		before, after, open := strings.Cut(c.text, anything)
		if !open {
			return nil
		}
		_, rest, found := strings.Cut(printed, before)
		words := strings.Fields(rest)
		if !found || len(words) == 0 {
			return fmt.Errorf("line %d: nothing was printed behind %q", c.line, before)
		}
		c.text = before + words[0] + after
	}
}

// matches tells whether the output is what the document says.
func (c *command) matches(output string) bool {
	return len(c.want) == 0 || matchLines(c.want, strings.Split(strings.TrimRight(output, "\n"), "\n"))
}

const anything = "…"

func matchLines(want, got []string) bool {
	switch {
	case len(want) == 0:
		return len(got) == 0
	case want[0] == anything:
		for skip := range len(got) + 1 {
			if matchLines(want[1:], got[skip:]) {
				return true
			}
		}
		return false
	case len(got) == 0:
		return false
	}
	return matchLine(want[0], got[0]) && matchLines(want[1:], got[1:])
}

var spaces = regexp.MustCompile(`[ \t]+`)

func matchLine(want, got string) bool {
	parts := strings.Split(normal(want), anything)
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile("^" + strings.Join(parts, ".*") + "$").MatchString(normal(got))
}

func normal(line string) string {
	return strings.TrimSpace(spaces.ReplaceAllString(line, " "))
}
