package admission

import (
	"fmt"

	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/resourcequota"
	"k8s.io/apiserver/pkg/quota/v1/generic"
	"k8s.io/utils/clock"

	"github.com/lubberline/lubberline/orchestrator/quota"
)

// quotaWorkers is how many namespaces are charged at the same time. Within one
// namespace requests are charged together, one write for all that wait.
const quotaWorkers = 5

// newQuota charges new objects to their namespace's quotas: the library checks
// against status.used and writes it with the object's version, so that two
// requests cannot take the same last place.
func newQuota(o Options) (admission.Interface, error) {
	q, err := resourcequota.NewResourceQuota(nil, quotaWorkers)
	if err != nil {
		return nil, fmt.Errorf("resource quota: %w", err)
	}
	q.SetDrainedNotification(o.Stop)
	q.SetExternalKubeClientSet(o.Client)
	q.SetExternalKubeInformerFactory(o.Informers)
	q.SetQuotaConfiguration(generic.NewConfiguration(quota.Evaluators(nil, clock.RealClock{}), quota.Ignored()))
	return q, q.ValidateInitialization()
}
