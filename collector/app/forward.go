package app

import (
	"fmt"
	"net"

	"github.com/lubberline/lubberline/collector/forwardinput"
	"github.com/lubberline/lubberline/config"
	"github.com/lubberline/lubberline/forward"
	"github.com/lubberline/lubberline/listen"
	"github.com/lubberline/lubberline/spool"
)

// partsBytes caps the journal of lines whose end has not come yet.
const partsBytes = 128 << 20

// buildForwardInput takes Fluentd's forward protocol from this machine's
// programs and from Docker's fluentd log driver.
func (a *App) buildForwardInput(queue *spool.Spool, known *names) error {
	cfg := a.cfg.Forward
	if cfg.Listen == "" {
		return nil
	}
	key, err := config.Secret(cfg.SharedKeyFile)
	if err != nil {
		return fmt.Errorf("forward input: %w", err)
	}
	input, err := a.openForwardInput(queue, known)
	if err != nil {
		return err
	}
	listener, err := listen.BindForward(cfg.Listen, cfg.CertFile, cfg.KeyFile, key != "")
	if err != nil {
		return fmt.Errorf("forward input: %w", err)
	}
	if a.forward, err = a.serveForward("input", listener, key, input); err != nil {
		return err
	}
	a.ownLogs = a.forward.String()
	if key == "" && cfg.CertFile == "" {
		return nil
	}
	return a.serveOwnLogs(input)
}

func (a *App) openForwardInput(queue *spool.Spool, known *names) (*forwardinput.Input, error) {
	parts, err := spool.Open(spool.Options{Dir: a.path("spool/parts"), MaxBytes: partsBytes, Name: "parts", Logger: a.logger("spool"), Registerer: a.metrics})
	if err != nil {
		return nil, err
	}
	a.group.Close("spool of partial lines", parts)
	input, err := forwardinput.New(forwardinput.Options{
		Spool: queue, Parts: parts, Containers: known, Node: a.node, Logger: a.logger("forward"), Registerer: a.metrics,
	})
	if err != nil {
		return nil, err
	}
	a.group.Close("forward input", input)
	return input, nil
}

// serveOwnLogs opens a socket for our own records: the client that posts them
// knows neither TLS nor the shared key that the input asks of everybody else.
func (a *App) serveOwnLogs(input forward.Handler) error {
	address := "unix://" + a.path("own.sock")
	listener, err := listen.Bind(address)
	if err != nil {
		return fmt.Errorf("own logs: %w", err)
	}
	a.ownLogs = address
	_, err = a.serveForward("own", listener, "", input)
	return err
}

func (a *App) serveForward(name string, listener net.Listener, key string, handler forward.Handler) (net.Addr, error) {
	server, err := forward.NewServer(forward.Options{
		Name: name, Listeners: []net.Listener{listener}, Heartbeat: true,
		Credentials: forward.Credentials{Hostname: a.node, SharedKey: key}, Handler: handler,
		Logger: a.logger("forward"), Registerer: a.metrics,
	})
	if err != nil {
		return nil, err
	}
	a.group.Cleanup("forward listener", server.Shutdown) // in case Run never comes
	a.group.Serve("forward listener", server.Serve, server.Shutdown)
	return server.Addr(), nil
}
