package tables

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/printers"
	"k8s.io/client-go/kubernetes/scheme"
)

var update = flag.Bool("update", false, "write the golden files anew")

// at is the time that the ages of testdata are counted from.
var at = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newTables() *Tables { return New(func() time.Time { return at }) }

// TestGolden prints the objects of each testdata/<resource>[.<group>].yaml as
// kubectl prints them, first as they are and then wide.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	require.NoError(t, err)
	require.Len(t, files, len(newTables().kinds), "every kind with a table of its own has golden rows")
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			resource, group, _ := strings.Cut(name, ".")
			convertor, ok := newTables().kinds[schema.GroupResource{Group: group, Resource: resource}]
			require.True(t, ok, "table of %s", name)
			var got bytes.Buffer
			for _, wide := range []bool{false, true} {
				table := &metav1.Table{}
				for _, object := range readObjects(t, file) {
					one, err := convertor.ConvertToTable(context.Background(), object, &metav1.TableOptions{})
					require.NoError(t, err)
					table.ColumnDefinitions = one.ColumnDefinitions
					table.Rows = append(table.Rows, one.Rows...)
				}
				for _, r := range table.Rows {
					require.Len(t, r.Cells, len(table.ColumnDefinitions), "cells of a row")
				}
				require.NoError(t, printers.NewTablePrinter(printers.PrintOptions{Wide: wide}).PrintObj(table, &got))
				got.WriteString("\n")
			}
			compareGolden(t, strings.TrimSuffix(file, ".yaml")+".txt", got.Bytes())
		})
	}
}

func readObjects(t *testing.T, file string) []runtime.Object {
	t.Helper()
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	var objects []runtime.Object
	for document := range strings.SplitSeq(string(content), "\n---\n") {
		object, _, err := scheme.Codecs.UniversalDeserializer().Decode([]byte(document), nil, nil)
		require.NoError(t, err, document)
		objects = append(objects, object)
	}
	return objects
}

func compareGolden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(file, got, 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}

func TestListKeepsItsMetadata(t *testing.T) {
	remaining := int64(7)
	list := &corev1.PodList{
		ListMeta: metav1.ListMeta{ResourceVersion: "12", Continue: "token", RemainingItemCount: &remaining},
		Items:    []corev1.Pod{{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, {ObjectMeta: metav1.ObjectMeta{Name: "b"}}},
	}
	table, err := newTables().For(schema.GroupResource{Resource: "pods"}).ConvertToTable(
		context.Background(), list, &metav1.TableOptions{NoHeaders: true})
	require.NoError(t, err)
	require.Equal(t, list.ListMeta, table.ListMeta)
	require.Empty(t, table.ColumnDefinitions)
	require.Len(t, table.Rows, 2)
	accessor, err := meta.Accessor(table.Rows[1].Object.Object)
	require.NoError(t, err)
	require.Equal(t, "b", accessor.GetName())
}

func TestEmptyListHasNoRows(t *testing.T) {
	table, err := newTables().For(schema.GroupResource{Resource: "pods"}).ConvertToTable(
		context.Background(), &corev1.PodList{}, nil)
	require.NoError(t, err)
	require.NotNil(t, table.Rows)
	require.Empty(t, table.Rows)
	require.NotEmpty(t, table.ColumnDefinitions)
}

func TestOtherObjectIsNotAcceptable(t *testing.T) {
	_, err := newTables().For(schema.GroupResource{Resource: "pods"}).ConvertToTable(
		context.Background(), &corev1.Node{}, nil)
	require.ErrorContains(t, err, "the resource pods does not support being converted to a Table")
	var status apierrors.APIStatus
	require.ErrorAs(t, err, &status)
	require.EqualValues(t, 406, status.Status().Code)
}

func TestUnknownResourceShowsNameAndCreation(t *testing.T) {
	table, err := newTables().For(schema.GroupResource{Resource: "limitranges"}).ConvertToTable(
		context.Background(), &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, nil)
	require.NoError(t, err)
	require.Equal(t, "Created At", table.ColumnDefinitions[1].Name)
}
