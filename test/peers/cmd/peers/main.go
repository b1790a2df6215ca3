// Command peers builds the real programs that the tests talk to into the
// repository's .cache folder.
//
//	peers build [NAME…]   build what is missing: all, or the named ones
//	peers list            print names and whether they are built
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/lubberline/lubberline/test/peers"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("usage: peers build [NAME…] | peers list")
	}
	switch args[0] {
	case "build":
		var names []peers.Name
		for _, arg := range args[1:] {
			names = append(names, peers.Name(arg))
		}
		return peers.Build(ctx, os.Stdout, names...)
	case "list":
		return list()
	default:
		return fmt.Errorf("unknown command %q", args[0])
	}
}

func list() error {
	for _, name := range peers.Names() {
		state := "built"
		if peers.Missing(name) != nil {
			state = "missing"
		}
		fmt.Printf("%-24s %s\n", name, state)
	}
	return nil
}
