// Package cri connects to a container runtime that speaks CRI v1.
package cri

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// maxMessage bounds one answer: lists of many containers exceed gRPC's 4 MiB.
const maxMessage = 16 << 20

// Client is one connection to a runtime. Its calls are safe in parallel; while
// the runtime is away they fail with Unavailable, and the connection comes back
// by itself.
type Client struct {
	runtimeapi.RuntimeServiceClient
	// Images is the runtime's image service on the same connection.
	Images runtimeapi.ImageServiceClient
	conn   *grpc.ClientConn
}

// Dial prepares the connection to a unix socket, given as a path or with
// unix:// before it. It does not wait for the runtime.
func Dial(socket string) (*Client, error) {
	path := strings.TrimPrefix(socket, "unix://")
	if path == "" {
		return nil, fmt.Errorf("connect to the container runtime: no socket given")
	}
	conn, err := grpc.NewClient("passthrough:///"+path,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithAuthority("localhost"),
		grpc.WithContextDialer(func(ctx context.Context, path string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second},
			MinConnectTimeout: 5 * time.Second,
		}))
	if err != nil {
		return nil, fmt.Errorf("connect to the container runtime at %s: %w", path, err)
	}
	return &Client{
		RuntimeServiceClient: runtimeapi.NewRuntimeServiceClient(conn),
		Images:               runtimeapi.NewImageServiceClient(conn),
		conn:                 conn,
	}, nil
}

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }
