package api

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
)

func TestEveryKindIsItsOwnInternalForm(t *testing.T) {
	s := Scheme()
	require.Len(t, Versions(s), 12)
	for _, version := range Versions(s) {
		for kind, published := range s.KnownTypes(version) {
			if published.PkgPath() == "k8s.io/apimachinery/pkg/apis/meta/v1" {
				continue
			}
			internal, err := s.New(version.WithKind(kind).GroupKind().WithVersion(runtime.APIVersionInternal))
			require.NoError(t, err, "%s %s", version, kind)
			if version.Group != eventsv1.GroupName {
				same, err := s.New(version.WithKind(kind))
				require.NoError(t, err)
				require.IsType(t, same, internal)
			}
		}
	}
}

// full is an event in which every field says something.
func full() *corev1.Event {
	at := metav1.NewTime(time.Unix(1000, 0))
	return &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Name: "e", Namespace: "x"},
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "x", Name: "p", UID: "1", FieldPath: "spec"},
		Reason:         "Because", Message: "it was so", Source: corev1.EventSource{Component: "c", Host: "h"},
		FirstTimestamp: at, LastTimestamp: metav1.NewTime(time.Unix(2000, 0)), Count: 3, Type: "Normal",
		EventTime: metav1.NewMicroTime(time.Unix(3000, 0)), Series: &corev1.EventSeries{Count: 4, LastObservedTime: metav1.NewMicroTime(time.Unix(4000, 0))},
		Action: "acted", Related: &corev1.ObjectReference{Name: "r"}, ReportingController: "rc", ReportingInstance: "ri",
	}
}

func TestEventsLoseNothingBetweenTheirGroups(t *testing.T) {
	s := Scheme()
	there, err := s.ConvertToVersion(full(), eventsv1.SchemeGroupVersion)
	require.NoError(t, err)
	require.Equal(t, "it was so", there.(*eventsv1.Event).Note)
	back := &corev1.Event{}
	require.NoError(t, s.Convert(there, back, nil))
	require.Equal(t, full(), back)

	list := &corev1.EventList{ListMeta: metav1.ListMeta{ResourceVersion: "5", Continue: "c"}, Items: []corev1.Event{*full(), *full()}}
	listThere, err := s.ConvertToVersion(list, eventsv1.SchemeGroupVersion)
	require.NoError(t, err)
	listBack := &corev1.EventList{}
	require.NoError(t, s.Convert(listThere, listBack, nil))
	require.Equal(t, list, listBack)
}

func TestParametersBecomeOptions(t *testing.T) {
	codec := runtime.NewParameterCodec(Scheme())
	decode := func(query string, into runtime.Object) error {
		values, err := url.ParseQuery(query)
		require.NoError(t, err)
		return codec.DecodeParameters(values, corev1.SchemeGroupVersion, into)
	}
	var log corev1.PodLogOptions
	require.NoError(t, decode("container=c&follow=true&tailLines=5&sinceSeconds=7&limitBytes=9&timestamps=1&stream=Stderr&sinceTime=1970-01-01T00:00:10Z", &log))
	require.Equal(t, corev1.PodLogOptions{
		Container: "c", Follow: true, TailLines: ptr.To[int64](5), SinceSeconds: ptr.To[int64](7), LimitBytes: ptr.To[int64](9), Timestamps: true,
		Stream: ptr.To("Stderr"), SinceTime: log.SinceTime,
	}, log)
	require.Equal(t, int64(10), log.SinceTime.Unix())
	require.Error(t, decode("tailLines=many", &corev1.PodLogOptions{}))

	var exec corev1.PodExecOptions
	require.NoError(t, decode("command=a&command=b+c&stdin=true&stdout=1&tty=false&container=c", &exec))
	require.Equal(t, corev1.PodExecOptions{Command: []string{"a", "b c"}, Stdin: true, Stdout: true, Container: "c"}, exec)

	var forward corev1.PodPortForwardOptions
	require.NoError(t, decode("ports=80,443", &forward))
	require.Equal(t, []int32{80, 443}, forward.Ports)
	require.Error(t, decode("ports=http", &corev1.PodPortForwardOptions{}))
}

func TestFieldLabels(t *testing.T) {
	s := Scheme()
	label, value, err := s.ConvertFieldLabel(corev1.SchemeGroupVersion.WithKind("Pod"), "spec.nodeName", "n")
	require.NoError(t, err)
	require.Equal(t, []string{"spec.nodeName", "n"}, []string{label, value})
	label, _, err = s.ConvertFieldLabel(eventsv1.SchemeGroupVersion.WithKind("Event"), "regarding.name", "p")
	require.NoError(t, err)
	require.Equal(t, "involvedObject.name", label)
	_, _, err = s.ConvertFieldLabel(corev1.SchemeGroupVersion.WithKind("Pod"), "spec.image", "x")
	require.EqualError(t, err, "field label not supported: spec.image")
}

func FuzzParameters(f *testing.F) {
	codec := runtime.NewParameterCodec(Scheme())
	f.Add("container=c&tailLines=5&sinceTime=x&ports=1,2&command=&stdin")
	f.Fuzz(func(_ *testing.T, query string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		for _, into := range []runtime.Object{&corev1.PodLogOptions{}, &corev1.PodExecOptions{}, &corev1.PodAttachOptions{}, &corev1.PodPortForwardOptions{}, &corev1.NodeProxyOptions{}} {
			_ = codec.DecodeParameters(values, corev1.SchemeGroupVersion, into)
		}
	})
}
