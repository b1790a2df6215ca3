package rules

import "path"

// Files are all generated files by their paths below deploy/alerts.
func Files(o Options) (map[string][]byte, error) {
	all := map[string][]byte{}
	for folder, make := range map[string]func(Options) (map[string][]byte, error){
		"prometheus": PrometheusFiles, "grafana": GrafanaFiles,
	} {
		files, err := make(o)
		if err != nil {
			return nil, err
		}
		for name, text := range files {
			all[path.Join(folder, name)] = text
		}
	}
	return all, nil
}
