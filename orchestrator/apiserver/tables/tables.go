// Package tables makes the rows that "kubectl get" prints: for every kind of
// the API the columns, the cells and the words that Kubernetes gives them.
// Columns of priority 1 are the ones of "-o wide"; they are always sent, the
// client leaves them out.
package tables

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/apiserver/pkg/registry/rest"
)

// Tables holds the table of every kind, by resource.
type Tables struct {
	kinds map[schema.GroupResource]rest.TableConvertor
}

// New makes the tables. now is the time that ages are counted from.
func New(now func() time.Time) *Tables {
	t := &Tables{kinds: map[schema.GroupResource]rest.TableConvertor{}}
	t.addPods(now)
	t.addWorkloads(now)
	t.addNetwork(now)
	t.addCluster(now)
	t.addConfiguration(now)
	t.addVolumes(now)
	t.addPolicies(now)
	t.addAccess(now)
	t.addEvents(now)
	return t
}

// For returns the table of a resource. A resource without one of its own gets
// name and time of creation.
func (t *Tables) For(resource schema.GroupResource) rest.TableConvertor {
	if c, ok := t.kinds[resource]; ok {
		return c
	}
	return rest.NewDefaultTableConvertor(resource)
}

// convertor makes the table of objects of type T. row returns one cell for
// each column; it is given the time that ages are counted from.
type convertor[T runtime.Object] struct {
	resource schema.GroupResource
	columns  []metav1.TableColumnDefinition
	row      func(object T, now time.Time) row
	now      func() time.Time
}

// row is what an object shows: its cells and, for pods that have ended, the
// conditions by which clients hide them.
type row struct {
	cells      []any
	conditions []metav1.TableRowCondition
}

// cells is the row of an object that has no conditions.
func cells(values ...any) row { return row{cells: values} }

func add[T runtime.Object](t *Tables, now func() time.Time, group, resource string,
	columns []metav1.TableColumnDefinition, make func(T, time.Time) row,
) {
	gr := schema.GroupResource{Group: group, Resource: resource}
	t.kinds[gr] = &convertor[T]{resource: gr, columns: columns, row: make, now: now}
}

// ConvertToTable implements rest.TableConvertor for an object or a list.
func (c *convertor[T]) ConvertToTable(_ context.Context, object, options runtime.Object) (*metav1.Table, error) {
	table := &metav1.Table{Rows: []metav1.TableRow{}}
	now := c.now()
	appendRow := func(o runtime.Object) error {
		item, ok := o.(T)
		if !ok {
			return notAcceptable{resource: c.resource, got: o}
		}
		r := c.row(item, now)
		table.Rows = append(table.Rows, metav1.TableRow{
			Cells: r.cells, Conditions: r.conditions, Object: runtime.RawExtension{Object: o},
		})
		return nil
	}
	if meta.IsListType(object) {
		if err := meta.EachListItem(object, appendRow); err != nil {
			return nil, err
		}
	} else if err := appendRow(object); err != nil {
		return nil, err
	}
	copyListMeta(table, object)
	if o, ok := options.(*metav1.TableOptions); !ok || !o.NoHeaders {
		table.ColumnDefinitions = c.columns
	}
	return table, nil
}

func copyListMeta(table *metav1.Table, object runtime.Object) {
	if m, err := meta.ListAccessor(object); err == nil {
		table.ResourceVersion = m.GetResourceVersion()
		table.Continue = m.GetContinue()
		table.RemainingItemCount = m.GetRemainingItemCount()
		return
	}
	if m, err := meta.CommonAccessor(object); err == nil {
		table.ResourceVersion = m.GetResourceVersion()
	}
}

// notAcceptable says that an object cannot be shown as a table, with 406.
type notAcceptable struct {
	resource schema.GroupResource
	got      runtime.Object
}

func (e notAcceptable) Error() string {
	return fmt.Sprintf("the resource %s does not support being converted to a Table (got %T)", e.resource, e.got)
}

func (e notAcceptable) Status() metav1.Status {
	return metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusNotAcceptable,
		Reason: metav1.StatusReason("NotAcceptable"), Message: e.Error(),
	}
}

// Column makers. help is what "kubectl get" never shows but the API documents.

func nameColumn() metav1.TableColumnDefinition {
	return metav1.TableColumnDefinition{
		Name: "Name", Type: "string", Format: "name", Description: metav1.ObjectMeta{}.SwaggerDoc()["name"],
	}
}

func ageColumn() metav1.TableColumnDefinition {
	return text("Age", metav1.ObjectMeta{}.SwaggerDoc()["creationTimestamp"])
}

func text(name, help string) metav1.TableColumnDefinition {
	return metav1.TableColumnDefinition{Name: name, Type: "string", Description: help}
}

func number(name, help string) metav1.TableColumnDefinition {
	return metav1.TableColumnDefinition{Name: name, Type: "integer", Description: help}
}

func wide(name, help string) metav1.TableColumnDefinition {
	return metav1.TableColumnDefinition{Name: name, Type: "string", Description: help, Priority: 1}
}

// since is the age of a time as kubectl writes it: "5s", "3m20s", "4d".
func since(t metav1.Time, now time.Time) string {
	if t.IsZero() {
		return "<unknown>"
	}
	return duration.HumanDuration(now.Sub(t.Time))
}

// orNone is the value, or <none> where there is none.
func orNone(s string) string { return or(s, "<none>") }

func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}
