package tables

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func (t *Tables) addConfiguration(now func() time.Time) {
	add(t, now, "", "configmaps", []metav1.TableColumnDefinition{
		nameColumn(), text("Data", corev1.ConfigMap{}.SwaggerDoc()["data"]), ageColumn(),
	}, func(c *corev1.ConfigMap, now time.Time) row {
		return cells(c.Name, int64(len(c.Data)+len(c.BinaryData)), since(c.CreationTimestamp, now))
	})
	secret := corev1.Secret{}.SwaggerDoc()
	add(t, now, "", "secrets", []metav1.TableColumnDefinition{
		nameColumn(), text("Type", secret["type"]), text("Data", secret["data"]), ageColumn(),
	}, func(s *corev1.Secret, now time.Time) row {
		return cells(s.Name, string(s.Type), int64(len(s.Data)), since(s.CreationTimestamp, now))
	})
	add(t, now, "", "serviceaccounts", []metav1.TableColumnDefinition{
		nameColumn(), text("Secrets", corev1.ServiceAccount{}.SwaggerDoc()["secrets"]), ageColumn(),
	}, func(s *corev1.ServiceAccount, now time.Time) row {
		return cells(s.Name, int64(len(s.Secrets)), since(s.CreationTimestamp, now))
	})
}
