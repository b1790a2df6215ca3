package notify

import "github.com/prometheus/alertmanager/alert"

// pending are the alerts in memory.
func (r *remembered) pending() []*alert.Alert {
	it := r.GetPending()
	defer it.Close()
	var all []*alert.Alert
	for a := range it.Next() {
		all = append(all, a.Data)
	}
	return all
}
