package pki

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Vault keeps what several control hosts have in common. Revision 0 is of what
// is not there; Put writes only if the revision is still the same.
type Vault interface {
	Get(ctx context.Context) (value []byte, revision int64, err error)
	Put(ctx context.Context, value []byte, revision int64) (written bool, err error)
}

// shared is what the vault has: the authority's certificate, which is no secret,
// and the keys, sealed with the hosts' common secret. Without a secret there are
// no keys, and only the host that has them can be a control host.
type shared struct {
	Authority []byte `json:"authority"`
	Salt      []byte `json:"salt,omitempty"`
	Sealed    []byte `json:"sealed,omitempty"`
}

// keys are what is sealed.
type keys struct {
	Authority      []byte `json:"authority"`
	ServiceAccount []byte `json:"serviceAccount"`
}

// MinSecret is the shortest secret that is taken, in bytes.
const MinSecret = 16

// derivations makes guessing a short secret slow.
const derivations = 600_000

// sharedFiles are those of the directory that all control hosts have alike.
func sharedFiles() []string { return []string{"ca.crt", "ca.key", "service-account.key"} }

// Share sees to it that the authority and the keys in dir are those of the vault,
// before Open. The first host puts its own there, of several at the same moment
// one; the others get them. A dir with another authority is an error.
func Share(ctx context.Context, o Options, vault Vault, secret []byte) error {
	for {
		again, err := share(ctx, o, vault, secret)
		if err != nil {
			return fmt.Errorf("pki: %w", err)
		}
		if !again {
			return nil
		}
	}
}

func share(ctx context.Context, o Options, vault Vault, secret []byte) (again bool, err error) {
	value, revision, err := vault.Get(ctx)
	if err != nil {
		return false, err
	}
	have, err := readShared(o.Dir)
	if err != nil {
		return false, err
	}
	if revision == 0 {
		return contribute(ctx, o, vault, have, secret)
	}
	var theirs shared
	if err := json.Unmarshal(value, &theirs); err != nil {
		return false, fmt.Errorf("the control hosts' certificates in the store: %w", err)
	}
	if have == nil {
		return false, theirs.fetch(o.Dir, secret)
	}
	if !bytes.Equal(bytes.TrimSpace(have["ca.crt"]), bytes.TrimSpace(theirs.Authority)) {
		return false, fmt.Errorf("%s is not the authority of the cluster in the store: move the folder away to be a control host of that cluster", filepath.Join(o.Dir, "ca.crt"))
	}
	if len(theirs.Sealed) > 0 || len(secret) == 0 {
		return false, nil
	}
	written, err := put(ctx, vault, have, secret, revision) // it had none before
	return !written, err
}

// contribute puts this host's authority into an empty vault. With a secret it is
// made there first: a host that ends in between finds it again.
func contribute(ctx context.Context, o Options, vault Vault, have map[string][]byte, secret []byte) (again bool, err error) {
	made := have
	if made == nil {
		if made, err = makeShared(o); err != nil {
			return false, err
		}
	}
	if have == nil && len(secret) == 0 {
		if err := writeShared(o.Dir, made); err != nil {
			return false, err
		}
		have = made
	}
	written, err := put(ctx, vault, made, secret, 0)
	if err != nil || !written {
		return !written, err
	}
	if have == nil {
		return false, writeShared(o.Dir, made)
	}
	return false, nil
}

// makeShared makes an authority and keys in a folder that is gone afterwards.
func makeShared(o Options) (map[string][]byte, error) {
	if err := os.MkdirAll(filepath.Dir(o.Dir), 0o700); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(filepath.Dir(o.Dir), "pki-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	o.Dir = dir
	if _, err := Open(o); err != nil {
		return nil, err
	}
	return readShared(dir)
}

// readShared is nil where there is no authority yet.
func readShared(dir string) (map[string][]byte, error) {
	found := map[string][]byte{}
	for _, name := range sharedFiles() {
		data, err := os.ReadFile(filepath.Join(dir, name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, nil
		case err != nil:
			return nil, err
		}
		found[name] = data
	}
	return found, nil
}

// writeShared writes the certificate last: without it nothing is there.
func writeShared(dir string, files map[string][]byte) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, name := range []string{"service-account.key", "ca.key", "ca.crt"} {
		if err := WriteFile(filepath.Join(dir, name), files[name], 0o600); err != nil {
			return err
		}
	}
	return nil
}

func put(ctx context.Context, vault Vault, files map[string][]byte, secret []byte, revision int64) (bool, error) {
	s := shared{Authority: files["ca.crt"]}
	if len(secret) > 0 {
		if err := s.seal(keys{files["ca.key"], files["service-account.key"]}, secret); err != nil {
			return false, err
		}
	}
	value, err := json.Marshal(s)
	if err != nil {
		return false, err
	}
	return vault.Put(ctx, value, revision)
}

// fetch makes dir another control host's.
func (s *shared) fetch(dir string, secret []byte) error {
	switch {
	case len(secret) == 0:
		return errors.New("the store has a cluster of another control host already: set orchestrator.etcd.secret_file, on every control host the same")
	case len(s.Sealed) == 0:
		return errors.New("the first control host keeps its certificates to itself: set orchestrator.etcd.secret_file there, and start it again")
	}
	k, err := s.open(secret)
	if err != nil {
		return err
	}
	return writeShared(dir, map[string][]byte{"ca.crt": s.Authority, "ca.key": k.Authority, "service-account.key": k.ServiceAccount})
}

func (s *shared) seal(k keys, secret []byte) error {
	s.Salt = make([]byte, sha256.Size)
	if _, err := rand.Read(s.Salt); err != nil {
		return err
	}
	aead, err := s.cipher(secret)
	if err != nil {
		return err
	}
	plain, err := json.Marshal(k)
	if err != nil {
		return err
	}
	s.Sealed = aead.Seal(nil, nil, plain, s.Authority)
	return nil
}

func (s *shared) open(secret []byte) (k keys, err error) {
	aead, err := s.cipher(secret)
	if err != nil {
		return k, err
	}
	plain, err := aead.Open(nil, nil, s.Sealed, s.Authority)
	if err != nil {
		return k, errors.New("orchestrator.etcd.secret_file has not the secret of the other control hosts")
	}
	return k, json.Unmarshal(plain, &k)
}

// cipher makes its nonces itself.
func (s *shared) cipher(secret []byte) (cipher.AEAD, error) {
	key, err := pbkdf2.Key(sha256.New, string(bytes.TrimSpace(secret)), s.Salt, derivations, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
