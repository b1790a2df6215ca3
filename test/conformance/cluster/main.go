// Command cluster runs a program on a cluster of several machines that is made
// for it and removed afterwards.
//
//	cluster [-on 1,1,2] [-images ARCHIVE] [-logs DIR] COMMAND [ARGUMENT…]
//
// The command runs on the first machine, with KUBECONFIG set, and its exit code
// is ours.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/lubberline/lubberline/test/lab"
)

type options struct {
	on      []int
	images  string
	logs    string
	command []string
}

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	o, err := parse()
	if err == nil {
		err = run(ctx, o)
	}
	var failed *exec.ExitError
	switch {
	case errors.As(err, &failed):
		os.Exit(failed.ExitCode())
	case err != nil:
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

func parse() (o options, err error) {
	on := flag.String("on", "1,1,2", "the network of each machine: those on the same share a link, others are behind a router")
	flag.StringVar(&o.images, "images", "", "archive of images that every machine gets")
	flag.StringVar(&o.logs, "logs", "", "folder for what the machines print")
	flag.Parse()
	for text := range strings.SplitSeq(*on, ",") {
		network, err := strconv.Atoi(text)
		if err != nil || network < 1 || network > 254 {
			return o, fmt.Errorf("-on: %q: want numbers from 1 to 254", text)
		}
		o.on = append(o.on, network)
	}
	if o.command = flag.Args(); len(o.command) == 0 {
		return o, errors.New("no command")
	}
	return o, nil
}

func run(ctx context.Context, o options) (err error) {
	c, err := lab.Make(lab.Plan{Name: "conformance", On: o.on})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Clean()) }()
	defer func() { err = errors.Join(err, keepLogs(c, o.logs)) }()
	if err := c.Up(); err != nil {
		return err
	}
	if _, err := c.JoinAll(); err != nil {
		return err
	}
	if o.images != "" {
		err := c.Each(func(h *lab.Host) error {
			_, err := h.Lubberline("images", "import", "--socket", h.Socket(), o.images)
			return err
		})
		if err != nil {
			return err
		}
	}
	return c.Hosts[0].Do(func() error { return command(ctx, o.command, c.Hosts[0].Kubeconfig()) })
}

func command(ctx context.Context, words []string, kubeconfig string) error {
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}

func keepLogs(c *lab.Cluster, dir string) error {
	if dir == "" {
		return nil
	}
	errs := []error{os.MkdirAll(dir, 0o755)}
	for _, h := range c.Hosts {
		if h.Program != nil {
			errs = append(errs, os.WriteFile(filepath.Join(dir, h.Name+".log"), []byte(h.Out.String()), 0o644))
		}
	}
	return errors.Join(errs...)
}
