package walkthrough

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/lubberline/lubberline/test/lab"
)

// room is the machines that the document is followed on, and what is between
// them. Host i is called nI and has the address 192.168.NETWORK.I.
type room struct {
	hub      *lab.Hub
	machines []*machine
}

// newRoom makes machines on those networks.
func newRoom(dir string, on []int) (r *room, err error) {
	r = &room{}
	if r.hub, err = lab.NewHub(on...); err != nil {
		return nil, err
	}
	for i, network := range on {
		if err := r.add(dir, fmt.Sprintf("n%d", i+1), network, fmt.Sprintf("192.168.%d.%d", network, i+1)); err != nil {
			return nil, errors.Join(err, r.end())
		}
	}
	return r, r.connect()
}

func (r *room) add(dir, name string, network int, address string) error {
	space, err := lab.NewSpace()
	if err != nil {
		return err
	}
	if err := r.hub.Plug(name, space, network, address); err != nil {
		return err
	}
	m, err := newMachine(dir, name, space)
	if m != nil && m.holder != nil {
		r.machines = append(r.machines, m)
	}
	return errors.Join(err, space.Close()) // the holder keeps it
}

// connect gives each machine an ssh to the others: what the program of that
// name does for people needs no daemon here.
func (r *room) connect() error {
	var script strings.Builder
	script.WriteString("#!/bin/sh\nmachine=$1; shift\ncase $machine in\n")
	for _, m := range r.machines {
		fmt.Fprintf(&script, "%s) exec %s sh -c \"$*\" ;;\n", m.name, strings.Join(m.enter(), " "))
	}
	script.WriteString("esac\necho \"ssh: no machine $machine\" >&2\nexit 255\n")
	var errs []error
	for _, m := range r.machines {
		errs = append(errs, os.WriteFile(filepath.Join(m.dir, "bin/ssh"), []byte(script.String()), 0o755))
	}
	return errors.Join(errs...)
}

// machine of that name.
func (r *room) machine(name string) *machine {
	for _, m := range r.machines {
		if m.name == name {
			return m
		}
	}
	panic("no machine " + name) // the document's reader takes no others
}

func (r *room) end() error {
	var errs []error
	for _, m := range r.machines {
		errs = append(errs, m.end())
	}
	return errors.Join(append(errs, r.hub.Close(), os.RemoveAll(data))...)
}
