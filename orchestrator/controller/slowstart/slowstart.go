// Package slowstart makes many calls that are likely to fail all alike: one,
// then two, then four and so on, so that a refused quota costs one call and not
// five hundred.
package slowstart

import "sync"

// Run makes the calls 0 … n-1 in batches of 1, 2, 4, …; those of a batch are made
// at the same time, at most parallel of them (1 makes them in order). It ends
// with the first batch that has an error, and returns how many calls succeeded
// and one error of that batch: the others are most likely the same.
func Run(n, parallel int, call func(i int) error) (succeeded int, err error) {
	first := 0
	for size := 1; first < n && err == nil; size *= 2 {
		size = min(size, n-first)
		var failed int
		failed, err = batch(first, size, parallel, call)
		succeeded += size - failed
		first += size
	}
	return succeeded, err
}

func batch(first, size, parallel int, call func(i int) error) (failed int, err error) {
	errs := make([]error, size)
	var calls sync.WaitGroup
	slots := make(chan struct{}, max(parallel, 1))
	for i := range size {
		if parallel <= 1 {
			errs[i] = call(first + i)
			continue
		}
		slots <- struct{}{}
		calls.Go(func() {
			defer func() { <-slots }()
			errs[i] = call(first + i)
		})
	}
	calls.Wait()
	for _, e := range errs {
		if e != nil {
			failed, err = failed+1, e
		}
	}
	return failed, err
}

// All makes the calls 0 … n-1 without a slow start, at most parallel at the same
// time, and returns one of their errors.
func All(n, parallel int, call func(i int) error) error {
	_, err := batch(0, n, parallel, call)
	return err
}
