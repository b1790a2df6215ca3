package pki

import (
	"fmt"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// cluster is what a kubeconfig calls us.
const cluster = "lubberline"

// Kubeconfig writes a file, mode 0600, with which clients reach server (a URL)
// as the pair's user, and writes it again whenever the pair is renewed.
func (p *PKI) Kubeconfig(path, server string, pair *Pair) error {
	write := func() error {
		certificate, key := pair.CurrentCertKeyContent()
		data, err := clientcmd.Write(p.kubeconfig(server, pair.request.User, certificate, key))
		if err != nil {
			return err
		}
		return WriteFile(path, data, 0o600)
	}
	if err := write(); err != nil {
		return fmt.Errorf("kubeconfig %s: %w", path, err)
	}
	pair.OnRenewal(func() {
		if err := write(); err != nil {
			p.log.Error("kubeconfig is not renewed", "path", path, "error", err)
		}
	})
	return nil
}

func (p *PKI) kubeconfig(server, user string, certificate, key []byte) clientcmdapi.Config {
	return clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{cluster: {Server: server, CertificateAuthorityData: p.authorityPEM}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{user: {ClientCertificateData: certificate, ClientKeyData: key}},
		Contexts:       map[string]*clientcmdapi.Context{cluster: {Cluster: cluster, AuthInfo: user}},
		CurrentContext: cluster,
	}
}
