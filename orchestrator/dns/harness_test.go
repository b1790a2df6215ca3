package dns

import (
	"context"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	mdns "github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
)

const waitFor, tick = 20 * time.Second, 10 * time.Millisecond

var loopback = netip.MustParseAddrPort("127.0.0.1:0")

func serviceIP() netip.Addr { return netip.MustParseAddr("10.96.0.10") }

func networks() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("10.244.0.0/16"), netip.MustParsePrefix("10.96.0.0/16"), netip.MustParsePrefix("fd00::/112")}
}

// serve runs a server for the test; change alters its options. Informers of a
// factory that is not the API server's own are started here.
func serve(t testing.TB, client kubernetes.Interface, factory informers.SharedInformerFactory, change ...func(*Options)) *Server {
	t.Helper()
	own := factory == nil
	if own {
		factory = informers.NewSharedInformerFactory(client, 0)
	}
	o := Options{
		Client: client, Informers: factory, Listen: []netip.AddrPort{loopback}, ServiceIP: serviceIP(), Networks: networks(),
		Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
	}
	for _, f := range change {
		f(&o)
	}
	s, err := New(o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	factory.Start(ctx.Done())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
		if own {
			factory.Shutdown()
		}
	})
	select {
	case <-s.Ready():
	case <-time.After(waitFor):
		require.Fail(t, "the DNS server is not ready")
	}
	return s
}

// offline serves objects of a client without an API server.
func offline(t testing.TB, objects []runtime.Object, change ...func(*Options)) *Server {
	t.Helper()
	for _, name := range []string{"default", "kube-system", "shop"} {
		objects = append(objects, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	return serve(t, fake.NewClientset(objects...), nil, change...)
}

func ask(t testing.TB, s *Server, network, name string, qtype uint16, change ...func(*mdns.Msg)) *mdns.Msg {
	t.Helper()
	m, err := exchange(s, network, name, qtype, change...)
	require.NoError(t, err, name)
	return m
}

func exchange(s *Server, network, name string, qtype uint16, change ...func(*mdns.Msg)) (*mdns.Msg, error) {
	q := new(mdns.Msg).SetQuestion(name, qtype)
	for _, f := range change {
		f(q)
	}
	client := &mdns.Client{Net: network, Timeout: waitFor, UDPSize: 4096}
	m, _, err := client.Exchange(q, s.Addresses()[0].String())
	return m, err
}

// lines are records as people write them, in order, without the class.
func lines(records []mdns.RR) []string {
	var all []string
	for _, r := range records {
		if r.Header().Rrtype == mdns.TypeOPT {
			continue
		}
		all = append(all, strings.ReplaceAll(strings.Join(strings.Fields(r.String()), " "), " IN ", " "))
	}
	return all
}

func decode[T any](t testing.TB, text string) *T {
	t.Helper()
	o := new(T)
	require.NoError(t, yaml.UnmarshalStrict([]byte(text), o))
	return o
}

func writeFile(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}
