package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"
)

// turns is in how many parts the time of each URL is cut, so that a busy moment
// of the machine meets all of them.
const turns = 8

// figures are what was found of one URL.
type figures struct {
	URL    string  `json:"url"`
	Kept   bool    `json:"kept"`   // connections, for many requests
	Rate   float64 `json:"rate"`   // requests per second
	Median float64 `json:"median"` // of an answer's time, in microseconds
	P99    float64 `json:"p99"`
}

// compare asks the URLs in turns, by new connections and then by kept ones.
func compare(length, clients string, urls []string) error {
	whole, err := time.ParseDuration(length)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(clients)
	if err != nil || n < 1 {
		return fmt.Errorf("clients %q: want a number", clients)
	}
	for _, kept := range []bool{false, true} {
		took := make([][]time.Duration, len(urls))
		for range turns {
			for i, url := range urls {
				more, err := flood(url, kept, n, whole/turns)
				if err != nil {
					return fmt.Errorf("%s: %w", url, err)
				}
				took[i] = append(took[i], more...)
			}
		}
		for i, url := range urls {
			if err := json.NewEncoder(os.Stdout).Encode(figuresOf(url, kept, whole, took[i])); err != nil {
				return err
			}
		}
	}
	return nil
}

func figuresOf(url string, kept bool, whole time.Duration, took []time.Duration) figures {
	slices.Sort(took)
	at := func(share float64) float64 {
		return float64(took[int(share*float64(len(took)-1))].Nanoseconds()) / 1000
	}
	return figures{URL: url, Kept: kept, Rate: float64(len(took)) / whole.Seconds(), Median: at(.5), P99: at(.99)}
}

// flood asks with n clients at a time, each one request after the other, and
// returns how long each took.
func flood(url string, kept bool, n int, length time.Duration) ([]time.Duration, error) {
	ctx, cancel := context.WithTimeout(context.Background(), length)
	defer cancel()
	took, errs := make([][]time.Duration, n), make([]error, n)
	var wait sync.WaitGroup
	for i := range n {
		wait.Go(func() {
			client := &http.Client{Timeout: bound, Transport: &http.Transport{DisableKeepAlives: !kept, DialContext: dial}}
			defer client.CloseIdleConnections()
			for ctx.Err() == nil && errs[i] == nil {
				began := time.Now()
				errs[i] = ask(client, url)
				took[i] = append(took[i], time.Since(began))
			}
		})
	}
	wait.Wait()
	return slices.Concat(took...), errors.Join(errs...)
}

func ask(client *http.Client, url string) error {
	answer, err := client.Get(url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err = io.Copy(io.Discard, answer.Body); err == nil && answer.StatusCode != http.StatusOK {
		err = errors.New(answer.Status)
	}
	return err
}

// dial makes connections that leave nothing behind at their end: with those that
// wait a minute a client would soon have no ports.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if tcp, ok := conn.(*net.TCPConn); ok {
		err = tcp.SetLinger(0)
	}
	return conn, err
}
