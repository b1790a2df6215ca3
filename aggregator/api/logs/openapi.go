package logs

import _ "embed"

//go:embed openapi.yaml
var openAPI []byte

// OpenAPI is the description of the paths, OpenAPI 3 in YAML. The slice is the
// caller's.
func OpenAPI() []byte { return append([]byte(nil), openAPI...) }
