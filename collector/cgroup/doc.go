// Package cgroup finds the control groups of a machine and reads what they have
// used. It knows cgroup v1, v2 and the hybrid of both, in any layout.
//
// # Finding
//
// System.Watch walks the hierarchies once, follows one of them with inotify and
// walks again from time to time, so that nothing missed stays missed. A cgroup
// is named by its path below the hierarchy's root, "/docker/4f2…"; the root is
// "/". On v1 the cgroups of all controllers are taken together, but only those
// of the followed one (memory, where it is mounted) are seen at once; the others
// are found by the next walk.
// systemd's mount units hold no processes and are left out.
//
// # Reading
//
// System.Open returns a Reader that keeps the files of one cgroup open and
// reads them with pread into a buffer it shares with the other readers; it
// allocates nothing once it has seen all devices. Nearly all of the cost is the
// kernel's, so the files are read no more often than their values are worth:
//
//	every tick   cpuacct.usage, memory.usage_in_bytes, pids.current, blkio
//	             (v2: cpu.stat, memory.current, pids.current, io.stat,
//	             *.pressure)
//	every tick   cpuacct.stat, memory.stat and, on v1, blkio: but not in a cgroup
//	that runs    that is quiet, see quiet.go; then every tenth tick
//	10 s         memory.max_usage_in_bytes, memory.failcnt,
//	             memory.kmem.usage_in_bytes, memory.oom_control, cgroup.procs
//	             (v2: memory.peak, memory.events, cgroup.procs)
//	30 s         limits, shares and quota; files that were missing are looked for
//
// cpu.stat of v1 only counts where a quota is set, and is read only there.
//
// # Unknown
//
// A file that is missing or unreadable makes its values unknown, never zero,
// and so does a limit that is not set. A cgroup that goes away while it is read
// makes Read return ErrGone.
package cgroup
