package validation

import (
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

// messages are the errors as a client sees them.
func messages(errs field.ErrorList) []string {
	var all []string
	for _, err := range errs {
		all = append(all, err.Error())
	}
	return all
}

// parse reads an object from YAML and gives it what every stored object has.
func parse[T runtime.Object](t *testing.T, text string) T {
	t.Helper()
	content, err := yaml.YAMLToJSON([]byte(text))
	require.NoError(t, err, text)
	object, _, err := scheme.Codecs.UniversalDeserializer().Decode(content, nil, nil)
	require.NoError(t, err, text)
	typed, ok := object.(T)
	require.True(t, ok, "kind of %s", text)
	return typed
}

// stored gives two versions of an object what the store gives.
func stored(objects ...metav1.Object) {
	for _, o := range objects {
		o.SetResourceVersion("1")
		o.SetUID("u")
	}
}

// creation is an object in YAML and the errors that it gets.
type creation struct {
	name, object string
	errors       []string
}

func testCreate[T runtime.Object](t *testing.T, check func(T) field.ErrorList, cases []creation) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.errors, messages(check(parse[T](t, c.object))))
		})
	}
}

// change is two versions of an object and the errors that the change gets.
type change struct {
	name, old, new string
	errors         []string
}

func testUpdate[T interface {
	runtime.Object
	metav1.Object
}](t *testing.T, check func(new, old T) field.ErrorList, cases []change) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			old, new := parse[T](t, c.old), parse[T](t, c.new)
			stored(old, new)
			require.Equal(t, c.errors, messages(check(new, old)))
		})
	}
}
