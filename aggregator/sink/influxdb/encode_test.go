package influxdb

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/aggregator/rollup"
)

func encoded(t *testing.T, o Options, b *rollup.Batch) []string {
	t.Helper()
	require.NoError(t, o.complete())
	return strings.Split(strings.TrimSpace(string(bytes.Join(encode(&o, b), nil))), "\n")
}

func TestEncodePlain(t *testing.T) {
	b := testBatch(t, testTime, 1, 3)
	got := encoded(t, testOptions(t, "http://x:1"), b)
	require.Equal(t, []string{
		"memory/usage,cluster_name=default,type=cluster value=5i 1795544650000000000",
		"memory/usage,cluster_name=default,namespace_name=docker,type=ns value=5i 1795544650000000000",
		"cpu/usage_rate,cluster_name=default,nodename=a,type=node value=1503i 1795544650000000000",
		"memory/usage,cluster_name=default,nodename=a,type=node value=1073741824i 1795544650000000000",
		"memory/page_faults_rate,cluster_name=default,nodename=a,type=node value=0.4286 1795544650000000000",
		"network/rx_rate,cluster_name=default,nodename=a,type=node value=2 1795544650000000000",
		"filesystem/limit,cluster_name=default,nodename=a,type=node,resource_id=/ value=1000i 1795544650000000000",
		"filesystem/usage,cluster_name=default,nodename=a,type=node,resource_id=/ value=103i 1795544650000000000",
		"filesystem/usage,cluster_name=default,nodename=a,type=node,resource_id=logs value=7i 1795544650000000000",
		"memory/usage,cluster_name=default,container_name=system.slice/ssh,nodename=a,type=sys_container value=5i 1795544650000000000",
		"cpu/usage_rate,cluster_name=default,namespace_name=docker,nodename=a,pod_name=p0,type=pod value=3i 1795544650000000000",
		"memory/usage,cluster_name=default,namespace_name=docker,nodename=a,pod_name=p0,type=pod value=0i 1795544650000000000",
		`cpu/usage,cluster_name=default,container_base_image=repo/x:1,container_name=c,labels=app:a\ b\,tier:\=1,namespace_name=docker,nodename=a,pod_name=p0,type=pod_container value=3000i 1795544650000000000`,
		`cpu/usage_rate,cluster_name=default,container_base_image=repo/x:1,container_name=c,labels=app:a\ b\,tier:\=1,namespace_name=docker,nodename=a,pod_name=p0,type=pod_container value=3i 1795544650000000000`,
		`memory/usage,cluster_name=default,container_base_image=repo/x:1,container_name=c,labels=app:a\ b\,tier:\=1,namespace_name=docker,nodename=a,pod_name=p0,type=pod_container value=0i 1795544650000000000`,
	}, got)
}

func TestEncodeWithFieldsSharesPoints(t *testing.T) {
	o := testOptions(t, "http://x:1")
	o.WithFields, o.OmitLabelsTag, o.IDTags, o.ClusterName = true, true, true, "c1"
	b := testBatch(t, testTime, 1, 3)
	b.Sets = b.Sets[2:3]
	require.Equal(t, []string{
		"cpu,cluster_name=c1,host_id=ID,hostname=a,nodename=a,type=node usage_rate=1503i 1795544650000000000",
		"memory,cluster_name=c1,host_id=ID,hostname=a,nodename=a,type=node usage=1073741824i,page_faults_rate=0.4286 1795544650000000000",
		"network,cluster_name=c1,host_id=ID,hostname=a,nodename=a,type=node rx_rate=2 1795544650000000000",
		"filesystem,cluster_name=c1,host_id=ID,hostname=a,nodename=a,type=node,resource_id=/ limit=1000i,usage=103i 1795544650000000000",
		"filesystem,cluster_name=c1,host_id=ID,hostname=a,nodename=a,type=node,resource_id=logs usage=7i 1795544650000000000",
	}, encoded(t, o, b))
}

func TestEncodeOmits(t *testing.T) {
	o := testOptions(t, "http://x:1")
	o.DisableCounters, o.OmitLabelsTag = true, true
	b := testBatch(t, testTime, 1, 3)
	last := b.Sets[len(b.Sets)-1]
	last.Labels["container_base_image"] = "evil\nimage\\"
	last.Values = append(last.Values, floatValue(t, "network/rx_rate", math.NaN()), floatValue(t, "network/tx_rate", math.Inf(1)))
	b.Sets = []*rollup.MetricSet{last}
	require.Equal(t, []string{
		`cpu/usage_rate,cluster_name=default,container_base_image=evil\ image,container_name=c,namespace_name=docker,nodename=a,pod_name=p0,type=pod_container value=3i 1795544650000000000`,
		`memory/usage,cluster_name=default,container_base_image=evil\ image,container_name=c,namespace_name=docker,nodename=a,pod_name=p0,type=pod_container value=0i 1795544650000000000`,
	}, encoded(t, o, b))
}

func TestEncodeBoundsTexts(t *testing.T) {
	o := testOptions(t, "http://x:1")
	o.MaxPoints = 4
	require.NoError(t, o.complete())
	texts := encode(&o, testBatch(t, testTime, 1, 3))
	require.Len(t, texts, 4)
	total := 0
	for _, text := range texts {
		require.LessOrEqual(t, lines(text), 4)
		total += lines(text)
	}
	require.Equal(t, 15, total)
}

func TestOptions(t *testing.T) {
	for want, o := range map[string]Options{
		`influxdb: URL "localhost:8086" is not http://host:port`:                {URL: "localhost:8086", Database: "k8s"},
		"influxdb: exactly one of database (1.x) and bucket (2.x) must be set":  {URL: "http://x:1"},
		"influxdb: exactly one of database (1.x) and bucket (2.x) must be set ": {URL: "http://x:1", Database: "a", Bucket: "b"},
		"influxdb: a bucket (2.x) needs org and token":                          {URL: "http://x:1", Bucket: "b", Org: "o"},
		"influxdb: negative option":                                             {URL: "http://x:1", Database: "a", MaxPoints: -1},
	} {
		require.EqualError(t, o.complete(), strings.TrimSpace(want))
	}
}

func FuzzTags(f *testing.F) {
	f.Add("labels", `a,b=c \`)
	f.Add("pod_name", "x\ny\\")
	f.Fuzz(func(t *testing.T, key, value string) {
		text := appendTags(nil, map[string]string{"container_name": value})
		require.NotContains(t, string(text), "\n")
		require.False(t, bytes.HasSuffix(text, []byte{'\\'}))
		if key == "" {
			return
		}
		// No separator is left unescaped in the value.
		_, escaped, _ := strings.Cut(string(text), "=")
		for i := range len(escaped) {
			if strings.IndexByte(",= ", escaped[i]) >= 0 {
				require.True(t, i > 0 && escaped[i-1] == '\\', "%q", escaped)
			}
		}
	})
}

func TestTogether(t *testing.T) {
	text := func(n int) []byte { return bytes.Repeat([]byte("a b=1 1\n"), n) }
	var got []int
	for _, piece := range together([][]byte{text(3), text(3), text(4), text(1), text(12), text(1), text(2)}, 10) {
		got = append(got, lines(piece))
	}
	require.Equal(t, []int{10, 1, 12, 3}, got)
}
