package apiserver

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
)

// listeners are several addresses that are served as one.
type listeners struct {
	all      []net.Listener
	accepted chan net.Conn
	failed   chan error
	closed   chan struct{}
	once     sync.Once
}

// listen binds all addresses, or none.
func listen(addresses []string) (net.Listener, error) {
	l := &listeners{accepted: make(chan net.Conn), failed: make(chan error, len(addresses)), closed: make(chan struct{})}
	for _, address := range addresses {
		if l.covers(address) {
			continue
		}
		one, err := net.Listen("tcp", address)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("listen on %s: %w", address, err), l.Close())
		}
		l.all = append(l.all, one)
	}
	if len(l.all) == 0 {
		return nil, errors.New("no address to listen on")
	}
	for _, one := range l.all {
		go l.accept(one)
	}
	return l, nil
}

// covers says whether one that listens on all addresses has the port already.
func (l *listeners) covers(address string) bool {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	for _, one := range l.all {
		bound, ok := one.Addr().(*net.TCPAddr)
		if ok && port != "0" && strconv.Itoa(bound.Port) == port && bound.IP.IsUnspecified() {
			return bound.IP.To4() == nil || net.ParseIP(host).To4() != nil // those of IPv6 take IPv4 too
		}
	}
	return false
}

func (l *listeners) accept(one net.Listener) {
	for {
		conn, err := one.Accept()
		if err != nil {
			l.failed <- err
			return
		}
		select {
		case l.accepted <- conn:
		case <-l.closed:
			_ = conn.Close()
		}
	}
}

func (l *listeners) Accept() (net.Conn, error) {
	select {
	case conn := <-l.accepted:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case err := <-l.failed:
		return nil, err
	}
}

func (l *listeners) Close() error {
	var errs []error
	l.once.Do(func() {
		close(l.closed)
		for _, one := range l.all {
			errs = append(errs, one.Close())
		}
	})
	return errors.Join(errs...)
}

// Addr is the first address.
func (l *listeners) Addr() net.Addr { return l.all[0].Addr() }
