// Package clusterrole fills the roles that gather others: a ClusterRole with an
// aggregation rule holds the rules of all that its selectors match.
package clusterrole

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	rbacv1 "k8s.io/api/rbac/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	listers "k8s.io/client-go/listers/rbac/v1"

	"github.com/lubberline/lubberline/orchestrator/controller/reconcile"
)

// Options is what the controller works with.
type Options struct {
	Client     kubernetes.Interface
	Informers  informers.SharedInformerFactory
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Controller is one loop over the roles that gather.
type Controller struct {
	client kubernetes.Interface
	roles  listers.ClusterRoleLister
	loop   *reconcile.Loop
}

// New asks the factory for the informer; the factory is started after it.
func New(o Options) (*Controller, error) {
	roles := o.Informers.Rbac().V1().ClusterRoles()
	c := &Controller{client: o.Client, roles: roles.Lister()}
	var err error
	c.loop, err = reconcile.New(reconcile.Options{
		Name: "clusterrole", Reconcile: c.reconcile, Logger: o.Logger, Registerer: o.Registerer,
		Caches: []reconcile.Cache{roles.Informer()},
	})
	if err != nil {
		return nil, err
	}
	// Any role may be one that is gathered, before or after its change.
	_, err = roles.Informer().AddEventHandler(reconcile.Handler(func(_, _ *rbacv1.ClusterRole) { c.addGathering() }))
	return c, err
}

// Run works until ctx ends.
func (c *Controller) Run(ctx context.Context) error { return c.loop.Run(ctx) }

func (c *Controller) addGathering() {
	all, _ := c.roles.List(labels.Everything()) // a lister of everything has no error
	for _, role := range all {
		if role.AggregationRule != nil {
			c.loop.Add(role.Name)
		}
	}
}

func (c *Controller) reconcile(ctx context.Context, name string) error {
	role, err := c.roles.Get(name)
	if apierrors.IsNotFound(err) || err == nil && role.AggregationRule == nil {
		return nil
	}
	if err != nil {
		return err
	}
	rules, err := c.gather(role)
	if err != nil || apiequality.Semantic.DeepEqual(rules, role.Rules) {
		return err
	}
	changed := role.DeepCopy()
	changed.Rules = rules
	_, err = c.client.RbacV1().ClusterRoles().Update(ctx, changed, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// gather are the rules of all matching roles in the order of their names, each
// rule once.
func (c *Controller) gather(role *rbacv1.ClusterRole) ([]rbacv1.PolicyRule, error) {
	var rules []rbacv1.PolicyRule
	for i := range role.AggregationRule.ClusterRoleSelectors {
		selector, err := metav1.LabelSelectorAsSelector(&role.AggregationRule.ClusterRoleSelectors[i])
		if err != nil {
			return nil, fmt.Errorf("cluster role %s: %w", role.Name, err)
		}
		matching, err := c.roles.List(selector)
		if err != nil {
			return nil, err
		}
		slices.SortFunc(matching, func(a, b *rbacv1.ClusterRole) int { return strings.Compare(a.Name, b.Name) })
		for _, other := range matching {
			if other.Name != role.Name {
				rules = appendNew(rules, other.Rules)
			}
		}
	}
	return rules, nil
}

func appendNew(rules, more []rbacv1.PolicyRule) []rbacv1.PolicyRule {
	for _, rule := range more {
		if !slices.ContainsFunc(rules, func(r rbacv1.PolicyRule) bool { return apiequality.Semantic.DeepEqual(r, rule) }) {
			rules = append(rules, rule)
		}
	}
	return rules
}
