package runtime

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lubberline/lubberline/collector/hostroot"
	"github.com/lubberline/lubberline/collector/reading"
)

// Options name the runtimes' sockets.
type Options struct {
	// Sockets are the paths by runtime (Docker, Containerd, CRIO, Podman). One
	// that does not exist is fine, now and later; an empty one is none.
	Sockets map[string][]string
	// ProcPath is where procfs is mounted; "/proc" when empty.
	ProcPath string
	// Root is where the runtimes' own paths, of logs and layers, are found.
	Root hostroot.Root
	// Timeout bounds each question; 2 s when zero.
	Timeout time.Duration
	// Logger may be nil.
	Logger *slog.Logger
	// Registerer takes the own metrics. May be nil.
	Registerer prometheus.Registerer
}

// DefaultSockets are where the runtimes listen by default. The map is the
// caller's.
func DefaultSockets() map[string][]string {
	return map[string][]string{
		Docker:     {"/var/run/docker.sock"},
		Containerd: {"/run/containerd/containerd.sock"},
		CRIO:       {"/run/crio/crio.sock"},
		Podman:     {"/run/podman/podman.sock"},
	}
}

// client asks one runtime at one socket.
type client interface {
	// container describes a container. final is false when the runtime will
	// soon know more: its process is not running yet.
	container(ctx context.Context, id string) (identity *reading.Identity, final bool, err error)
	// pod describes a pod by its uid.
	pod(ctx context.Context, uid string) (*reading.Identity, error)
	close() error
}

// errUnknown says that the runtime has no such container or pod.
var errUnknown = errors.New("not known to the runtime")

// endpoint is a runtime at a socket.
type endpoint struct {
	runtime, socket string
	client          client
	requests        outcomes
}

// Resolver names containers. It is safe for many goroutines.
type Resolver struct {
	endpoints []endpoint
	root      hostroot.Root
	timeout   time.Duration
	logger    *slog.Logger
	system    *reading.Identity // of everything that is no container

	mu      sync.Mutex           // guards what follows
	unknown map[string]time.Time // since when no runtime knows a container
	now     func() time.Time
}

// New prepares the resolver; it asks nothing yet. Close ends it.
func New(o Options) (*Resolver, error) {
	if o.ProcPath == "" {
		o.ProcPath = "/proc"
	}
	if o.Timeout == 0 {
		o.Timeout = 2 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	r := &Resolver{
		root: o.Root, timeout: o.Timeout, logger: o.Logger, system: &reading.Identity{},
		unknown: make(map[string]time.Time), now: time.Now,
	}
	m := newMetrics(o.Registerer)
	for name := range o.Sockets {
		if !slices.Contains(runtimes, name) {
			return nil, fmt.Errorf("unknown container runtime %q: want one of %v", name, runtimes)
		}
	}
	for _, name := range runtimes {
		for _, socket := range o.Sockets[name] {
			if socket == "" {
				continue
			}
			c, err := newClient(name, socket, o.ProcPath)
			if err != nil {
				return nil, errors.Join(fmt.Errorf("%s socket %q: %w", name, socket, err), r.Close())
			}
			r.endpoints = append(r.endpoints, endpoint{name, socket, c, m.of(name)})
		}
	}
	return r, nil
}

// runtimes are in the order in which they are asked for a container of which
// the path does not name the runtime.
var runtimes = []string{Docker, Podman, Containerd, CRIO}

func newClient(name, socket, proc string) (client, error) {
	if name == Docker || name == Podman {
		return newDocker(name, socket, proc), nil
	}
	return newCRI(name, socket, proc)
}

// Close lets go of the connections.
func (r *Resolver) Close() error {
	var errs []error
	for _, e := range r.endpoints {
		errs = append(errs, e.client.close())
	}
	return errors.Join(errs...)
}

// Identify says what a cgroup is. What is no container gets an empty identity.
// While the runtime cannot answer, a container gets what its path says, final
// is false, and err says why not; a socket that does not exist is no error.
func (r *Resolver) Identify(ctx context.Context, id string) (identity *reading.Identity, final bool, err error) {
	place := ParsePath(id)
	switch place.Kind {
	case Container:
		return r.ask(ctx, place, place.ContainerID, func(ctx context.Context, c client) (*reading.Identity, bool, error) {
			return c.container(ctx, place.ContainerID)
		})
	case Pod:
		return r.ask(ctx, place, place.PodUID, func(ctx context.Context, c client) (*reading.Identity, bool, error) {
			identity, err := c.pod(ctx, place.PodUID)
			return identity, err == nil, err
		})
	}
	return r.system, true, nil
}

// ask puts a question to the runtimes that may know the place, until one does.
func (r *Resolver) ask(
	ctx context.Context, place Place, key string, question func(context.Context, client) (*reading.Identity, bool, error),
) (*reading.Identity, bool, error) {
	var errs []error
	answered := false
	for _, e := range r.endpoints {
		if !e.mayKnow(place) {
			continue
		}
		identity, final, err := r.askOne(ctx, e, question)
		switch {
		case err == nil:
			if identity.PodUID == "" {
				identity.PodUID = place.PodUID
			}
			r.forgetUnknown(key)
			return identity, final, nil
		case errors.Is(err, errUnknown):
			answered = true
		case !errors.Is(err, fs.ErrNotExist):
			errs = append(errs, fmt.Errorf("ask %s at %q: %w", e.runtime, e.socket, err))
		}
	}
	final := answered && len(errs) == 0 && r.unknownForLong(key)
	return place.identity(), final, errors.Join(errs...)
}

func (r *Resolver) askOne(
	ctx context.Context, e endpoint, question func(context.Context, client) (*reading.Identity, bool, error),
) (*reading.Identity, bool, error) {
	if _, err := os.Stat(e.socket); err != nil {
		return nil, false, err
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	identity, final, err := question(ctx, e.client)
	e.requests.count(err)
	if identity != nil {
		identity.LogPath, identity.RootDir = r.root.Path(identity.LogPath), r.root.Path(identity.RootDir)
	}
	return identity, final, err
}

// mayKnow says whether the path leaves it possible that the runtime made it.
func (e *endpoint) mayKnow(p Place) bool {
	if p.Runtime != "" {
		return e.runtime == p.Runtime
	}
	return p.PodUID == "" || e.runtime != Podman
}

// giveUp is how long a runtime may go on not knowing a container: some list a
// pod's sandbox only when it is set up, well after its cgroup was made.
const giveUp = 30 * time.Second

// maxUnknown bounds Resolver.unknown; containers that went away stay in it.
const maxUnknown = 1024

func (r *Resolver) unknownForLong(key string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	since, ok := r.unknown[key]
	if !ok {
		if len(r.unknown) >= maxUnknown {
			clear(r.unknown)
		}
		r.unknown[key] = now
		return false
	}
	if now.Sub(since) < giveUp {
		return false
	}
	delete(r.unknown, key)
	return true
}

func (r *Resolver) forgetUnknown(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.unknown, key)
}
