package services

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/lubberline/lubberline/test/program"
	"github.com/lubberline/lubberline/test/services/press"
)

// fresh: a pod waits for the name of a service that is created then.
func (c *cluster) fresh() {
	const tries = 3
	for i := range tries {
		name := fmt.Sprint("fresh-", i)
		c.t.Logf("service %s was resolved and answered %s after its creation began", name, c.answeredAfter("asks-"+name, name).Round(time.Millisecond))
		require.NoError(c.t, c.client.CoreV1().Services("default").Delete(c.t.Context(), name, metav1.DeleteOptions{}))
	}
}

func (c *cluster) answeredAfter(pod, name string) time.Duration {
	pods := c.client.CoreV1().Pods("default")
	_, err := pods.Create(c.t.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: pod}, Spec: corev1.PodSpec{
		RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "main", Image: image, Args: []string{"await", "http://" + name}}},
	}}, metav1.CreateOptions{})
	require.NoError(c.t, err)
	c.until("the pod asks", func(ctx context.Context) error {
		log, err := pods.GetLogs(pod, &corev1.PodLogOptions{}).DoRaw(ctx)
		if err == nil && !strings.Contains(string(log), "no such host") {
			err = fmt.Errorf("log %q", log)
		}
		return err
	})
	created := time.Now()
	c.create(name, func(*corev1.Service) {})
	c.until("it has its answer", func(ctx context.Context) error {
		p, err := pods.Get(ctx, pod, metav1.GetOptions{})
		if err == nil && p.Status.Phase != corev1.PodSucceeded {
			err = fmt.Errorf("%+v", p.Status)
		}
		return err
	})
	log, err := pods.GetLogs(pod, &corev1.PodLogOptions{TailLines: new(int64(1))}).DoRaw(c.t.Context())
	require.NoError(c.t, err)
	at, err := strconv.ParseInt(strings.TrimSpace(string(log)), 10, 64)
	require.NoError(c.t, err)
	return time.Unix(0, at).Sub(created)
}

// balancer: a service of type LoadBalancer is reached at the node's address, and
// the doctor tells where its addresses lead.
func (c *cluster) balancer() {
	const port = 23129
	c.create("balanced", func(s *corev1.Service) {
		s.Spec.Type, s.Spec.Ports[0].Port = corev1.ServiceTypeLoadBalancer, port
	})
	var address string
	c.until("it has an address", func(ctx context.Context) error {
		s, err := c.client.CoreV1().Services("default").Get(ctx, "balanced", metav1.GetOptions{})
		if err != nil || len(s.Status.LoadBalancer.Ingress) != 1 {
			return fmt.Errorf("%+v %w", s.Status, err)
		}
		address = net.JoinHostPort(s.Status.LoadBalancer.Ingress[0].IP, strconv.Itoa(port))
		return nil
	})
	client := press.Client()
	c.until("it answers there", func(context.Context) error { return press.Get(&client, "http://"+address) })
	require.Contains(c.t, c.doctor(address), address+"/tcp -> ")
	require.Equal(c.t, replicas, strings.Count(c.doctor(strings.TrimPrefix(c.url, "http://")+":80"), ":8080"))
	require.Contains(c.t, c.doctor("10.9.9.9:80/udp"), "10.9.9.9:80/udp: no service has it")
	require.Contains(c.t, c.doctor("somewhere"), `address "somewhere": want ADDRESS:PORT`)
	require.NoError(c.t, c.client.CoreV1().Services("default").Delete(c.t.Context(), "balanced", metav1.DeleteOptions{}))
}

// doctor is what it says of a service's address.
func (c *cluster) doctor(address string) string {
	lubberline, err := program.Path("lubberline")
	require.NoError(c.t, err)
	out, _ := exec.Command(lubberline, "doctor", "--config", c.m.Config(), "--service", address).CombinedOutput() // fails where no service is
	return string(out)
}
