package notify

import (
	"embed"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"

	"github.com/prometheus/alertmanager/template"
)

//go:embed templates/*.tmpl
var builtIn embed.FS

// readTemplates reads Alertmanager's templates, ours, which replace what messages
// show by default, and then the user's.
func readTemplates(globs []string, external *url.URL) (*template.Template, error) {
	t, err := template.FromGlobs(nil)
	if err != nil {
		return nil, err
	}
	ours, err := builtIn.Open("templates/lubberline.tmpl")
	if err != nil {
		return nil, err
	}
	defer ours.Close()
	if err := t.Parse(ours); err != nil {
		return nil, fmt.Errorf("built-in templates: %w", err)
	}
	for _, glob := range globs {
		paths, err := filepath.Glob(glob)
		if err != nil {
			return nil, fmt.Errorf("templates: %q: %w", glob, err)
		}
		for _, path := range paths {
			if err := t.FromGlob(escaped(path)); err != nil {
				return nil, templateProblem(path, err)
			}
		}
	}
	t.ExternalURL = external
	return t, nil
}

var (
	special = regexp.MustCompile(`[*?\[\\]`)
	// position is how Go's templates name a place: "template: file.tmpl:3: …".
	position = regexp.MustCompile(`^(?:html/)?template: [^:]*:(\d+)(?::\d+)?: (.*)`)
)

// escaped makes a pattern that matches just the path.
func escaped(path string) string { return special.ReplaceAllString(path, `\$0`) }

func templateProblem(path string, err error) error {
	if m := position.FindStringSubmatch(err.Error()); m != nil {
		return &Problem{Path: path, Line: atoi(m[1]), Err: fmt.Errorf("%s", m[2])}
	}
	return &Problem{Path: path, Err: err}
}
