package logs

import (
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/collector/reading"
)

func TestRenameRotationExactPath(t *testing.T) {
	r := newRig(t, nil).match("app.log").write("app.log", "First line\n").start().poll()
	r.rename("app.log", "app.log0").write("app.log", "New file line\n").pass(5 * time.Second)
	r.write("app.log0", "Last line\n").pass(10 * time.Second)
	r.want("First line", "New file line", "Last line").metric("held_generations", 1)
	r.pass(2*time.Minute).metric("held_generations", 0).metric("files_open", 0)
	r.restart(true).poll().want("First line", "New file line", "Last line")
}

func TestRenameRotationGlob(t *testing.T) {
	r := newRig(t, nil).match("app.log*").write("app.log", "First line\n").start().poll()
	r.rename("app.log", "app.log0").write("app.log", "New file line\n").pass(5 * time.Second)
	r.write("app.log0", "Last line\n").pass(10 * time.Second)
	r.pass(time.Hour).write("app.log0", "Very last line\n").poll()
	r.want("First line", "New file line", "Last line", "Very last line").metric("rotations_total", 1)
	r.restart(false).poll().want("First line", "New file line", "Last line", "Very last line")
}

func TestCopyTruncateExactPath(t *testing.T) {
	r := newRig(t, nil).match("app.log").write("app.log", "First line\n").start().poll()
	r.copy("app.log", "app.log0").truncate("app.log").write("app.log", "New file line\n").poll()
	r.write("app.log0", "Last line\n").pass(10 * time.Second)
	r.want("First line", "New file line").metric("truncations_total", 1)
}

func TestCopyTruncateGlob(t *testing.T) {
	for _, between := range []string{"one poll", "copy seen first", "restart after the copy", "restart after all"} {
		t.Run(between, func(t *testing.T) {
			r := newRig(t, nil).match("app.log*").write("app.log", "First line\n").start().poll()
			r.write("app.log", "Read from the copy\n").copy("app.log", "app.log0")
			switch between {
			case "copy seen first":
				r.poll()
			case "restart after the copy":
				r.poll().restart(false).poll()
			}
			r.truncate("app.log").write("app.log", "New file line\n").pass(5 * time.Second)
			r.write("app.log0", "Last line\n").pass(10 * time.Second)
			if between == "restart after all" {
				r.restart(false).poll()
			}
			r.wantAny("First line", "Read from the copy", "New file line", "Last line").metric("copies_total", copiesOf(between))
			r.restart(true).poll().write("app.log0", "x\n").write("app.log", "y\n").poll()
			r.wantAny("First line", "Read from the copy", "New file line", "Last line", "x", "y")
		})
	}
}

func copiesOf(between string) float64 {
	if between == "restart after all" {
		return 0 // counted by the tailer before
	}
	return 1
}

func TestCopyWhileStopped(t *testing.T) {
	r := newRig(t, nil).match("app.log*").write("app.log", "First line\n").start().poll().restart(true)
	r.kill()
	r.write("app.log", "Unread\n").copy("app.log", "app.log.1").truncate("app.log").write("app.log", "New\n")
	r.start().poll().wantAny("First line", "Unread", "New")
}

func TestFilesThatBeginAlikeAreNoCopies(t *testing.T) {
	banner := "server starting\n"
	r := newRig(t, nil).match("*.log").write("a.log", banner).write("b.log", banner).start().poll()
	r.wantAny("server starting", "server starting")
	r.write("c.log", banner).poll().wantAny("server starting", "server starting", "server starting")
}

func TestCopyThatGoesOnDifferently(t *testing.T) {
	r := newRig(t, nil).match("app.log*").write("app.log", "one\n").start().poll()
	r.copy("app.log", "app.log.bak").poll().want("one")
	r.write("app.log.bak", "two\n").poll().want("one", "two")
	r.write("app.log", "three\n").write("app.log.bak", "four\n").poll().wantAny("one", "two", "three", "four")
}

func TestTruncateThenAppend(t *testing.T) {
	r := newRig(t, nil).match("app.log").write("app.log", strings.Repeat("old line\n", 10_000)).start().poll()
	r.truncate("app.log").poll().write("app.log", "Hello world\n").poll()
	logs := r.logs()
	require.Len(t, logs, 10_001)
	require.Equal(t, "Hello world", logs[10_000])
}

func TestRewriteToLongerInOnePoll(t *testing.T) {
	r := newRig(t, nil).match("app.log").write("app.log", "old\n").start().poll()
	r.truncate("app.log").write("app.log", "a new and longer line\nand one more\n").poll()
	r.want("old", "a new and longer line", "and one more").metric("truncations_total", 1)
}

