// Package templatehash names a pod template by a hash of it.
package templatehash

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/fnv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/rand"
)

// Of depends on nothing but the template's fields and the number of collisions
// that were met; it can be part of a name and a label's value.
func Of(template *corev1.PodTemplateSpec, collisions *int32) string {
	h := fnv.New32a()
	_ = json.NewEncoder(h).Encode(template) // to a hash it cannot fail
	if collisions != nil {
		_ = binary.Write(h, binary.LittleEndian, *collisions)
	}
	return rand.SafeEncodeString(fmt.Sprint(h.Sum32()))
}
