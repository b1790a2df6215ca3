// Package dashboards builds the dashboards that Lubberline ships: one file for
// each, made of package model's parts. Subpackages render, check, write and push
// them.
package dashboards

import "github.com/lubberline/lubberline/dashboards/model"

// All returns every dashboard, in the order in which they are listed. They are
// new each time.
func All() []*model.Dashboard {
	all := []*model.Dashboard{
		cluster(), namespaces(), node(), workloads(), pod(), container(), network(), logs(), eventsPage(), capacity(), itself(),
		heapsterCluster(), heapsterPods(),
	}
	for _, d := range all {
		if d.From == "" {
			d.From = "now-1h"
		}
		if d.Refresh == "" {
			d.Refresh = "30s"
		}
	}
	return all
}