// TestRewriteBehindEqualHead: the first kilobyte is the same, what follows is
// not.
func TestRewriteBehindEqualHead(t *testing.T) {
	head := strings.Repeat("#", 1500) + "\n"
	r := newRig(t, nil).match("app.log").write("app.log", head+"old\n").start().poll()
	r.truncate("app.log").write("app.log", head+"new\nnew too\n").poll()
	r.want(strings.TrimSpace(head), "old", strings.TrimSpace(head), "new", "new too")
}

func TestRewriteWhileStopped(t *testing.T) {
	r := newRig(t, nil).match("app.log").write("app.log", "old\n").start().poll()
	r.truncate("app.log").write("app.log", "new and longer\n").restart(true).poll().want("old", "new and longer")
}

func TestHoleAfterTruncation(t *testing.T) {
	r := newRig(t, nil).match("app.log").write("app.log", strings.Repeat("x", 3000)+"\n").start().poll()
	f, err := os.OpenFile(r.path("app.log"), os.O_WRONLY, 0)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, f.Truncate(0))
	_, err = f.WriteAt([]byte("after the hole\n"), 5000)
	require.NoError(t, err)
	r.poll().want(strings.Repeat("x", 3000), "after the hole")
}

func TestInodeReuse(t *testing.T) {
	r := newRig(t, nil).match("app.log").write("app.log", "old content\n").start().poll()
	known := r.tailer.patterns[0].groups[0].files[0].id
	r.delete("app.log").poll().pass(time.Minute).metric("files_open", 0)
	for i := range 200 {
		name := fmt.Sprint("filler", i)
		r.write(name, "new content, longer\n")
		in, err := statPath(r.path(name))
		require.NoError(t, err)
		if in.id == known {
			r.rename(name, "app.log").poll().want("old content", "new content, longer")
			return
		}
	}
	// This file system gives no inode out again: put the old position on another.
	r.write("app.log", "new content, longer\n")
	in, err := statPath(r.path("app.log"))
	require.NoError(t, err)
	p := r.tailer.options.Positions.Of(known.device, known.inode)[0]
	p.Device, p.Inode = in.id.device, in.id.inode
	r.tailer.options.Positions.Put(p)
	r.poll().want("old content", "new content, longer")
}

func TestContainerRotation(t *testing.T) {
	for _, style := range []struct {
		name, file string
		rotate     func(r *rig, n int)
	}{
		{"docker", "x-json.log", func(r *rig, n int) {
			for i := n; i > 1; i-- {
				r.rename(fmt.Sprintf("x-json.log.%d", i-1), fmt.Sprintf("x-json.log.%d", i))
			}
			r.rename("x-json.log", "x-json.log.1")
		}},
		{"kubelet", "0.log", func(r *rig, n int) { r.rename("0.log", fmt.Sprintf("0.log.20261124-1011%02d", n)) }},
	} {
		t.Run(style.name, func(t *testing.T) {
			r := newRig(t, nil).follow(style.file, reading.CRI)
			var want []string
			line := func(n int) {
				text := fmt.Sprintf("line %d", n)
				r.write(style.file, cri("stdout", "F", text))
				want = append(want, text)
			}
			line(0)
			r.start().poll()
			for n := 1; n <= 12; n++ {
				line(100 + n)
				style.rotate(r, n)
				line(n)
				if n%3 == 0 {
					r.poll()
				}
				if n == 7 {
					r.restart(false)
				}
			}
			r.poll().want(want...)
			r.pass(time.Hour).metric("files_open", 1)
			r.restart(true).poll().want(want...)
		})
	}
}

func TestRotatedWhileStopped(t *testing.T) {
	r := newRig(t, nil).follow("0.log", reading.CRI).write("0.log", cri("stdout", "F", "one")).start().poll()
	r.kill()
	r.write("0.log", cri("stdout", "F", "two")).rename("0.log", "0.log.20261124-101112")
	r.write("0.log", cri("stdout", "F", "three")).rename("0.log", "0.log.20261124-101113")
	r.write("0.log", cri("stdout", "F", "four"))
	r.start().poll().want("one", "two", "three", "four")
}

func TestDeletedFileIsDrained(t *testing.T) {
	r := newRig(t, func(o *Options) { o.BlockBytes = 1024 }).follow("0.log", reading.CRI)
	var want []string
	for n := range 200 {
		want = append(want, fmt.Sprint("line ", n))
		r.write("0.log", cri("stdout", "F", want[n]))
	}
	r.start().tailer.Poll()
	r.delete("0.log").write("0.log", cri("stdout", "F", "next"))
	r.poll().want(append(want, "next")...)
	require.Positive(t, gathered(r, "unread_bytes_at_deletion_total"))
	r.pass(time.Minute).metric("held_generations", 0).metric("shed_bytes_total", 0)
}

