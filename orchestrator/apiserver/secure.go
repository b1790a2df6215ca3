package apiserver

import (
	"fmt"
	"net/http"

	"k8s.io/apiserver/pkg/apis/apiserver"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/group"
	"k8s.io/apiserver/pkg/authentication/request/anonymous"
	"k8s.io/apiserver/pkg/authentication/request/bearertoken"
	"k8s.io/apiserver/pkg/authentication/request/union"
	"k8s.io/apiserver/pkg/authentication/request/websocket"
	"k8s.io/apiserver/pkg/authentication/request/x509"
	"k8s.io/apiserver/pkg/authentication/user"
	genericserver "k8s.io/apiserver/pkg/server"
	"k8s.io/utils/clock"

	"github.com/lubberline/lubberline/orchestrator/apiserver/access"
	"github.com/lubberline/lubberline/orchestrator/apiserver/tokens"
)

// probeUser asks for the server's health.
var probeUser = &user.DefaultInfo{Name: user.APIServerUser, Groups: []string{user.SystemPrivilegedGroup}}

// secure sets who is let in and what they may do.
func (s *Server) secure(cfg *genericserver.Config) (err error) {
	s.issuer, err = tokens.NewIssuer("https://kubernetes.default.svc."+s.options.Domain, s.pki.TokenKey(), clock.RealClock{})
	if err != nil {
		return err
	}
	clients, err := s.pki.ClientCA()
	if err != nil {
		return err
	}
	cfg.SecureServing.ClientCA = clients
	s.tokens = group.NewTokenGroupAdder(tokens.NewAuthenticator(s.issuer, objects{s}), []string{user.AllAuthenticated})
	cfg.Authentication.APIAudiences = authenticator.Audiences{s.issuer.URL()}
	known := union.New(
		authenticator.RequestFunc(authenticateOwn),
		x509.NewDynamic(clients.VerifyOptions, x509.CommonNameUserConversion),
		bearertoken.New(s.tokens), websocket.NewProtocolAuthenticator(s.tokens),
	)
	cfg.Authentication.Authenticator = union.NewFailOnError(
		access.WithNodes(group.NewAuthenticatedGroupAdder(known), s.options.Roles),
		anonymous.NewAuthenticator([]apiserver.AnonymousAuthCondition{}),
	)
	s.access, err = access.New(s.options.Roles, objects{s}, newStoredRoles(s.informers))
	if err != nil {
		return err
	}
	cfg.Authorization.Authorizer, cfg.RuleResolver = s.access, s.access
	return nil
}

// publishIssuer answers how tokens are verified.
func (s *Server) publishIssuer() error {
	discovery, err := s.issuer.Discovery(fmt.Sprintf("https://%s%s", s.endpoint().address, tokens.KeysPath))
	if err != nil {
		return err
	}
	keys, err := s.issuer.Keys()
	if err != nil {
		return err
	}
	for path, handler := range map[string]http.Handler{tokens.DiscoveryPath: discovery, tokens.KeysPath: keys} {
		s.generic.Handler.NonGoRestfulMux.Handle(path, handler)
	}
	return nil
}
