package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// reportRsyslog adds rsyslog as a peer where it is installed: its imfile reads
// the same files, and omfile writes the lines, unparsed, to one file. That is
// less than ours does: no CRI, no joining, no acknowledged delivery.
func (l *logFiles) reportRsyslog(ctx context.Context, s *settings, ours float64) {
	path, err := exec.LookPath("rsyslogd")
	if err != nil {
		s.report.note("rsyslog is not installed: no such row")
		return
	}
	u, err := l.throughRsyslog(ctx, s, path)
	if err != nil {
		s.report.note("rsyslog did not do it: %v", err)
		return
	}
	s.report.add(line{what: "collector CPU beside rsyslog, files to one file, unparsed (1 run)", unit: "s/GiB", ours: ours, other: u, peer: "rsyslog imfile, omfile"})
}

// throughRsyslog returns CPU seconds per GiB. A quarter of the files is enough:
// it takes its time.
func (l *logFiles) throughRsyslog(ctx context.Context, s *settings, path string) (perGiB float64, err error) {
	dir, clean, err := s.sub("rsyslog")
	if err != nil {
		return 0, err
	}
	defer clean()
	in := filepath.Join(dir, "in")
	bytes, err := l.linkSome(in)
	if err != nil {
		return 0, err
	}
	config, out := filepath.Join(dir, "rsyslog.conf"), filepath.Join(dir, "out")
	err = os.WriteFile(config, fmt.Appendf(nil, `global(workDirectory=%[1]q maxMessageSize="64k")
module(load="imfile")
template(name="line" type="string" string="%%msg%%\n")
input(type="imfile" file="%[2]s/*.log" tag="bench" ruleset="all" addMetadata="off")
ruleset(name="all" queue.type="Disk" queue.filename="q" queue.maxDiskSpace="4g") { action(type="omfile" file=%[3]q template="line") }
`, dir, in, out), 0o600)
	if err != nil {
		return 0, err
	}
	p, err := start(dir, path, "-n", "-f", config, "-i", filepath.Join(dir, "pid"))
	if err != nil {
		return 0, err
	}
	defer p.stop()
	u, err := p.watch(func() error { return waitForSize(ctx, p, out, bytes) })
	return u.cpu.Seconds() / (float64(bytes) / (1 << 30)), err
}

// linkSome links a quarter of the files into a folder, and returns their size.
func (l *logFiles) linkSome(dir string) (bytes int64, err error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return 0, err
	}
	all, err := l.files()
	if err != nil {
		return 0, err
	}
	for _, path := range all[:(len(all)+3)/4] {
		info, err := os.Stat(path)
		if err != nil {
			return 0, err
		}
		bytes += info.Size()
		if err := os.Link(path, filepath.Join(dir, filepath.Base(path))); err != nil {
			return 0, err
		}
	}
	return bytes, nil
}

// waitForSize waits until a file is as long as what was read, nearly:
// rsyslog writes its buffer at the end only, so the last of it is not waited for.
func waitForSize(ctx context.Context, p *process, path string, want int64) error {
	want -= 64 << 10
	last, since := int64(0), time.Now()
	for {
		var size int64
		if info, err := os.Stat(path); err == nil {
			size = info.Size()
		}
		if size >= want {
			return nil
		}
		if size > last {
			last, since = size, time.Now()
		}
		if time.Since(since) > 20*time.Second {
			return fmt.Errorf("%d of %d bytes, and no more for 20 s", size, want)
		}
		if err := errors.Join(p.alive(), sleep(ctx, 50*time.Millisecond)); err != nil {
			return err
		}
	}
}