func gathered(r *rig, name string) float64 {
	families, err := r.names.Gather()
	require.NoError(r.t, err)
	for _, f := range families {
		if f.GetName() == "lubberline_logs_"+name {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	return -1
}

func TestHeldFilesAreCapped(t *testing.T) {
	r := newRig(t, func(o *Options) { o.MaxHeld = 2 }).follow("0.log", reading.CRI).start().poll()
	r.spool.refuse = errFull
	r.write("0.log", cri("stdout", "F", "buffered")).poll()
	size := len(cri("stdout", "F", "0"))
	for n := range 5 {
		r.write("0.log", cri("stdout", "F", fmt.Sprint(n))).poll().delete("0.log")
	}
	r.write("0.log", cri("stdout", "F", "last")).poll()
	r.metric("shed_files_total", 3).metric("held_generations", 2)
	r.metric("shed_bytes_total", float64(3*size))
	r.spool.refuse = nil
	r.pass(time.Minute).want("buffered", "3", "4", "last")
}

func pack(t *testing.T, r *rig, from, to string) {
	t.Helper()
	data, err := os.ReadFile(r.path(from))
	require.NoError(t, err)
	var b strings.Builder
	z := gzip.NewWriter(&b)
	_, err = z.Write(data)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	require.NoError(t, os.WriteFile(r.path(to+".tmp"), []byte(b.String()), 0o600))
	r.rename(to+".tmp", to).delete(from)
}

func TestCompressedFileThatWasRead(t *testing.T) {
	r := newRig(t, nil).follow("0.log", reading.CRI).write("0.log", cri("stdout", "F", "one")).start().poll()
	r.rename("0.log", "0.log.20261124-101112").write("0.log", cri("stdout", "F", "two")).poll()
	pack(t, r, "0.log.20261124-101112", "0.log.20261124-101112.gz")
	r.poll().pass(time.Minute).pass(time.Minute).want("one", "two").metric("copies_total", 1).metric("files_open", 1)
	r.restart(true).poll().pass(time.Minute).want("one", "two").metric("copies_total", 0)
}

func TestCompressedWhileStopped(t *testing.T) {
	for _, save := range []bool{true, false} {
		r := newRig(t, nil).follow("0.log", reading.CRI)
		text := strings.Repeat("long line ", 200)
		r.write("0.log", cri("stdout", "F", text+"one")).start().poll().restart(save)
		r.kill()
		r.write("0.log", cri("stdout", "F", "two")).rename("0.log", "0.log.20261124-101112")
		pack(t, r, "0.log.20261124-101112", "0.log.20261124-101112.gz")
		r.write("0.log", cri("stdout", "F", "three")).rename("0.log", "0.log.20261124-101113")
		pack(t, r, "0.log.20261124-101113", "0.log.20261124-101113.gz")
		r.write("0.log", cri("stdout", "F", "four"))
		r.start().poll().want(text+"one", "two", "three", "four")
		r.restart(save).poll().want(text+"one", "two", "three", "four")
	}
}

func TestCompressedFileIsDamaged(t *testing.T) {
	r := newRig(t, nil).follow("0.log", reading.CRI).write("0.log.1.gz", "no gzip at all").write("0.log", cri("stdout", "F", "one"))
	r.start().poll().want("one").pass(2*time.Minute).want("one").metric("shed_files_total", 1)
}

func TestSymbolicLink(t *testing.T) {
	r := newRig(t, nil)
	pods, links := filepath.Join(r.dir, "pods"), filepath.Join(r.dir, "containers")
	require.NoError(t, os.MkdirAll(pods, 0o700))
	require.NoError(t, os.MkdirAll(links, 0o700))
	require.NoError(t, os.Symlink(filepath.Join(pods, "0.log"), filepath.Join(links, "web.log")))
	r.follow("containers/web.log", reading.CRI).write("pods/0.log", cri("stdout", "F", "one")).start().poll()
	r.write("pods/0.log", cri("stdout", "F", "two")).rename("pods/0.log", "pods/0.log.20261124-101112")
	r.write("pods/0.log", cri("stdout", "F", "three")).poll().want("one", "two", "three")
	r.write("pods/0.log", cri("stdout", "F", "four")).rename("pods/0.log", "pods/0.log.20261124-101113").restart(false)
	r.poll().want("one", "two", "three", "four")
}

func TestTwoSourcesOfOneFile(t *testing.T) {
	r := newRig(t, nil).match("*.log").match("a*").write("a.log", "once\n").start().poll().want("once")
	r.write("a.log", "again\n").restart(true).poll().want("once", "again")
}
