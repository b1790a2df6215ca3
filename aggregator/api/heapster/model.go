package heapster

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/lubberline/lubberline/aggregator/rollup"
	"github.com/lubberline/lubberline/catalog"
)

// objectPaths are the paths of everything that has figures, below /model and
// /historical alike.
var objectPaths = []struct {
	path string
	kind catalog.ObjectKind
}{
	{"", catalog.Cluster},
	{"nodes/{node}/", catalog.Node},
	{"nodes/{node}/freecontainers/{container...}/", catalog.SystemContainer},
	{"namespaces/{namespace}/", catalog.Namespace},
	{"namespaces/{namespace}/pods/{pod}/", catalog.Pod},
	{"namespaces/{namespace}/pods/{pod}/containers/{container...}/", catalog.PodContainer},
}

// listPaths are the paths of lists of names, and the kind of what they list the
// contents of.
var listPaths = []struct {
	path string
	what NameKind
	of   catalog.ObjectKind
}{
	{"nodes", NodeNames, catalog.Cluster},
	{"nodes/{node}/freecontainers", SystemContainerNames, catalog.Node},
	{"namespaces", NamespaceNames, catalog.Cluster},
	{"namespaces/{namespace}/pods", PodNames, catalog.Namespace},
	{"namespaces/{namespace}/pods/{pod}/containers", ContainerNames, catalog.Pod},
}

func (a *API) modelRoutes() []route {
	all := []route{newRoute("debug/allkeys", a.allKeys)}
	for _, l := range listPaths {
		all = append(all, newRoute(l.path, func(r *request) error { return a.modelNames(r, l.what, r.object(l.of)) }))
	}
	for _, o := range objectPaths {
		all = append(all,
			newRoute(o.path+"metrics", func(r *request) error { return a.modelMetrics(r, r.object(o.kind)) }),
			newRoute(o.path+"metrics/{metric...}", func(r *request) error { return a.modelSeries(r, r.object(o.kind)) }))
	}
	return append(all, newRoute("namespaces/{namespace}/pod-list/{pods}/metrics/{metric...}", a.modelPodList))
}

// sets are the metric sets of the newest batch.
func (a *API) sets() []*rollup.MetricSet {
	if b := a.model.Latest(); b != nil {
		return b.Sets
	}
	return nil
}

func (a *API) find(key string) (*rollup.MetricSet, bool) {
	sets := a.sets()
	i, ok := slices.BinarySearchFunc(sets, key, func(s *rollup.MetricSet, key string) int { return strings.Compare(s.Key, key) })
	if !ok {
		return nil, false
	}
	return sets[i], true
}

func (a *API) allKeys(r *request) error {
	keys := []string{}
	for _, set := range a.sets() {
		keys = append(keys, set.Key)
	}
	return pretty(r.Context, keys)
}

// modelNames lists what the newest batch has below an object. An object that
// does not exist is 404; the cluster always does.
func (a *API) modelNames(r *request, what NameKind, of Object) error {
	names := []string{}
	kind, label := listed(what)
	for _, set := range a.sets() {
		if set.Kind == kind && within(set, of) {
			names = append(names, set.Labels[label])
		}
	}
	if len(names) == 0 && of.Kind != catalog.Cluster {
		if _, ok := a.find(of.Key()); !ok {
			return notFound("%s not found", of)
		}
	}
	slices.Sort(names)
	return pretty(r.Context, slices.Compact(names))
}

// listed is the kind of object that a list names, and the label with the name.
func listed(what NameKind) (catalog.ObjectKind, string) {
	switch what {
	case NodeNames:
		return catalog.Node, "nodename"
	case NamespaceNames:
		return catalog.Namespace, "namespace_name"
	case PodNames:
		return catalog.Pod, "pod_name"
	case SystemContainerNames:
		return catalog.SystemContainer, "container_name"
	default:
		return catalog.PodContainer, "container_name"
	}
}

func within(set *rollup.MetricSet, of Object) bool {
	return (of.Node == "" || set.Labels["nodename"] == of.Node) &&
		(of.Namespace == "" || set.Labels["namespace_name"] == of.Namespace) &&
		(of.Pod == "" || set.Labels["pod_name"] == of.Pod)
}

func (a *API) modelMetrics(r *request, of Object) error {
	set, ok := a.find(of.Key())
	if !ok {
		return notFound("%s not found", of)
	}
	names := make([]string, 0, len(set.Values))
	for _, v := range set.Values {
		names = append(names, v.Metric.Name)
	}
	return pretty(r.Context, names)
}

// series is the answer with the points of one figure.
type series struct {
	Metrics []point `json:"metrics"`
	Latest  stamp   `json:"latestTimestamp"`
}

// point is one value. Value is never negative and never a fraction, as clients
// of Heapster expect; FloatValue is the figure itself where it is one.
type point struct {
	Timestamp  stamp    `json:"timestamp"`
	Value      uint64   `json:"value"`
	FloatValue *float64 `json:"floatValue,omitempty"`
}

func newPoint(at time.Time, n Number) point {
	p := point{Timestamp: stamp(at), Value: uint64(max(n.Int, 0))}
	if n.IsFloat {
		p.FloatValue = &n.Float
		p.Value = 0
		if n.Float > 0 {
			p.Value = uint64(min(n.Float, math.MaxInt64))
		}
	}
	return p
}

func newSeries(points []Point) series {
	s := series{Metrics: []point{}}
	for _, p := range points {
		if p.Value.IsFloat && (math.IsNaN(p.Value.Float) || math.IsInf(p.Value.Float, 0)) {
			continue // JSON has no way to say it
		}
		s.Metrics = append(s.Metrics, newPoint(p.Time, p.Value))
		s.Latest = stamp(p.Time)
	}
	return s
}

func (a *API) modelSeries(r *request, of Object) error {
	figure, err := r.figure()
	if err != nil {
		return err
	}
	points, err := a.recent(r, of, figure)
	if err != nil {
		return err
	}
	if _, ok := a.find(of.Key()); !ok && len(points) == 0 {
		return notFound("%s not found", of)
	}
	return pretty(r.Context, newSeries(points))
}

func (a *API) recent(r *request, of Object, figure Figure) ([]Point, error) {
	start, end, err := r.modelRange(a.now())
	if err != nil {
		return nil, err
	}
	metric, _ := catalog.LookupHeapster(figure.Metric)
	var points []Point
	for _, p := range a.model.History().Series(of.Key(), figure.Metric, figure.Labels, start, end) {
		n := Number{IsFloat: metric.ValueType == catalog.Double, Int: p.Int, Float: p.Float}
		points = append(points, Point{Time: p.Time, Value: n})
	}
	return points, nil
}

// list is the answer for several pods.
type list[T any] struct {
	Items []T `json:"items"`
}

// modelPodList answers in the order of the request; an unknown pod has no
// points.
func (a *API) modelPodList(r *request) error {
	figure, err := r.figure()
	if err != nil {
		return err
	}
	answer := list[series]{Items: []series{}}
	for pod := range strings.SplitSeq(r.vars["pods"], ",") {
		of := Object{Kind: catalog.Pod, Namespace: r.vars["namespace"], Pod: pod}
		points, err := a.recent(r, of, figure)
		if err != nil {
			return err
		}
		answer.Items = append(answer.Items, newSeries(points))
	}
	return compact(r.Context, answer)
}
