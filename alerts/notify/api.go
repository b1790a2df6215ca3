package notify

import (
	"net/http"

	apiv2 "github.com/prometheus/alertmanager/api/v2"
	"github.com/prometheus/alertmanager/config"
)

// api is Alertmanager's API v2.
type api struct {
	*apiv2.API
	of *Alertmanager
}

func (a *Alertmanager) buildAPI() error {
	v2, err := apiv2.NewAPI(a.alerts, a.groupsOf, a.groups.Muted, a.silences, nil, a.log, a.o.Registerer)
	if err != nil {
		return err
	}
	a.api = &api{v2, a}
	return nil
}

func (a *api) update(conf *config.Config) { a.Update(conf, a.of.mute) }

// Handler serves the API below /api/v2/.
func (a *Alertmanager) Handler() http.Handler { return a.api.API.Handler }
