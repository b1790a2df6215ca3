package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// loadNamespace has the many services: pods of other namespaces get no
	// variables of them.
	loadNamespace = "load"
	// flips is how often an endpoint is changed, flipPause the time between.
	flips     = 60
	flipPause = 100 * time.Millisecond
	// answerBound ends one question to a service.
	answerBound = time.Second
)

// answering accepts connections, says its word to each and closes it.
type answering struct {
	net.Listener
	port int32
}

func answer(address, word string) (*answering, error) {
	l, err := net.Listen("tcp4", net.JoinHostPort(address, "0"))
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, word) // who asked may be gone
			_ = conn.Close()
		}
	}()
	return &answering{l, int32(l.Addr().(*net.TCPAddr).Port)}, nil
}

// say is the word that answers at a service's address; empty where none does.
func say(ctx context.Context, address string) string {
	dialer := net.Dialer{Timeout: answerBound}
	conn, err := dialer.DialContext(ctx, "tcp4", net.JoinHostPort(address, "80"))
	if err != nil {
		return ""
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(answerBound)) // a connection takes deadlines
	word, _ := io.ReadAll(conn)                       // a reset says nothing either
	return string(word)
}

// manyServices are services without selectors, two slices of one endpoint each.
type manyServices struct {
	k         *kube
	a, b      *answering
	addresses []string
}

// bridgeAddress is the machine's on the pods' bridge: its endpoints are there.
const bridgeAddress = "10.197.0.1"

func (k *kube) manyServices(ctx context.Context) (m *manyServices, err error) {
	m = &manyServices{k: k}
	if m.a, err = answer(bridgeAddress, "a"); err != nil {
		return nil, err
	}
	if m.b, err = answer(bridgeAddress, "b"); err != nil {
		return nil, errors.Join(err, m.a.Close())
	}
	_, err = k.client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: loadNamespace}}, metav1.CreateOptions{})
	return m, err
}

func (m *manyServices) close() { _, _ = m.a.Close(), m.b.Close() } // they are open

// growth is the time that more services took.
type growth struct {
	rate   float64 // services a second, with their slices
	served float64 // seconds from the last creation to all of them answering
}

// grow makes services until there are n, and waits until the new ones answer.
func (m *manyServices) grow(ctx context.Context, n int) (g growth, err error) {
	from := len(m.addresses)
	m.addresses = append(m.addresses, make([]string, n-from)...)
	began := time.Now()
	err = each(ctx, n-from, func(i int) (err error) {
		name := fmt.Sprintf("s-%05d", from+i)
		if m.addresses[from+i], err = m.service(ctx, name); err != nil {
			return err
		}
		for suffix, port := range map[string]int32{"-a": m.a.port, "-b": m.b.port} {
			if _, err := m.slices().Create(ctx, sliceFor(name, suffix, port), metav1.CreateOptions{}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return g, err
	}
	created := time.Now()
	g.rate = float64(n-from) / created.Sub(began).Seconds()
	g.served, err = m.served(ctx, m.addresses[from:], created)
	return g, err
}

// served waits until each answers, the last ones first, and returns how many
// seconds after a moment that was. The questions after it are not counted when
// none had to wait.
func (m *manyServices) served(ctx context.Context, addresses []string, since time.Time) (seconds float64, err error) {
	for i := range addresses {
		waited := i == 0
		for address := addresses[len(addresses)-1-i]; say(ctx, address) == ""; waited = true {
			if time.Since(since) > time.Minute {
				return 0, fmt.Errorf("service %s does not answer", address)
			}
			if err := sleep(ctx, time.Millisecond); err != nil {
				return 0, err
			}
		}
		if waited {
			seconds = time.Since(since).Seconds()
		}
	}
	return seconds, nil
}

func (m *manyServices) service(ctx context.Context, name string) (address string, err error) {
	s, err := m.k.client.CoreV1().Services(loadNamespace).Create(ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}},
	}, metav1.CreateOptions{})
	if err != nil {
		return "", err
	}
	return s.Spec.ClusterIP, nil
}

func (m *manyServices) slices() sliceClient {
	return m.k.client.DiscoveryV1().EndpointSlices(loadNamespace)
}

// sliceClient is what is used of the client.
type sliceClient interface {
	Create(context.Context, *discoveryv1.EndpointSlice, metav1.CreateOptions) (*discoveryv1.EndpointSlice, error)
	Update(context.Context, *discoveryv1.EndpointSlice, metav1.UpdateOptions) (*discoveryv1.EndpointSlice, error)
}

func sliceFor(service, suffix string, port int32) *discoveryv1.EndpointSlice {
	return &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Name: service + suffix, Labels: map[string]string{discoveryv1.LabelServiceName: service}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{bridgeAddress}}},
		Ports:       []discoveryv1.EndpointPort{{Name: new(string), Port: &port}},
	}
}

// flip is the time of one change, in milliseconds.
type flip struct {
	written float64 // until the API has said that it has it
	reached float64 // until a new connection came to the new endpoint
}

// flip changes the one endpoint of a service to and fro.
func (m *manyServices) flip(ctx context.Context) (all []flip, err error) {
	name := "flip-" + strconv.Itoa(len(m.addresses))
	address, err := m.service(ctx, name)
	if err != nil {
		return nil, err
	}
	ports, words := [2]int32{m.a.port, m.b.port}, [2]string{"a", "b"}
	slice, err := m.slices().Create(ctx, sliceFor(name, "", ports[0]), metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	if _, err := m.served(ctx, []string{address}, time.Now()); err != nil {
		return nil, err
	}
	for i := 1; i <= flips; i++ {
		if err := sleep(ctx, flipPause); err != nil {
			return nil, err
		}
		slice.Ports[0].Port = &ports[i%2]
		began := time.Now()
		if slice, err = m.slices().Update(ctx, slice, metav1.UpdateOptions{}); err != nil {
			return nil, err
		}
		written := time.Since(began)
		for say(ctx, address) != words[i%2] {
			if err := sleep(ctx, 200*time.Microsecond); err != nil {
				return nil, err
			}
			if time.Since(began) > time.Minute {
				return nil, fmt.Errorf("a changed endpoint of %s is not reached", address)
			}
		}
		all = append(all, flip{milliseconds(written), milliseconds(time.Since(began))})
	}
	return all, nil
}

// changeFloor is the time of one change of an element in a table that holds
// nothing else, in milliseconds: what any program that runs nft cannot do without.
func changeFloor(ctx context.Context) (float64, error) {
	const script = `set -e
nft 'add table ip floor; add map ip floor m { type ipv4_addr : ipv4_addr; }'
for i in $(seq 100); do
  began=${EPOCHREALTIME/[.,]/}
  nft "add element ip floor m { 192.0.2.$i : 192.0.2.1 }"
  echo $(( ${EPOCHREALTIME/[.,]/} - began ))
done`
	out, err := exec.CommandContext(ctx, "unshare", "--net", "bash", "-c", script).Output()
	if err != nil {
		return 0, fmt.Errorf("floor of one change: %w", err)
	}
	var all []float64
	for text := range strings.FieldsSeq(string(out)) {
		us, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return 0, err
		}
		all = append(all, us/1000)
	}
	return median(all, same), nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
