package tokens

import (
	"crypto/ecdsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
)

// DiscoveryPath and KeysPath are where others learn how to verify our tokens.
const (
	DiscoveryPath = "/.well-known/openid-configuration"
	KeysPath      = "/openid/v1/jwks"
)

// Discovery answers DiscoveryPath; keysURL is where KeysPath is reached.
func (i *Issuer) Discovery(keysURL string) (http.Handler, error) {
	return document("application/json", map[string]any{
		"issuer":                                i.url,
		"jwks_uri":                              keysURL,
		"response_types_supported":              []string{"id_token"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{i.method.Alg()},
	})
}

// Keys answers KeysPath.
func (i *Issuer) Keys() (http.Handler, error) {
	public, ok := i.key.Public().(*ecdsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("a %T has no form as JSON web key here", i.key.Public())
	}
	point, err := public.Bytes() // 4, x, y
	if err != nil {
		return nil, err
	}
	half := (len(point) - 1) / 2
	return document("application/jwk-set+json", map[string]any{"keys": []map[string]string{{
		"use": "sig", "kty": "EC", "kid": i.keyID, "alg": i.method.Alg(), "crv": public.Curve.Params().Name,
		"x": base64.RawURLEncoding.EncodeToString(point[1 : 1+half]),
		"y": base64.RawURLEncoding.EncodeToString(point[1+half:]),
	}}})
}

func document(contentType string, content any) (http.Handler, error) {
	data, err := json.Marshal(content)
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Cache-Control", "public, max-age=3600")
		_, _ = w.Write(data)
	}), nil
}
