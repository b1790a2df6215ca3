package join

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apiserver/pkg/authentication/user"
	genericrequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/utils/clock"

	"github.com/lubberline/lubberline/orchestrator/pki"
)

// maxRequest bounds a request's body, in bytes.
const maxRequest = 64 << 10

// nodeUser is before a node's name in its user's.
const nodeUser = "system:node:"

// Signer issues certificates.
type Signer interface {
	CA() []byte
	SignRequest(requestPEM []byte, r pki.Request, server bool) ([]byte, error)
}

// ServerOptions is what a server is made of.
type ServerOptions struct {
	Signer  Signer
	Objects Objects
	// Names is where several servers agree on names that are promised; nil where
	// there is only one.
	Names Names
	// Cluster is what nodes are told.
	Cluster Cluster
	Clock   clock.PassiveClock // nil is the system's
	Logger  *slog.Logger
}

// Names are those of machines that have not registered yet.
type Names interface {
	// Promise gives the name to the machine for a time, unless another has it,
	// and returns which one has.
	Promise(ctx context.Context, name string, machine netip.Addr, life time.Duration) (has string, err error)
}

// Server gives certificates to machines. It relies on the API server to have
// put the user into the request's context.
type Server struct {
	o ServerOptions

	mu       sync.Mutex
	promised map[string]promise // by name, of nodes that are not registered yet
}

// promise is a name that a machine has got and not used yet.
type promise struct {
	address netip.Addr
	ends    time.Time
}

// promiseTime is how long a machine may take to register after it was let in.
const promiseTime = 2 * time.Minute

// NewServer makes a server.
func NewServer(o ServerOptions) *Server {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	return &Server{o: o, promised: map[string]promise{}}
}

// ServeCA answers PathCA.
func (s *Server) ServeCA(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		http.Error(w, "only GET", http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Content-Type", "application/x-pem-file")
	_, _ = w.Write(s.o.Signer.CA())
}

// ServeJoin answers PathJoin.
func (s *Server) ServeJoin(w http.ResponseWriter, r *http.Request) {
	answer, err := s.join(w, r)
	var refused refusal
	switch {
	case errors.As(err, &refused):
		s.o.Logger.Warn("a machine is refused", "from", r.RemoteAddr, "reason", refused.Error())
		http.Error(w, refused.Error(), refused.status)
		return
	case err != nil:
		s.o.Logger.Error("a machine cannot be let in", "from", r.RemoteAddr, "error", err)
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		s.o.Logger.Debug("a machine does not hear its answer", "from", r.RemoteAddr, "error", err)
	}
}

// refusal is an error of the one who asks.
type refusal struct {
	status int
	error
}

func refuse(status int, format string, args ...any) error {
	return refusal{status, fmt.Errorf(format, args...)}
}

func (s *Server) join(w http.ResponseWriter, r *http.Request) (*Answer, error) {
	if r.Method != http.MethodPost {
		return nil, refuse(http.StatusMethodNotAllowed, "only POST")
	}
	var request Request
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest)).Decode(&request); err != nil {
		return nil, refuse(http.StatusBadRequest, "request: %w", err)
	}
	if problems := validation.IsDNS1123Subdomain(request.Node); len(problems) > 0 {
		return nil, refuse(http.StatusBadRequest, "node name %q: %s", request.Node, strings.Join(problems, "; "))
	}
	address, err := sourceOf(r, request.Address)
	if err != nil {
		return nil, err
	}
	if err := s.admit(r, request, address); err != nil {
		return nil, err
	}
	answer, err := sign(s.o.Signer, request, address, user.NodesGroup)
	if err != nil {
		return nil, err
	}
	s.o.Logger.Info("certificates issued", "node", request.Node, "address", address)
	answer.Cluster = s.o.Cluster
	return answer, nil
}

// sourceOf is where the request comes from. A server's certificate is given
// for no other address: its holder could pass for another machine.
func sourceOf(r *http.Request, wanted string) (netip.Addr, error) {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("peer %q: %w", r.RemoteAddr, err)
	}
	source, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("peer %q: %w", r.RemoteAddr, err)
	}
	source = source.Unmap().WithZone("")
	if wanted != "" && wanted != source.String() {
		return netip.Addr{}, refuse(http.StatusForbidden, "address %s: the request comes from %s, and a machine may have a certificate only for its own address", wanted, source)
	}
	return source, nil
}

// admit says whether the machine may have the name.
func (s *Server) admit(r *http.Request, request Request, address netip.Addr) error {
	if u, ok := genericrequest.UserFrom(r.Context()); ok && slices.Contains(u.GetGroups(), user.NodesGroup) {
		if name := strings.TrimPrefix(u.GetName(), nodeUser); name != request.Node {
			return refuse(http.StatusForbidden, "the certificate is that of node %q and renews no other's: not %q", name, request.Node)
		}
		return nil
	}
	if request.Token == "" {
		return refuse(http.StatusUnauthorized, "neither a token nor a node's certificate")
	}
	if err := checkToken(r.Context(), s.o.Objects, request.Token, s.o.Clock.Now()); err != nil {
		return refuse(http.StatusUnauthorized, "%w", err)
	}
	return s.reserve(r, request.Node, address)
}

// reserve gives a name to a machine unless another one has it.
func (s *Server) reserve(r *http.Request, name string, address netip.Addr) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Clock.Now()
	maps.DeleteFunc(s.promised, func(_ string, p promise) bool { return now.After(p.ends) })
	_, err := s.o.Objects.Node(r.Context(), name)
	switch {
	case err == nil:
		return refuse(http.StatusConflict, "a node %q is there already: give this machine another name (collector.node), or delete that node first "+
			"(kubectl delete node %s); a machine that comes back keeps its name by its data directory", name, name)
	case !apierrors.IsNotFound(err):
		return fmt.Errorf("node %s: %w", name, err)
	}
	if other, taken := s.promised[name]; taken && other.address != address {
		return refuse(http.StatusConflict, "the name %q has just been given to the machine %s", name, other.address)
	}
	if s.o.Names != nil {
		has, err := s.o.Names.Promise(r.Context(), name, address, promiseTime)
		if err != nil {
			return fmt.Errorf("node %s: %w", name, err)
		}
		if has != address.String() {
			return refuse(http.StatusConflict, "the name %q has just been given to the machine %s", name, has)
		}
	}
	s.promised[name] = promise{address, now.Add(promiseTime)}
	return nil
}

// sign issues both certificates; the client's user is in the groups.
func sign(signer Signer, request Request, address netip.Addr, groups ...string) (*Answer, error) {
	who := pki.Request{User: nodeUser + request.Node, Groups: groups}
	client, err := signer.SignRequest([]byte(request.Client), who, false)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "client: %w", err)
	}
	who.Hosts = []string{request.Node, address.String()}
	server, err := signer.SignRequest([]byte(request.Server), who, true)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "server: %w", err)
	}
	return &Answer{Client: string(client), Server: string(server), Address: address}, nil
}
