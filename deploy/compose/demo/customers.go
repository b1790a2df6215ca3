package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"time"
)

// Customers come in waves: between least and most a second.
const (
	least = 2.0
	most  = 30.0
	wave  = 5 * time.Minute
)

// customers go through the shop at url, one after the other.
type customers struct {
	log    *slog.Logger
	url    string
	client http.Client
	served int
}

func newCustomers(log *slog.Logger, url string) *customers {
	return &customers{log: log, url: url, client: http.Client{Timeout: 5 * time.Second}}
}

func (c *customers) shop(ctx context.Context) error {
	begin := time.Now()
	for ctx.Err() == nil {
		if err := c.visit(ctx); err != nil && ctx.Err() == nil {
			c.log.Error("the shop does not serve", "error", err.Error())
		}
		if c.served%100 == 0 {
			c.log.Info("customers were served", "customers", c.served)
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(float64(time.Second) / rate(time.Since(begin)))):
		}
	}
	return nil
}

// rate is how many customers come a second.
func rate(since time.Duration) float64 {
	phase := 2 * math.Pi * float64(since%wave) / float64(wave)
	return least + (most-least)*(1-math.Cos(phase))/2
}

// visit is one customer: looks around, fills a basket, and every other one pays.
func (c *customers) visit(ctx context.Context) error {
	c.served++
	steps := [][2]string{{http.MethodGet, "/articles"}, {http.MethodPost, "/basket"}}
	if c.served%2 == 0 {
		steps = append(steps, [2]string{http.MethodPost, fmt.Sprintf("/checkout?order=%d", c.served)})
	}
	for _, s := range steps {
		if err := c.step(ctx, s[0], c.url+s[1]); err != nil {
			return err
		}
	}
	return nil
}

func (c *customers) step(ctx context.Context, method, url string) error {
	r, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return err
	}
	res, err := c.client.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode >= 400 {
		return fmt.Errorf("%s %s: %s", method, url, res.Status)
	}
	return nil
}
