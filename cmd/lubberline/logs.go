package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lubberline/lubberline/up"
)

// logsFlags say which records are wanted.
type logsFlags struct {
	url, tokenFile          string
	namespace, container    string
	controller, text, level string
	since                   time.Duration
	tail                    int
	follow                  bool
}

func logsCommand() *cobra.Command {
	var flags logsFlags
	cmd := &cobra.Command{
		Use:   "logs [POD]",
		Short: "Log lines and events as they are stored, also of pods that are gone",
		Long: "Log lines and Kubernetes events as the aggregator has stored them: of pods that run and of those that are gone,\n" +
			"of all containers and restarts in one, oldest first.",
		Example: "  lubberline logs web-7xk2p -n shop\n  lubberline logs -n shop --controller Deployment/web --level error --since 24h",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.print(cmd.Context(), cmd.OutOrStdout(), args)
		},
	}
	f := cmd.Flags()
	f.StringVar(&flags.url, "url", "http://"+up.DefaultConfig().Aggregator.HTTP, "the aggregator's")
	f.StringVar(&flags.tokenFile, "token-file", "", "file with the aggregator's bearer token")
	f.StringVarP(&flags.namespace, "namespace", "n", "", "namespace (default: default with a POD, else all)")
	f.StringVarP(&flags.container, "container", "c", "", "container (default: all, and the pod's events)")
	f.StringVar(&flags.controller, "controller", "", "pods of this controller, as Deployment/web")
	f.StringVar(&flags.text, "text", "", "only lines with this text")
	f.StringVar(&flags.level, "level", "", "only lines of these levels, separated by commas")
	f.DurationVar(&flags.since, "since", time.Hour, "how far back")
	f.IntVar(&flags.tail, "tail", 1000, "at most so many, the newest")
	f.BoolVarP(&flags.follow, "follow", "f", false, "go on with new ones")
	return cmd
}

func (l *logsFlags) query(args []string) url.Values {
	q := url.Values{"format": {"text"}, "order": {"tail"}, "start": {"now-" + l.since.String()}, "limit": {strconv.Itoa(l.tail)}}
	set := func(name, value string) {
		if value != "" {
			q.Set(name, value)
		}
	}
	if len(args) == 1 {
		q.Set("pod", args[0])
		q.Set("namespace", "default")
	}
	set("namespace", l.namespace)
	set("container", l.container)
	set("controller", l.controller)
	set("text", l.text)
	set("level", l.level)
	if l.follow {
		q.Set("follow", "true")
		q.Del("order")
	}
	return q
}

func (l *logsFlags) print(ctx context.Context, out io.Writer, args []string) error {
	address := strings.TrimSuffix(l.url, "/") + "/api/v1/logs?" + l.query(args).Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return fmt.Errorf("logs: %w", err)
	}
	if l.tokenFile != "" {
		token, err := os.ReadFile(l.tokenFile)
		if err != nil {
			return fmt.Errorf("logs: %w", err)
		}
		request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("logs: %w: is `lubberline up` running?", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 4096))
		return fmt.Errorf("logs: %s: %s", answer.Status, strings.TrimSpace(string(text)))
	}
	if _, err := io.Copy(out, answer.Body); err != nil && ctx.Err() == nil {
		return fmt.Errorf("logs: %w", err)
	}
	return nil
}
