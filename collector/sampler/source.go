package sampler

import "github.com/lubberline/lubberline/collector/cgroup"

// Cgroups is the Source of a machine's real cgroups.
func Cgroups(s *cgroup.System) Source { return system{s} }

type system struct{ *cgroup.System }

func (s system) Open(id string) (Reader, error) {
	r, err := s.System.Open(id)
	if err != nil {
		return nil, err
	}
	return r, nil
}
