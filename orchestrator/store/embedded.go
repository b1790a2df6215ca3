package store

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
	"go.etcd.io/etcd/client/pkg/v3/types"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/config"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
	"go.etcd.io/etcd/server/v3/features"
	"go.etcd.io/etcd/server/v3/storage/wal"
)

const (
	name         = "lubberline"
	defaultQuota = 2 << 30
	// tick and electionTicks make a lone member its own leader within 0.1 s.
	tick          = 50 * time.Millisecond
	electionTicks = 2
	// snapshotCount entries are in memory at most, and replayed after a start.
	snapshotCount = 2000
	// defragmentAbove is the file size from which free pages are given back.
	defragmentAbove = 32 << 20
	defragmentEvery = 10 * time.Minute
)

// embedded is an etcd member that is alone and listens nowhere.
type embedded struct {
	server  *etcdserver.EtcdServer
	client  *clientv3.Client
	log     *slog.Logger
	metrics *metrics
	room    *room
}

func startEmbedded(ctx context.Context, o Options) (*embedded, error) {
	room := newRoom(o)
	cfg, err := serverConfig(o, room.heard)
	if err != nil {
		return nil, err
	}
	if err := mend(o.Dir, o.Logger); err != nil {
		return nil, fmt.Errorf("open %s: %w", o.Dir, err)
	}
	server, err := newServer(cfg)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", o.Dir, err)
	}
	e := &embedded{server: server, log: o.Logger, room: room}
	server.Start()
	select {
	case <-server.ReadyNotify():
	case <-server.StopNotify():
		return nil, fmt.Errorf("open %s: etcd ended before it was ready", o.Dir)
	case <-ctx.Done():
		server.Stop()
		return nil, fmt.Errorf("open %s: %w", o.Dir, ctx.Err())
	}
	e.client = v3client.New(server)
	room.exceeded.Store(e.wasExceeded(ctx))
	return e, nil
}

// newServer makes an error of etcd's panic over files that it cannot use.
func newServer(cfg config.ServerConfig) (server *etcdserver.EtcdServer, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("etcd: %v", p)
		}
	}()
	return etcdserver.NewServer(cfg)
}

func serverConfig(o Options, heard listener) (config.ServerConfig, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return config.ServerConfig{}, err
	}
	// Nothing listens there: a member must have an address to be a member.
	urls, err := types.NewURLs([]string{"http://127.0.0.1:1"})
	if err != nil {
		return config.ServerConfig{}, err
	}
	quota := o.Quota
	if quota == 0 {
		quota = defaultQuota
	}
	log := bridgeTo(o.Logger, heard)
	return config.ServerConfig{
		Name: name, ClientURLs: urls, PeerURLs: urls, DataDir: o.Dir, Logger: log,
		NewCluster: !wal.Exist(filepath.Join(o.Dir, "member", "wal")), InitialClusterToken: name,
		BcryptCost:         10,
		InitialPeerURLsMap: types.URLsMap{name: urls},
		SnapshotCount:      snapshotCount, SnapshotCatchUpEntries: 64, MaxSnapFiles: 2, MaxWALFiles: 2,
		BackendFreelistType: bolt.FreelistMapType, BackendBatchInterval: 100 * time.Millisecond, BackendBatchLimit: 10000,
		QuotaBackendBytes: quota, MaxTxnOps: 128, MaxRequestBytes: 3 << 20, MaxConcurrentStreams: 1000,
		TickMs: uint(tick.Milliseconds()), ElectionTicks: electionTicks, InitialElectionTickAdvance: true,
		CompactHashCheckTime: time.Hour, CompactionBatchLimit: 1000, CompactionSleepInterval: 10 * time.Millisecond,
		WarningApplyDuration: 500 * time.Millisecond, WarningUnaryRequestDuration: time.Second,
		WatchProgressNotifyInterval: 10 * time.Minute, StrictReconfigCheck: true, MaxLearners: 1,
		V2Deprecation:     config.V2DeprDefault,
		ServerFeatureGate: features.NewDefaultServerFeatureGate(name, log), Metrics: "basic",
	}, nil
}

// close ends the client before the server, which would wait for its watches.
func (e *embedded) close() {
	if err := e.client.Close(); err != nil {
		e.log.Debug("close etcd's client", "error", err)
	}
	e.server.Stop()
}

// defragment gives the file's free pages back when they are more than half of
// it. Readers and writers wait meanwhile, some 10 ms for every 10 MB in use.
func (e *embedded) defragment(ctx context.Context) {
	ticks := time.NewTicker(defragmentEvery)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
			e.defragmentOnce()
		}
	}
}

func (e *embedded) defragmentOnce() {
	size, used := e.server.Backend().Size(), e.server.Backend().SizeInUse()
	if size < defragmentAbove || used*2 > size {
		return
	}
	start := time.Now()
	if err := e.server.Defragment(); err != nil {
		e.log.Error("store is not defragmented", "error", err)
		return
	}
	e.metrics.defragmented.Inc()
	e.log.Info("store defragmented", "before_bytes", size, "after_bytes", e.server.Backend().Size(), "took", time.Since(start))
}
