package lubberline

import (
	"encoding"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	aggregator "github.com/lubberline/lubberline/aggregator/app"
	collector "github.com/lubberline/lubberline/collector/app"
	"github.com/lubberline/lubberline/config"
	"github.com/lubberline/lubberline/up"
)

var yamlExample = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// TestExamplesOfTheConfigurationAreValid loads every example as the programs
// do.
func TestExamplesOfTheConfigurationAreValid(t *testing.T) {
	examples := yamlExample.FindAllStringSubmatch(configurationDoc(t), -1)
	require.GreaterOrEqual(t, len(examples), 6)
	for _, e := range examples {
		require.NoError(t, config.Decode([]byte(e[1]), up.DefaultConfig()), e[1])
		require.NoError(t, config.Decode([]byte(e[1]), collector.DefaultFile()), e[1])
	}
}

// TestEveryKeyIsDocumented compares the tables of docs/configuration.md with
// the types that the file is read into, both ways, and with their defaults.
func TestEveryKeyIsDocumented(t *testing.T) {
	tables := documentedKeys(t)
	defaults := up.DefaultConfig()
	defaults.Aggregator = aggregator.DefaultConfig() // without what `up` puts in its place
	whole := reflect.ValueOf(*defaults)
	compareKeys(t, tables, "", whole)
	for section, rows := range tables {
		for key := range rows {
			t.Errorf("docs/configuration.md: %q of section %q is no key", key, section)
		}
	}
}

// compareKeys looks each key of v up in the section's table, takes it out, and
// goes on with the sections below.
func compareKeys(t *testing.T, tables map[string]map[string]string, section string, v reflect.Value) {
	t.Helper()
	for i := range v.NumField() {
		key, field := v.Type().Field(i).Tag.Get("yaml"), v.Field(i)
		require.NotEmpty(t, key, "field %s without a key", v.Type().Field(i).Name)
		byDefault, ok := tables[section][key]
		if !ok {
			t.Errorf("docs/configuration.md: section %q lacks %q", section, key)
			continue
		}
		delete(tables[section], key)
		if text := plainDefault(field); text != "" {
			require.Contains(t, byDefault, "`"+text+"`", "default of %s in section %q", key, section)
		}
		if below := sectionType(field); below.IsValid() {
			compareKeys(t, tables, strings.TrimPrefix(section+"."+key, "."), below)
		}
	}
}

// sectionType is a value of the struct below a key, invalid where there is
// none. Lists are of their elements' type.
func sectionType(v reflect.Value) reflect.Value {
	t := v.Type()
	if t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer {
		t = t.Elem()
		v = reflect.Zero(t)
	}
	if _, text := reflect.New(t).Interface().(encoding.TextUnmarshaler); text || t.Kind() != reflect.Struct {
		return reflect.Value{}
	}
	return v
}

// plainDefault is how the table writes a default, empty for none and for
// sections.
func plainDefault(v reflect.Value) string {
	if s, ok := v.Interface().(fmt.Stringer); ok && !v.IsZero() && v.Kind() == reflect.Struct {
		return s.String() // a network
	}
	if v.IsZero() || v.Kind() == reflect.Struct {
		return ""
	}
	if d, ok := v.Interface().(time.Duration); ok {
		return strings.ReplaceAll(strings.ReplaceAll(d.String(), "m0s", "m"), "h0m", "h")
	}
	return fmt.Sprint(v.Interface())
}

var (
	heading = regexp.MustCompile("^##+ (.*)")
	name    = regexp.MustCompile("`([^`]+)`")
	row     = regexp.MustCompile("^\\| `(\\w+)` \\|[^|]*\\|([^|]*)\\|")
	ofEach  = regexp.MustCompile("^Each of `(\\w+)`:")
)

// documentedKeys reads the tables: the text of the default by section and key.
// A heading may name several sections, whose keys are the same.
func documentedKeys(t *testing.T) map[string]map[string]string {
	t.Helper()
	tables := map[string]map[string]string{}
	sections := []string{}
	for line := range strings.SplitSeq(configurationDoc(t), "\n") {
		if m := heading.FindStringSubmatch(line); m != nil {
			sections = sections[:0]
			for _, n := range name.FindAllStringSubmatch(m[1], -1) {
				sections = append(sections, n[1])
			}
			if m[1] == "The file itself" {
				sections = append(sections, "")
			}
		}
		if m := ofEach.FindStringSubmatch(line); m != nil {
			sections = []string{sections[0] + "." + m[1]}
		}
		if m := row.FindStringSubmatch(line); m != nil {
			for _, s := range sections {
				if tables[s] == nil {
					tables[s] = map[string]string{}
				}
				tables[s][m[1]] = m[2]
			}
		}
	}
	return tables
}

func configurationDoc(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("docs/configuration.md")
	require.NoError(t, err)
	return string(text)
}
