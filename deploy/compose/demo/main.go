// Command lubberline-demo gives the compose stack something to look at: a small
// web shop whose load rises and falls, that logs as programs do, and now and
// then has a bad minute.
//
//	lubberline-demo shop :8080
//	lubberline-demo customers http://shop:8080
//	lubberline-demo health http://127.0.0.1:8080/healthz
package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	if err := run(ctx, log, os.Args[1:]); err != nil {
		log.Error("the demo ends", "error", err.Error())
		os.Exit(1)
	}
}

func run(ctx context.Context, log *slog.Logger, args []string) error {
	if len(args) == 2 {
		switch args[0] {
		case "shop":
			return newShop(log).serve(ctx, args[1])
		case "customers":
			return newCustomers(log, args[1]).shop(ctx)
		case "health":
			return newCustomers(log, args[1]).step(ctx, http.MethodGet, args[1])
		}
	}
	return fmt.Errorf("%q: want shop ADDRESS, customers URL or health URL", args)
}
