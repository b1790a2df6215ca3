package app

import (
	"context"
	"fmt"
	"net"
	"strconv"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lubberline/lubberline/orchestrator/agent/containerlog"
	"github.com/lubberline/lubberline/orchestrator/agent/eviction"
	"github.com/lubberline/lubberline/orchestrator/agent/node"
	"github.com/lubberline/lubberline/orchestrator/agent/server"
)

// buildCare builds what keeps the node usable: evictions and log rotation.
func (a *App) buildCare(node.Host) (err error) {
	a.evict, err = eviction.New(eviction.Options{
		Pods: a.pods, Runtime: a.runtime, Volumes: a.volumes, Images: a.images,
		Observe: eviction.Host{NodePath: a.o.Root, ImagePath: a.o.Root}.Observe,
		Node:    &v1.ObjectReference{Kind: "Node", APIVersion: "v1", Name: a.o.NodeName, UID: types.UID(a.o.NodeName)},
		Events:  a.o.Events, Logger: a.o.Logger.With("part", "eviction"), Registerer: a.o.Registerer,
	})
	if err != nil {
		return err
	}
	a.rotator, err = containerlog.NewRotator(containerlog.RotatorOptions{
		Runtime: a.runtime, Logs: a.logs, Logger: a.o.Logger.With("part", "logs"), Registerer: a.o.Registerer,
	})
	return err
}

// buildServer binds the node's endpoint.
func (a *App) buildServer(node.Host) (err error) {
	if a.o.Certificate == nil {
		return nil
	}
	a.server, err = server.New(server.Options{
		Address:  net.JoinHostPort(a.o.Addresses[0], strconv.Itoa(int(a.o.Port))),
		NodeName: a.o.NodeName, Certificate: a.o.Certificate, ClientCAs: a.o.ClientCAs, Client: a.o.Client,
		Pods: a.pods, Runtime: a.runtime, Handlers: a.o.Handlers, Healthy: map[string]func() error{"node": a.healthy},
		Logger: a.o.Logger.With("part", "server"), Registerer: a.o.Registerer,
	})
	return err
}

// healthy says that the node could be registered.
func (a *App) healthy() error {
	if a.node.Get() == nil {
		return fmt.Errorf("node %s is not registered yet", a.o.NodeName)
	}
	return nil
}

// logs are those of the running containers.
func (a *App) logs() []containerlog.Log {
	var logs []containerlog.Log
	a.pods.EachLog(func(id, path string) { logs = append(logs, containerlog.Log{ContainerID: id, Path: path}) })
	return logs
}

// pressure is what the node is short of.
func (a *App) pressure() node.Pressure {
	memory, disk, pid := a.evict.Pressure()
	return node.Pressure{Memory: memory, Disk: disk, PID: pid}
}

// hearPressure has changes of pressure told at once.
func (a *App) hearPressure(ctx context.Context) {
	for {
		select {
		case <-a.evict.Changed():
			a.node.CheckNow()
		case <-ctx.Done():
			return
		}
	}
}
