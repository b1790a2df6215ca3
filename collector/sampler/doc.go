// Package sampler takes one sample of every container at each point of an exact
// grid, and is the owner of the reading.Containers.
//
// The grid is the multiples of the interval in wall-clock time: with an interval
// of 5 s, samples bear the times …:00, …:05, …:10. A sample's time is that of
// its grid point, not the few milliseconds later at which its files were read;
// so the samples of all containers and all machines line up, and a rate is a
// difference over a whole number of intervals.
//
// A tick that comes more than half an interval late is left out and counted, as
// are those that were due meanwhile; ticks never bunch. No container gets two
// samples of one time. When the clock is set forward the grid goes on from
// there. When it is set back a little, sampling waits until the last time is
// passed; when it is set back by more than a minute, the grid starts again from
// the new time, and Tick.Realigned says so once.
//
// All cgroups are read by one goroutine, the one of Run. It asks no container
// runtime: names are resolved beside it, and come in when they are known.
package sampler
