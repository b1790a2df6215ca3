package influxdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// maxAnswerBytes bounds what is read of an answer.
const maxAnswerBytes = 256 << 20

// series is one series of an InfluxQL answer. Numbers are json.Number.
type series struct {
	Name    string            `json:"name"`
	Tags    map[string]string `json:"tags"`
	Columns []string          `json:"columns"`
	Values  [][]any           `json:"values"`
}

type answer struct {
	Error   string `json:"error"`
	Message string `json:"message"` // 2.x
	Results []struct {
		Error  string   `json:"error"`
		Series []series `json:"series"`
	} `json:"results"`
}

// influxQL runs one statement through /query, which both generations have; 2.x
// finds the bucket NAME as database NAME, and DATABASE/POLICY as such.
func influxQL(ctx context.Context, o *Options, statement string, withTarget bool) ([]series, error) {
	form := url.Values{"q": {statement}, "epoch": {"ns"}}
	if withTarget {
		db, rp := o.target()
		form.Set("db", db)
		form.Set("rp", rp)
	}
	if o.Org != "" {
		form.Set("org", o.Org)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(o.URL, "/")+"/query", strings.NewReader(form.Encode()))
	if err != nil {
		return nil, fmt.Errorf("influxdb: query: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if token := o.token(); token != "" {
		req.Header.Set("Authorization", "Token "+token)
	}
	res, err := o.HTTPClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("influxdb: query: %w", err)
	}
	defer res.Body.Close()
	return decodeAnswer(res.StatusCode, io.LimitReader(res.Body, maxAnswerBytes))
}

// target is the database and retention policy of InfluxQL.
func (o *Options) target() (db, rp string) {
	if o.Database != "" {
		return o.Database, o.RetentionPolicy
	}
	db, rp, found := strings.Cut(o.Bucket, "/")
	if !found {
		rp = "autogen"
	}
	return db, rp
}

func decodeAnswer(status int, body io.Reader) ([]series, error) {
	d := json.NewDecoder(body)
	d.UseNumber()
	var a answer
	if err := d.Decode(&a); err != nil {
		return nil, fmt.Errorf("influxdb: read the answer (%d): %w", status, err)
	}
	if a.Error != "" || a.Message != "" || status/100 != 2 {
		return nil, fmt.Errorf("influxdb: query answered %d: %s%s", status, a.Error, a.Message)
	}
	var all []series
	for _, r := range a.Results {
		if r.Error != "" {
			return nil, errors.New("influxdb: query: " + r.Error)
		}
		all = append(all, r.Series...)
	}
	return all, nil
}

// quoteName quotes a name, quoteText a value, for InfluxQL.
func quoteName(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}

func quoteText(s string) string {
	return `'` + strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`).Replace(s) + `'`
}
