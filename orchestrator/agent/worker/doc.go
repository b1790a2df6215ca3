// Package worker keeps the pods of one node as the API wants them: for each pod
// one goroutine, asleep when nothing happens, that compares the pod's object
// with what the container runtime has and acts on the difference.
//
// It is woken by the API's watch, by the runtime's events, by probes and by its
// own timers. What it knows of running containers comes from the runtime alone
// (labels and annotations), so that a new agent takes over from an old one
// without touching a container.
package worker
