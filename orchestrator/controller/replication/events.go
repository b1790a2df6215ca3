package replication

import (
	"k8s.io/apimachinery/pkg/types"

	"github.com/lubberline/lubberline/orchestrator/controller/podcontrol"
	"github.com/lubberline/lubberline/orchestrator/controller/podevents"
	"github.com/lubberline/lubberline/orchestrator/controller/reconcile"
)

func (c *Controller) ownerChanged(old, current podcontrol.Owner) {
	if current == nil {
		current = old
	}
	c.loop.Add(reconcile.Key(current))
}

func (c *Controller) router() podevents.Router {
	return podevents.Router{Kind: c.kind.gvk().Kind, Add: c.loop.Add, UID: c.uid, Owners: c.owners}
}

func (c *Controller) uid(namespace, name string) types.UID {
	w, err := c.kind.get(namespace, name)
	if err != nil {
		return ""
	}
	return w.GetUID()
}

func (c *Controller) owners(namespace string) []podevents.Owner {
	var all []podevents.Owner
	for _, w := range c.kind.list(namespace) {
		all = append(all, podevents.Owner{Name: w.GetName(), Selector: w.selector})
	}
	return all
}
